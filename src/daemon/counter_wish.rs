//! What `--init-counter` is told, and why it may not be done.

use std::str::FromStr;

use crate::open::CounterNotSet;

/// A door, perhaps with a person, and the counter that comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitCounter {
    pub(super) key: String,
    pub(super) next: u64,
}

impl FromStr for InitCounter {
    type Err = String;

    fn from_str(text: &str) -> Result<InitCounter, String> {
        let (key, number) = text
            .rsplit_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or("write DOOR=N, or DOOR/NAME=N where a door has several keys")?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let next = if digits { number.parse::<u64>().ok() } else { None };
        // The last one is never used, since nothing comes behind it.
        let next = next.filter(|next| *next < u64::MAX);
        let next = next.ok_or_else(|| format!("`{number}` is no counter (0 to {})", u64::MAX - 1))?;
        Ok(InitCounter { key: key.to_owned(), next })
    }
}

/// Why a counter was not set.
#[derive(Debug, thiserror::Error)]
pub enum InitFailure {
    /// There is no such door.
    #[error("there is no door [{door}] with a key; with one there {}", those(.known))]
    NoDoor {
        /// What was asked for.
        door: String,
        /// The doors with keys.
        known: Vec<String>,
    },
    /// The door's key, or its counter, is not as it should be.
    #[error("the counter of [{door}] is not set: {error}")]
    NotSet {
        /// Which door.
        door: String,
        /// Why not.
        error: CounterNotSet,
    },
}

fn those(known: &[String]) -> String {
    let names: Vec<String> = known.iter().map(|name| format!("[{name}]")).collect();
    match names.as_slice() {
        [] => "is none".to_owned(),
        [one] => format!("is {one}"),
        several => format!("are {}", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_names_a_door_and_a_number() {
        let wish = |text: &str| text.parse::<InitCounter>();
        let ok = |key: &str, next| Ok(InitCounter { key: key.to_owned(), next });
        assert_eq!(wish("ssh=0"), ok("ssh", 0));
        assert_eq!(wish("a=b/alice=18446744073709551614"), ok("a=b/alice", u64::MAX - 1));
        for wrong in
            ["", "ssh", "=5", "ssh=", "ssh=-1", "ssh=+1", "ssh=1x", "ssh=18446744073709551615", "ssh= 1"]
        {
            assert!(wish(wrong).is_err(), "{wrong}");
        }
    }
}
