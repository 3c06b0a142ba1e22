//! The names of all directives, in one place for parsing, hints and documentation.

use std::cmp::Reverse;

/// A directive of `[options]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum OptionKey {
    UseSyslog,
    LogFile,
    PidFile,
    StateDir,
    CounterDir,
    Interface,
    ScanGuard,
    MaxSources,
    CommandTimeout,
    User,
    Sandbox,
    Capabilities,
}

/// A directive of a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DoorKey {
    Sequence,
    OneTimeSequences,
    OneTimeWindow,
    OneTimeResync,
    OneTimeLow,
    OneTimeLowCommand,
    OneTimeKey,
    OneTimeLabel,
    OneTimeStep,
    OneTimeBind,
    OneTimeLength,
    OneTimeProto,
    OneTimePorts,
    OneTimeExclude,
    SeqTimeout,
    TcpFlags,
    Target,
    Allow,
    StartCommand,
    StartCommand6,
    CmdTimeout,
    StopCommand,
    StopCommand6,
    Reknock,
    NftSet,
    NftSet6,
}

impl DoorKey {
    /// Whether its value is a command.
    pub(super) fn is_command(self) -> bool {
        use DoorKey::{OneTimeLowCommand, StartCommand, StartCommand6, StopCommand, StopCommand6};
        matches!(self, OneTimeLowCommand | StartCommand | StartCommand6 | StopCommand | StopCommand6)
    }
}

/// The section that is no door, in any case.
pub(super) const OPTIONS_SECTION: &str = "options";

/// Every name of an `[options]` directive, in lower case; the first of several names is the usual one.
pub(super) const OPTIONS: &[(&str, OptionKey)] = &[
    ("usesyslog", OptionKey::UseSyslog),
    ("logfile", OptionKey::LogFile),
    ("pidfile", OptionKey::PidFile),
    ("state_dir", OptionKey::StateDir),
    ("counter_dir", OptionKey::CounterDir),
    ("interface", OptionKey::Interface),
    ("scan_guard", OptionKey::ScanGuard),
    ("max_sources", OptionKey::MaxSources),
    ("command_timeout", OptionKey::CommandTimeout),
    ("user", OptionKey::User),
    ("sandbox", OptionKey::Sandbox),
    ("capabilities", OptionKey::Capabilities),
];

/// Every name of a door's directive, in lower case; the first of several names is the usual one.
pub(super) const DOOR: &[(&str, DoorKey)] = &[
    ("sequence", DoorKey::Sequence),
    ("one_time_sequences", DoorKey::OneTimeSequences),
    ("one_time_window", DoorKey::OneTimeWindow),
    ("one_time_resync", DoorKey::OneTimeResync),
    ("one_time_low", DoorKey::OneTimeLow),
    ("one_time_low_command", DoorKey::OneTimeLowCommand),
    ("one_time_key", DoorKey::OneTimeKey),
    ("one_time_label", DoorKey::OneTimeLabel),
    ("one_time_step", DoorKey::OneTimeStep),
    ("one_time_bind", DoorKey::OneTimeBind),
    ("one_time_length", DoorKey::OneTimeLength),
    ("one_time_proto", DoorKey::OneTimeProto),
    ("one_time_ports", DoorKey::OneTimePorts),
    ("one_time_exclude", DoorKey::OneTimeExclude),
    ("seq_timeout", DoorKey::SeqTimeout),
    ("timeout", DoorKey::SeqTimeout),
    ("tcpflags", DoorKey::TcpFlags),
    ("target", DoorKey::Target),
    ("allow", DoorKey::Allow),
    ("start_command", DoorKey::StartCommand),
    ("command", DoorKey::StartCommand),
    ("start_command_6", DoorKey::StartCommand6),
    ("command_6", DoorKey::StartCommand6),
    ("cmd_timeout", DoorKey::CmdTimeout),
    ("stop_command", DoorKey::StopCommand),
    ("stop_command_6", DoorKey::StopCommand6),
    ("reknock", DoorKey::Reknock),
    ("nft_set", DoorKey::NftSet),
    ("nft_set_6", DoorKey::NftSet6),
];

/// The directive with this name, in any case.
pub(super) fn find<K: Copy>(table: &[(&'static str, K)], name: &str) -> Option<K> {
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, key)| *key)
}

/// Whether any section has a directive of this name, in any case.
pub(super) fn is_known(name: &str) -> bool {
    find(OPTIONS, name).is_some() || find(DOOR, name).is_some()
}

/// The known name that a mistyped one most resembles, if any is near enough to be meant.
pub(super) fn nearest<K>(table: &[(&'static str, K)], name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let near = |known: &str| known.len().div_ceil(3);
    // A name that is much longer than every known one is not worth measuring.
    if table.iter().all(|(known, _)| lower.len() > known.len() + near(known)) {
        return None;
    }
    let scored = table.iter().map(|(known, _)| (strsim::damerau_levenshtein(known, &lower), *known));
    // Of two that are as near the longer one says more: `stop_command6` is no `stop_command`.
    let (distance, known) = scored.min_by_key(|(distance, known)| (*distance, Reverse(known.len())))?;
    (distance <= near(known)).then_some(known)
}
