//! Taking frames off the wire: interfaces, the kernel filter, and the loop that feeds the tracker.

mod addresses;
mod filter;
mod live;
mod watch;

pub use addresses::local_addresses;
pub use live::{Feed, OpenError};
pub use watch::{Control, OrderSender, Watch};
