//! The section of a door.

use std::net::IpAddr;
use std::time::Duration;

use seqgen::generate::Protocols;
use seqgen::sequence::Protocol;

use super::given::{Given, Kind};
use super::{Sources, commands, key, nft_sets, path, reach, scans};
use crate::config::blank::{is_blank, trim};
use crate::config::command::Command;
use crate::config::directives::{DOOR, DoorKey};
use crate::config::excerpt::excerpt;
use crate::config::fault::{Fault, Faults};
use crate::config::networks::network;
use crate::config::raw::{Form, Section, Value};
use crate::config::schema::{Door, Options, PadSource, PerFamily, Reknock, Stop, Trigger};
use crate::config::values;
use crate::flags::{FlagRule, TcpFlags};
use crate::networks::Networks;

/// knockd 0.8's default for `seq_timeout`.
const SEQ_TIMEOUT: Duration = Duration::from_secs(25);
/// knockd 0.8's default for `cmd_timeout`.
const CMD_TIMEOUT: Duration = Duration::from_secs(10);
/// With how many lines left a pad is said to run out unless `one_time_low` says otherwise.
const LOW: u32 = 5;

const KIND: Kind<DoorKey> = Kind { table: DOOR, misplaced: "it belongs into the section [options]" };

pub(super) fn check<'a>(
    section: &'a Section,
    options: &Options,
    sources: &mut Sources<'a>,
    faults: &mut Faults,
) -> Option<Door> {
    let given = Given::new(&section.name, section.entries.iter(), KIND, faults);
    let trigger = trigger(&given, sources, faults);
    let seq_timeout = given.read(DoorKey::SeqTimeout, faults, values::seq_timeout).unwrap_or(SEQ_TIMEOUT);
    let flags = flags(&given, trigger.as_ref(), faults);
    let target = given.read(DoorKey::Target, faults, |text| {
        let wrong = || Fault::error(0..text.len(), format!("`{}` is no IP address", excerpt(text)));
        text.parse::<IpAddr>().map_err(|_| wrong())
    });
    let allow = allow(&given, faults);
    let nft_set = nft_sets::check(&given, options, faults);
    let has_sets = nft_sets::is_any_given(&given);
    // What opens over IPv4 is no fallback where there is a set.
    let but_for_sets = |commands: PerFamily<Option<Command>>| PerFamily {
        v6: commands.v6.filter(|_| nft_set.v6.is_none()),
        ..commands
    };
    let start = but_for_sets(commands::check(&given, DoorKey::StartCommand, DoorKey::StartCommand6, faults));
    let starts = [DoorKey::StartCommand, DoorKey::StartCommand6];
    if start.v4.is_none() && start.v6.is_none() && !has_sets && !commands::is_given(&given, starts) {
        let fault = Fault::error(section.name.span.clone(), "this door has no command");
        faults.push(fault.hint("add start_command = …, or command = …, or nft_set = …"));
    }
    let serves = PerFamily {
        v4: start.v4.is_some() || nft_set.v4.is_some(),
        v6: start.v6.is_some() || nft_set.v6.is_some(),
    };
    nft_sets::warn_of_missing(&given, &serves, faults);
    let after = given.read(DoorKey::CmdTimeout, faults, |text| cmd_timeout(text, has_sets));
    let after = after.unwrap_or(CMD_TIMEOUT);
    let stop = but_for_sets(commands::check(&given, DoorKey::StopCommand, DoorKey::StopCommand6, faults));
    let closes = has_sets || stop.v4.is_some() || stop.v6.is_some();
    let stop = closes.then_some(Stop { after, command: stop });
    let reknock = reknock(&given, stop.is_some(), has_sets, faults);
    let door = Door {
        name: section.name.value.clone(),
        trigger: trigger?,
        seq_timeout,
        flags,
        target,
        allow,
        start,
        nft_set,
        stop,
        reknock,
    };
    scans::look_over(&given, &door, options.scan_guard, faults);
    Some(door)
}

/// Which TCP packets count, with a word on doors that take others than a client sends.
fn flags(given: &Given<'_, DoorKey>, trigger: Option<&Trigger>, faults: &mut Faults) -> FlagRule {
    let wants_tcp = trigger.is_some_and(|trigger| match trigger {
        Trigger::Static(sequence) => sequence.steps().iter().any(|step| step.protocol == Protocol::Tcp),
        Trigger::OneTime(_) => true,
        Trigger::Key(source) => source.form.shape().protocols != Protocols::Udp,
    });
    let Some(entry) = given.entry(DoorKey::TcpFlags) else {
        if wants_tcp {
            let name = excerpt(&given.name.value);
            let message = format!("door [{name}] has no tcpflags and is taken as `tcpflags = syn`");
            faults.push(Fault::warning(given.name.span.clone(), message).hint(
                "knockd 0.8 would let every kind of TCP scan knock here; `tcpflags = any` asks for that",
            ));
        }
        return FlagRule::SYN;
    };
    let Some(rule) = given.read_list(DoorKey::TcpFlags, faults, values::tcp_flags) else {
        return FlagRule::SYN;
    };
    if let Some(Value::Text(text)) = &entry.value
        && text.form == Form::Bare
        && let Some(blank) = flags_of(&text.value).find(is_blank)
    {
        let fault = Fault::warning(blank..blank + 1, "a blank among flags is left out");
        faults.push(text.blame(fault.hint("knockd 0.8 takes none")));
    }
    if wants_tcp && !rule.takes(TcpFlags::SYN) {
        let at = entry.value.as_ref().map_or(&entry.key.span, Value::span).clone();
        let message = "a client such as knock does not send TCP packets with these flags";
        let fault = Fault::warning(at, message);
        faults.push(fault.hint("what opens a connection is a SYN: write `tcpflags = syn`"));
    }
    rule
}

/// What a knock does while the door is open, which a door that never closes has no use for.
fn reknock(given: &Given<'_, DoorKey>, has_stop: bool, has_sets: bool, faults: &mut Faults) -> Reknock {
    let stops = [DoorKey::StopCommand, DoorKey::StopCommand6];
    let closes = has_stop || commands::is_given(given, stops);
    if let Some(entry) = given.entry(DoorKey::Reknock).filter(|_| !closes) {
        let message = "`reknock` has no effect on a door without a stop command";
        let hint = "such a door does not stay open: each knock runs its start command";
        faults.push(Fault::warning(entry.key.span.clone(), message).hint(hint));
    }
    let way = given.read(DoorKey::Reknock, faults, |text| match values::reknock(text)? {
        Reknock::Run if has_sets => {
            let message = "a set holds an address once, so that no opening can be closed by itself";
            Err(Fault::error(0..text.len(), message)
                .hint("renew, the default, begins the time anew without a gap"))
        }
        way => Ok(way),
    });
    way.unwrap_or_default()
}

/// How long after opening the door closes; in a set, no time at all is for ever.
fn cmd_timeout(text: &str, has_sets: bool) -> Result<Duration, Fault> {
    let span = values::span_of_time(text)?;
    if has_sets && span.is_zero() {
        let message = "without a timeout an address stays in a set for ever";
        return Err(Fault::error(0..text.len(), message).hint("1 second is the shortest"));
    }
    Ok(span)
}

/// Whose hits the door sees, with every network that is none on the way.
fn allow(given: &Given<'_, DoorKey>, faults: &mut Faults) -> Option<Networks> {
    let mut wrong = Faults::default();
    let networks = given.read_list(DoorKey::Allow, faults, |words| {
        let read = |word| network(word).map_err(|fault| wrong.push(fault)).ok();
        Ok(words.iter().filter_map(read).collect())
    });
    faults.append(wrong);
    networks.and_then(|networks| Networks::of(&networks))
}

/// The flags in an unquoted value, without a comment behind them.
fn flags_of(value: &str) -> &str {
    trim(value.split('#').next().unwrap_or_default()).1
}

fn trigger<'a>(
    given: &Given<'a, DoorKey>,
    sources: &mut Sources<'a>,
    faults: &mut Faults,
) -> Option<Trigger> {
    let kinds = [DoorKey::Sequence, DoorKey::OneTimeSequences, DoorKey::OneTimeKey];
    let asked: Vec<_> = kinds.into_iter().filter_map(|kind| Some((kind, given.entry(kind)?))).collect();
    if let [(one, _), (_, other), ..] = asked.as_slice() {
        let (one, other_name) = (kind_name(*one), excerpt(&other.key.value).to_lowercase());
        let message = format!("a door takes either `{one}` or `{other_name}`, not both");
        faults.push(Fault::error(other.key.span.clone(), message));
        return None;
    }
    let kind = asked.first().map(|(kind, _)| *kind);
    if kind != Some(DoorKey::OneTimeKey) {
        key::refuse_without_key(given, faults);
    }
    match kind {
        Some(DoorKey::OneTimeKey) => key::check(given, &mut sources.keys, faults).map(Trigger::Key),
        Some(DoorKey::OneTimeSequences) => {
            let texts = given.texts(DoorKey::OneTimeSequences, faults)?;
            let paths = path::pads(&texts, given.name, &mut sources.pads, faults);
            let (window, resync) = reach::check(given, faults);
            let low = given.read(DoorKey::OneTimeLow, faults, values::low).unwrap_or(LOW);
            let low_command = commands::check_errand(given, DoorKey::OneTimeLowCommand, faults);
            Some(Trigger::OneTime(PadSource { paths, window, resync, low, low_command }))
        }
        Some(_) => given.read_list(DoorKey::Sequence, faults, values::sequence).map(Trigger::Static),
        None => {
            let fault = Fault::error(given.name.span.clone(), "this door has no sequence");
            faults.push(fault.hint("add sequence = …, one_time_sequences = FILE, or one_time_key = FILE"));
            None
        }
    }
}

/// What a kind of trigger is called.
fn kind_name(kind: DoorKey) -> &'static str {
    DOOR.iter().find(|(_, key)| *key == kind).map_or("", |(name, _)| name)
}
