//! What the counter counts.

use std::num::NonZeroU32;

/// What the counter counts.  Sequences of one mode have nothing to do with those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Knocks, as HOTP does (RFC 4226).
    Counter,
    /// Steps of time since 1970, as TOTP does (RFC 6238).
    Time {
        /// How many seconds a step has.
        step: NonZeroU32,
    },
}

impl Mode {
    /// The field that stands for it, and how many bytes of it count.
    pub(super) fn field(self) -> ([u8; 8], usize) {
        let mut field = [0; 8];
        match self {
            Mode::Counter => {
                field[..4].copy_from_slice(b"hotp");
                (field, 4)
            }
            Mode::Time { step } => {
                field[..4].copy_from_slice(b"totp");
                field[4..].copy_from_slice(&step.get().to_be_bytes());
                (field, 8)
            }
        }
    }

    /// The counter at a time, in seconds since 1970, where time is what is counted.
    pub fn counter_at(self, unix_seconds: u64) -> Option<u64> {
        match self {
            Mode::Counter => None,
            Mode::Time { step } => Some(unix_seconds / u64::from(step.get())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_counted_in_whole_steps() {
        let mode = Mode::Time { step: NonZeroU32::new(30).unwrap() };
        assert_eq!(
            [0, 29, 30, 59, 1_111_111_109].map(|t| mode.counter_at(t)),
            [0, 0, 1, 1, 37_037_036].map(Some)
        );
        assert_eq!(Mode::Counter.counter_at(30), None);
    }
}
