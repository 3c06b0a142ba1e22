//! The names of all directives, in one place for parsing, hints and documentation.

/// A directive of `[options]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum OptionKey {
    UseSyslog,
    LogFile,
    PidFile,
    Interface,
}

/// A directive of a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DoorKey {
    Sequence,
    OneTimeSequences,
    OneTimeWindow,
    SeqTimeout,
    TcpFlags,
    Target,
    StartCommand,
    StartCommand6,
    CmdTimeout,
    StopCommand,
    StopCommand6,
}

/// Every name of an `[options]` directive, in lower case; the first of several names is the usual one.
pub(super) const OPTIONS: &[(&str, OptionKey)] = &[
    ("usesyslog", OptionKey::UseSyslog),
    ("logfile", OptionKey::LogFile),
    ("pidfile", OptionKey::PidFile),
    ("interface", OptionKey::Interface),
];

/// Every name of a door's directive, in lower case; the first of several names is the usual one.
pub(super) const DOOR: &[(&str, DoorKey)] = &[
    ("sequence", DoorKey::Sequence),
    ("one_time_sequences", DoorKey::OneTimeSequences),
    ("one_time_window", DoorKey::OneTimeWindow),
    ("seq_timeout", DoorKey::SeqTimeout),
    ("timeout", DoorKey::SeqTimeout),
    ("tcpflags", DoorKey::TcpFlags),
    ("target", DoorKey::Target),
    ("start_command", DoorKey::StartCommand),
    ("command", DoorKey::StartCommand),
    ("start_command_6", DoorKey::StartCommand6),
    ("command_6", DoorKey::StartCommand6),
    ("cmd_timeout", DoorKey::CmdTimeout),
    ("stop_command", DoorKey::StopCommand),
    ("stop_command_6", DoorKey::StopCommand6),
];

/// The directive with this name, in any case.
pub(super) fn find<K: Copy>(table: &[(&'static str, K)], name: &str) -> Option<K> {
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, key)| *key)
}

/// The known name that a mistyped one most resembles, if any is near enough to be meant.
pub(super) fn nearest<K>(table: &[(&'static str, K)], name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let scored = table.iter().map(|(known, _)| (strsim::damerau_levenshtein(known, &lower), *known));
    let (distance, known) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= known.len().div_ceil(3)).then_some(known)
}
