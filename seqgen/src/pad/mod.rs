//! Pads: files of one-time sequences, one a line, each good for one opening.
//!
//! A line is *struck* (used up) by overwriting its first byte with `#`, in place.  Nothing is ever renamed or
//! rewritten, so every reader that holds the file open sees the strike, a line's place in the file never changes,
//! and a full disk cannot stop it.  Readers need no lock; whoever strikes holds the exclusive one.

mod append;
mod census;
mod create;
mod error;
mod file;
mod line;
mod lock;
mod scan;
mod strike;

pub use census::Census;
pub use create::create;
pub use error::{PadError, PadErrorKind};
pub use file::{ReadPad, readable_by_others};
pub use line::{BadLine, BadLineKind, Entry, Line, MAX_LINE};
pub use lock::LockedPad;
pub use scan::{Position, SETTLED, Scan, Seen, Source};
