//! The pure matcher: hits and time come in, reports come out.

mod armed;
mod attempt;
mod here;
mod tracker;

pub use here::Here;
pub use tracker::Tracker;
