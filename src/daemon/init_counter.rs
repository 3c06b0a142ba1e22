//! `knockd --init-counter`: says how far a key's sequences were used, where nothing else knows.

use std::str::FromStr;

use super::args::Args;
use super::failure::Failure;
use super::setup::Setup;
use crate::config::{KeySource, Trigger};
use crate::logging::for_terminal;
use crate::open::{CounterNotSet, set_counter};
use crate::state::prepare_counters;

/// A door, perhaps with a person, and the counter that comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitCounter {
    key: String,
    next: u64,
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

/// Sets the counter.
pub(super) fn init_counter(args: &Args, wish: &InitCounter) -> Result<(), Failure> {
    let (config, _) = Setup::new(args)?.read_config()?;
    let doors: Vec<(&str, &KeySource)> = config
        .doors
        .iter()
        .filter_map(|door| match &door.trigger {
            Trigger::Key(source) => Some((door.name.as_str(), source)),
            _ => None,
        })
        .collect();
    let find = |name: &str| doors.iter().find(|(door, _)| *door == name).copied();
    let whole = find(&wish.key).map(|door| (door, None));
    let found = whole.or_else(|| {
        let (door, name) = wish.key.rsplit_once('/')?;
        Some((find(door)?, Some(name)))
    });
    let Some(((door, source), name)) = found else {
        let known = doors.iter().map(|(door, _)| (*door).to_owned()).collect();
        return Err(InitFailure::NoDoor { door: wish.key.clone(), known }.into());
    };
    let counters = prepare_counters(&config.options)?;
    let fingerprint = set_counter(source, name, &counters, wish.next)
        .map_err(|error| InitFailure::NotSet { door: door.to_owned(), error })?;
    println!("{}: key {fingerprint}, next counter {}", for_terminal(&wish.key), wish.next);
    Ok(())
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
