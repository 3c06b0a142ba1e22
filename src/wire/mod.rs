//! What executor and capture process write to each other: messages of a fixed size, each checked when it is read.
//!
//! The executor believes nothing that it reads.  A message can only be one of the few things that the enums say, with
//! numbers, addresses and flags in it; text comes from a capture process only before it is confined
//! ([`Setup`]), and so before it has seen a packet.

mod frame;
mod order;
mod plan;
mod sighting;

pub use frame::{BadMessage, Frames, ORDER_SIZE, SIGHTING_SIZE, append, decode, encode};
pub use order::{Instruction, OrderMessage, Reader, Strength, WireBound, WireFlags, WireSlot};
pub use plan::messages;
pub use sighting::{
    Counters, Loss, MOST_WORDS, Progress, ProgressKind, STEPS_AT_ONCE, Setup, Sight, Steps, sightings,
};

#[cfg(test)]
mod tests;
