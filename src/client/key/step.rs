//! How long a step of time is.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use seqgen::derive::Mode;

/// No step is longer than a door's can be.
const LONGEST: u32 = 3600;

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

/// As a door says it: seconds, with or without their unit, minutes or hours.
impl FromStr for StepSeconds {
    type Err = String;

    fn from_str(text: &str) -> Result<StepSeconds, String> {
        let (number, unit) = match text.as_bytes().last() {
            Some(b's') => (&text[..text.len() - 1], 1),
            Some(b'm') => (&text[..text.len() - 1], 60),
            Some(b'h') => (&text[..text.len() - 1], 3600),
            _ => (text, 1),
        };
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let seconds =
            number.parse::<u32>().ok().filter(|_| digits).and_then(|number| number.checked_mul(unit));
        let step = seconds.and_then(NonZeroU32::new).filter(|step| step.get() <= LONGEST);
        step.map(StepSeconds).ok_or_else(|| format!("`{}` is no step of time (1s-1h)", text.escape_debug()))
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
    fn is_as_long_as_a_doors_can_be() {
        for (text, seconds) in
            [("30", 30), ("30s", 30), ("1", 1), ("3600s", 3600), ("10m", 600), ("1h", 3600)]
        {
            assert_eq!(text.parse::<StepSeconds>().unwrap().duration(), Duration::from_secs(seconds));
        }
        for text in [
            "",
            "s",
            "0",
            "0s",
            "-1",
            "+1",
            "1.5",
            "30 s",
            "3601",
            "61m",
            "2h",
            "1d",
            "s5",
            "m",
            "71582789m",
            "99999999999",
        ] {
            let said = text.parse::<StepSeconds>().unwrap_err();
            assert_eq!(said, format!("`{text}` is no step of time (1s-1h)"));
        }
    }
}
