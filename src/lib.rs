//! Port knocking around one-time sequences: the parts of knockd(8) and knock(1).

#[cfg(all(feature = "daemon", target_os = "linux"))]
pub mod capture;
pub mod client;
#[cfg(all(feature = "daemon", target_os = "linux"))]
pub mod clock;
#[cfg(feature = "daemon")]
pub mod config;
#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
pub mod flags;
#[cfg(all(feature = "daemon", target_os = "linux", any(test, feature = "fuzzing")))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "daemon")]
pub mod logging;
#[cfg(feature = "daemon")]
pub mod message;
#[cfg(feature = "daemon")]
pub mod moment;
#[cfg(feature = "daemon")]
pub mod networks;
#[cfg(feature = "daemon")]
pub mod open;
#[cfg(feature = "daemon")]
pub mod packet;
#[cfg(all(feature = "daemon", target_os = "linux"))]
pub mod privileges;
#[cfg(feature = "daemon")]
mod quota;
pub mod report;
#[cfg(all(feature = "daemon", target_os = "linux"))]
pub mod sandbox;
#[cfg(feature = "daemon")]
pub mod state;
#[cfg(all(feature = "daemon", target_os = "linux"))]
pub mod supervisor;
#[cfg(feature = "daemon")]
pub mod track;
#[cfg(feature = "daemon")]
pub mod trust;
#[cfg(all(feature = "daemon", target_os = "linux"))]
pub mod wire;
