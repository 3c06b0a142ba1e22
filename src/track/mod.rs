//! The pure matcher: hits and time come in, reports come out.

mod armed;
mod attempt;
mod crowds;
mod deadlines;
mod exposure;
mod guard;
mod here;
mod list;
mod pool;
mod sources;
mod table;
mod tracker;

pub use guard::{Limit, is_scan_shaped};
pub use here::{Addresses, Here};
pub use tracker::Tracker;
