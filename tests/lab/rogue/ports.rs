//! What a packet to which port makes the rogue do.

/// What it may not do, and whether the port is that.
pub(crate) const READ_SHADOW: u16 = 6001;
pub(crate) const EXECUTE: u16 = 6002;
pub(crate) const CONNECT: u16 = 6003;
pub(crate) const TRACE: u16 = 6004;
pub(crate) const KILL: u16 = 6005;
pub(crate) const START_THREAD: u16 = 6006;
pub(crate) const CONNECT_LOCALLY: u16 = 6007;

/// The name of the abstract socket of [`CONNECT_LOCALLY`].
pub(crate) const SOCKET: &str = "knock-lab";

/// Messages: the slot is the packet's source port, and the knocker is its source.
pub(crate) const COMPLETED: u16 = 6101;
pub(crate) const EXPOSED: u16 = 6102;
pub(crate) const FUTURE: u16 = 6103;
pub(crate) const PAST: u16 = 6104;
pub(crate) const NOBODY: u16 = 6105;
pub(crate) const EVERYBODY: u16 = 6106;
pub(crate) const MAPPED: u16 = 6107;
pub(crate) const STAGES: u16 = 6108;
pub(crate) const LOST: u16 = 6109;
pub(crate) const SYNCED: u16 = 6110;
pub(crate) const OPENED: u16 = 6111;
pub(crate) const WORDS: u16 = 6112;
pub(crate) const CONFINED: u16 = 6113;
pub(crate) const GARBAGE: u16 = 6114;
pub(crate) const COUNTED: u16 = 6115;

/// Added to the port of a message: as many of it as there is room for, for so many seconds.
pub(crate) const FLOOD: u16 = 100;
pub(crate) const SECONDS: u64 = 2;
