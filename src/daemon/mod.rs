//! The daemon's life: start, events, reload, end.

mod args;
mod events;
mod life;

pub use args::Args;
pub use life::{Failure, run};
