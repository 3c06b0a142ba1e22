//! `knockd --init-counter`: says how far a key's sequences were used, where nothing else knows.

use super::args::Args;
use super::counter_wish::{InitCounter, InitFailure};
use super::failure::Failure;
use super::setup::Setup;
use crate::config::{KeySource, Trigger};
use crate::logging::for_terminal;
use crate::open::set_counter;
use crate::state::prepare_counters;

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
