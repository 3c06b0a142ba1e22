//! Taking frames off the wire: interfaces, the kernel filter, and the loop that feeds the tracker.

mod filter;
mod host;
mod interfaces;
mod keeper;
mod live;
mod post;
mod watch;

pub use keeper::{CaptureSide, Keeper, Wish, WishSender};
pub use live::{Feed, OpenError, open_present};
pub use post::Post;
pub use watch::{Control, FeedNumber, Loss, OrderSender, Watch};
