//! What the daemon must not forget: its state directory, and the record of spent lines in it.

mod dir;
mod error;
mod format;
mod mark;
mod medium;
mod records;
mod spent;

pub use dir::StateDir;
pub use error::StateError;
pub use mark::{Mark, Marker, Scope};
pub use spent::Spent;

#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod faulty;
