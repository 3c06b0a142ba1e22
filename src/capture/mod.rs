//! The capture process: takes frames off the wire and follows who knocks, without any privilege.
//!
//! It is this program, started by the executor ([`crate::supervisor`]) with a socket as its standard input.

mod filter;
mod line;
mod live;
mod process;
mod watch;

pub use process::{CaptureError, Seen, run};
