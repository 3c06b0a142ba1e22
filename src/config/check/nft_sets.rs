//! The sets of a door, and what they rule out beside them.

use super::commands;
use super::given::Given;
use crate::config::directives::DoorKey;
use crate::config::excerpt::excerpt;
use crate::config::fault::{Fault, Faults};
use crate::config::nft_set::{self, Ip, NftSet};
use crate::config::raw::Value;
use crate::config::schema::{Options, PerFamily};

/// `CAP_NET_ADMIN` (`linux/capability.h`).
const NET_ADMIN: u8 = 12;

/// A directive for a set, and those for the commands of the same family.
struct Place {
    key: DoorKey,
    ip: Ip,
    commands: [DoorKey; 2],
}

const V4: Place =
    Place { key: DoorKey::NftSet, ip: Ip::V4, commands: [DoorKey::StartCommand, DoorKey::StopCommand] };
const V6: Place =
    Place { key: DoorKey::NftSet6, ip: Ip::V6, commands: [DoorKey::StartCommand6, DoorKey::StopCommand6] };

/// Both families' sets.
pub(super) fn check(
    given: &Given<'_, DoorKey>,
    options: &Options,
    faults: &mut Faults,
) -> PerFamily<Option<NftSet>> {
    let mut read = |place: &Place| {
        let set = given.read_words(place.key, faults, |words| nft_set::read(words, place.ip)).flatten();
        refuse_commands(given, place, faults);
        set
    };
    let sets = PerFamily { v4: read(&V4), v6: read(&V6) };
    if sets.v4.is_some() && sets.v4 == sets.v6 {
        let message = "a set holds addresses of one kind, and this one is the door's `nft_set` already";
        blame(given, DoorKey::NftSet6, message, "make another one, of type ipv6_addr", faults);
    }
    let key = if is_given(given, DoorKey::NftSet) { DoorKey::NftSet } else { DoorKey::NftSet6 };
    if is_given(given, key) && options.capabilities.is_some_and(|kept| !kept.has(NET_ADMIN)) {
        let message = "nft needs cap_net_admin, which `capabilities` does not keep";
        blame(given, key, message, "add cap_net_admin to `capabilities`", faults);
    }
    sets
}

/// Whether the door has a set, read or not.
pub(super) fn is_any_given(given: &Given<'_, DoorKey>) -> bool {
    is_given(given, DoorKey::NftSet) || is_given(given, DoorKey::NftSet6)
}

/// Warns of a family for which nothing happens, unless its directive says so by being empty.
pub(super) fn warn_of_missing(given: &Given<'_, DoorKey>, serves: &PerFamily<bool>, faults: &mut Faults) {
    for (place, other, is_served, name, packets) in
        [(&V4, &V6, serves.v4, "nft_set", "IPv4"), (&V6, &V4, serves.v6, "nft_set_6", "IPv6")]
    {
        if let Some(entry) = given.entry(other.key).filter(|_| is_given(given, other.key))
            && !is_served
            && given.entry(place.key).is_none()
        {
            let message = format!("nobody who knocks over {packets} is let in");
            let hint = format!("add {name} = …; with nothing behind it, it says that this is meant");
            faults.push(Fault::warning(entry.key.span.clone(), message).hint(hint));
        }
    }
}

fn is_given(given: &Given<'_, DoorKey>, key: DoorKey) -> bool {
    commands::is_given(given, [key, key])
}

/// A command beside a set would leave unclear what it is that closes the door.
fn refuse_commands(given: &Given<'_, DoorKey>, place: &Place, faults: &mut Faults) {
    let Some(set) = given.entry(place.key).filter(|_| is_given(given, place.key)) else { return };
    for key in place.commands.into_iter().filter(|key| is_given(given, *key)) {
        let Some(command) = given.entry(key) else { continue };
        let message = format!(
            "`{}` beside `{}`, which opens and closes by itself",
            excerpt(&command.key.value),
            excerpt(&set.key.value)
        );
        let fault = Fault::error(command.key.span.clone(), message);
        faults.push(fault.hint("leave one of them out; a command can add to a set, too: nft add element …"));
    }
}

fn blame(given: &Given<'_, DoorKey>, key: DoorKey, message: &str, hint: &str, faults: &mut Faults) {
    let Some(entry) = given.entry(key) else { return };
    let at = entry.value.as_ref().map_or(&entry.key.span, Value::span).clone();
    faults.push(Fault::error(at, message).hint(hint));
}
