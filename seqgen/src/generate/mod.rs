//! Making sequences that nobody can guess and no scan hits by accident.

mod draw;
mod generator;
mod pool;
mod shape;

pub use draw::{BrokenRandomness, Draw};
pub use generator::{GenerateError, Generator, Impossible, Lines, NEIGHBOURHOOD};
pub use pool::{Pool, PortRange, PortRangeError};
pub use shape::{LENGTHS, Protocols, Shape};

pub(crate) use shape::is_monotonic;
