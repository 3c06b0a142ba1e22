//! The executor's side of the capture: which interfaces there are, and the process that captures from them.
//!
//! The capture process ([`crate::capture`]) opens the interfaces that it is told of and then gives up every privilege, so
//! that it can open no other.  When an interface comes, or is made anew, another process is started, which takes over
//! from the first.

mod child;
mod deaths;
mod host;
mod interfaces;
mod keeper;
mod links;
mod post;
mod start;
mod takeover;

pub(crate) use host::Host;
pub use interfaces::InterfaceState;
pub use keeper::{CaptureStatus, Keeper, KeeperSender, Told, Wish};
pub use post::Post;
pub(crate) use post::{Inbox, post};
pub use start::StartError;
