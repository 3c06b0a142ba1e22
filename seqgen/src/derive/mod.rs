//! One-time sequences from a key: whoever holds the key and counts along needs no pad.
//!
//! What is derived here is set down in `docs/derivation.md`, with test vectors, and never changes under its tag.  A
//! whole [`Key`] gives one [`LabelKey`] for each host; this gives a [`CounterKey`] for each counter, whose sequence
//! may be bound to the address that it is knocked from.
//!
//! Keys lie on the heap, so that moving one leaves no copy behind.  They are overwritten when they are dropped, and so are
//! sequences, the states of HMAC and the words that ports are drawn from.  What is not: copies that the compiler leaves
//! on the stack while it works with one, and the key block that HMAC mixes its pads into.

mod counter_key;
mod fingerprint;
mod form;
mod key;
mod key_file;
mod key_text;
mod label;
mod mac;
mod mode;
mod secret;
mod stream;

pub use counter_key::CounterKey;
pub use fingerprint::Fingerprint;
pub use form::Form;
pub use key::{Key, LabelKey};
pub use key_file::{KeyFile, KeyProblem, KeyProblemKind};
pub use key_text::{KeyFileError, KeyFileErrorKind, KeyMaterial, LabelMismatch, MAX_KEY_FILE, ReadKeyError};
pub use label::{Label, LabelError, MAX_LABEL};
pub use mode::Mode;
