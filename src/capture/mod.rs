//! The capture process: takes frames off the wire and follows who knocks, without any privilege.
//!
//! It is this program, started by the executor ([`crate::supervisor`]) with a socket as its standard input.

pub mod filter;
mod gather;
mod line;
mod live;
mod process;
mod time_of_day;
mod watch;

pub use gather::Gather;
pub use live::{BATCH, RINGS};
pub use process::{CaptureError, Seen, run};
