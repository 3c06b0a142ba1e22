//! How long a step of time is.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use seqgen::derive::Mode;

/// No step is longer than a day.
const LONGEST: u32 = 86_400;

/// The length of a step of time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepSeconds(NonZeroU32);

impl StepSeconds {
    pub(super) fn mode(self) -> Mode {
        Mode::Time { step: self.0 }
    }

    pub(super) fn duration(self) -> Duration {
        Duration::from_secs(self.0.get().into())
    }
}

/// Seconds, with or without their unit.
impl FromStr for StepSeconds {
    type Err = String;

    fn from_str(text: &str) -> Result<StepSeconds, String> {
        let number = text.strip_suffix('s').unwrap_or(text);
        let seconds = number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()));
        let step = seconds.and_then(NonZeroU32::new).filter(|step| step.get() <= LONGEST);
        step.map(StepSeconds).ok_or_else(|| {
            format!("`{}` is not a number of seconds from 1 to {LONGEST}", text.escape_debug())
        })
    }
}

impl fmt::Display for StepSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_number_of_seconds() {
        for (text, seconds) in [("30", 30), ("30s", 30), ("1", 1), ("86400s", 86_400)] {
            assert_eq!(text.parse::<StepSeconds>().unwrap().duration(), Duration::from_secs(seconds));
        }
        for text in ["", "s", "0", "0s", "-1", "+1", "1.5", "30 s", "1m", "86401", "99999999999"] {
            let said = text.parse::<StepSeconds>().unwrap_err();
            assert_eq!(said, format!("`{text}` is not a number of seconds from 1 to 86400"));
        }
    }
}
