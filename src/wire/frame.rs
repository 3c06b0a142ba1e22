//! A message and its bytes: postcard's encoding, filled up with zeros to a fixed size.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::{Zeroize as _, Zeroizing};

/// The size of what the executor says, in bytes: the longest sequence fits.
pub const ORDER_SIZE: usize = 160;

/// The size of what a confined capture process says, in bytes.
pub const SIGHTING_SIZE: usize = 256;

/// What was read is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no message of an honest process")]
pub struct BadMessage;

/// The bytes of a message; `None` if they are more than it may have, which the types rule out.
pub fn encode<T: Serialize, const SIZE: usize>(message: &T) -> Option<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    postcard::to_slice(message, &mut bytes).ok()?;
    Some(bytes)
}

/// Puts the bytes of a message behind others, and nowhere else; `false` if they are more than it may have.
pub fn append<T: Serialize, const SIZE: usize>(message: &T, to: &mut Vec<u8>) -> bool {
    let before = to.len();
    to.resize(before + SIZE, 0);
    let fits = postcard::to_slice(message, &mut to[before..]).is_ok();
    if !fits {
        to[before..].zeroize();
        to.truncate(before);
    }
    fits
}

/// The message in these bytes; what is left over must be zeros, and there are no other bytes for the same message.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, BadMessage> {
    let (message, rest) = postcard::take_from_bytes(bytes).map_err(|_| BadMessage)?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(BadMessage);
    }
    // postcard takes numbers that are longer than they need be.
    let mut again = Zeroizing::new([0; SIGHTING_SIZE]);
    let again = postcard::to_slice(&message, &mut *again).map_err(|_| BadMessage)?;
    (*again == bytes[..bytes.len() - rest.len()]).then_some(message).ok_or(BadMessage)
}

/// Bytes as they come, cut into messages of one size.
#[derive(Debug)]
pub struct Frames<const SIZE: usize> {
    bytes: Vec<u8>,
    /// How many of them have been handed out.
    taken: usize,
}

impl<const SIZE: usize> Default for Frames<SIZE> {
    fn default() -> Self {
        Frames { bytes: Vec::new(), taken: 0 }
    }
}

impl<const SIZE: usize> Drop for Frames<SIZE> {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl<const SIZE: usize> Frames<SIZE> {
    /// Adds what was read.  What was handed out before is overwritten, for there may have been keys in it.
    pub fn add(&mut self, bytes: &[u8]) {
        let left = self.bytes.len() - self.taken;
        self.bytes.copy_within(self.taken.., 0);
        self.bytes[left..].zeroize();
        self.bytes.truncate(left);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message's bytes.
    pub fn next_frame(&mut self) -> Option<&[u8]> {
        let frame = self.bytes.get(self.taken..self.taken + SIZE)?;
        self.taken += SIZE;
        Some(frame)
    }
}
