//! `--status`: how a running daemon is, told over a socket to whoever may ask.

mod ask;
mod place;
mod prometheus;
mod server;
mod snapshot;
mod table;

pub use self::ask::Unanswered;
pub(super) use self::ask::ask;
pub(super) use self::place::Place;
pub(super) use self::server::{Ask, StatusServer};
pub(super) use self::snapshot::Facts;
