//! Port knocking around one-time sequences: the parts of knockd(8) and knock(1).

pub mod client;
