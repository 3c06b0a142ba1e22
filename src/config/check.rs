//! The one checking step: from raw sections to a configuration, with every problem on the way.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use seqgen::sequence::Sequence;

use super::directives::{self, DoorKey, OptionKey};
use super::raw::{Entry, Section, Spanned};
use super::report::Problem;
use super::schema::{Command, Config, Door, Options, PadSource, PerFamily, Stop, Trigger};
use super::values;
use crate::flags::FlagRule;

/// knockd 0.8's default for `seq_timeout`.
const SEQ_TIMEOUT: Duration = Duration::from_secs(25);
/// knockd 0.8's default for `cmd_timeout`.
const CMD_TIMEOUT: Duration = Duration::from_secs(10);
/// How many lines of a pad are armed unless `one_time_window` says otherwise.
const WINDOW: u16 = 5;
/// The most lines of a pad that may be armed at once.
const MAX_WINDOW: u16 = 1000;

/// Checks everything, and makes a configuration of what is right; what is wrong goes to `problems`, and the
/// configuration holds only if there is no error among them.
pub(super) fn check(sections: &[Section], problems: &mut Vec<Problem>) -> Config {
    let mut options = Options { use_syslog: false, log_file: None, pid_file: None, interfaces: None };
    let mut doors: Vec<Door> = Vec::new();
    let mut names: HashSet<&str> = HashSet::new();
    let mut pads: HashMap<PathBuf, String> = HashMap::new();
    for section in sections {
        if section.name.value.eq_ignore_ascii_case("options") {
            check_options(section, &mut options, problems);
            continue;
        }
        if !names.insert(&section.name.value) {
            let message = format!("a second door is called [{}]", section.name.value.escape_debug());
            problems.push(
                Problem::warning(section.name.span.clone(), message).hint("the log will not tell them apart"),
            );
        }
        if let Some(door) = check_door(section, &mut pads, problems) {
            doors.push(door);
        }
    }
    if doors.is_empty() && problems.is_empty() {
        let hint = "add a section with a sequence and a command";
        problems.push(Problem::warning(0..0, "there is no door in this file").hint(hint));
    }
    Config { options, doors }
}

/// A section's directives by key.  Of a repeated one the last counts.
struct Directives<'a, K> {
    section: &'a Section,
    entries: HashMap<K, &'a Entry>,
}

impl<'a, K: Copy + Eq + Hash> Directives<'a, K> {
    fn new(section: &'a Section, table: &[(&'static str, K)], problems: &mut Vec<Problem>) -> Self {
        let mut entries: HashMap<K, &Entry> = HashMap::new();
        for entry in &section.entries {
            let name = &entry.key.value;
            let Some(key) = directives::find(table, name) else {
                let message = format!("unknown directive `{}`", name.escape_debug());
                let problem = Problem::error(entry.key.span.clone(), message);
                problems.push(match directives::nearest(table, name) {
                    Some(known) => problem.hint(format!("did you mean `{known}`?")),
                    None => problem,
                });
                continue;
            };
            if let Some(earlier) = entries.insert(key, entry) {
                let message =
                    format!("`{}` stands twice in this section; the last one counts", name.escape_debug());
                problems.push(Problem::warning(earlier.key.span.clone(), message));
            }
        }
        Directives { section, entries }
    }

    /// The value of a directive as it stands, for paths and commands; `None` if it is absent or has none.
    fn value(&self, key: K, problems: &mut Vec<Problem>) -> Option<&'a Spanned<String>> {
        let entry = self.entries.get(&key)?;
        if entry.value.is_none() {
            let message = format!("`{}` needs a value", entry.key.value.escape_debug());
            problems.push(Problem::error(entry.key.span.clone(), message).hint("write name = value"));
        }
        entry.value.as_ref()
    }

    /// The value of a directive read by `read`, which is given it without a trailing comment.
    fn read<T>(
        &self,
        key: K,
        problems: &mut Vec<Problem>,
        read: impl FnOnce(&str, Range<usize>) -> Result<T, Problem>,
    ) -> Option<T> {
        let value = self.value(key, problems)?;
        let text = without_comment(value, problems);
        let at = value.span.start..value.span.start + text.len();
        read(text, at).map_err(|problem| problems.push(problem)).ok()
    }
}

/// Numbers, lists and sequences hold no `#`, so one begins a comment, as people write them.
fn without_comment<'a>(value: &'a Spanned<String>, problems: &mut Vec<Problem>) -> &'a str {
    let Some(hash) = value.value.find('#') else { return &value.value };
    let at = value.span.start + hash..value.span.end;
    problems.push(
        Problem::warning(at, "a comment after a value is left out")
            .hint("put it on a line of its own; after a command or a path it would be part of the value"),
    );
    value.value[..hash].trim_end()
}

fn check_options(section: &Section, options: &mut Options, problems: &mut Vec<Problem>) {
    let given = Directives::new(section, directives::OPTIONS, problems);
    if let Some(entry) = given.entries.get(&OptionKey::UseSyslog) {
        options.use_syslog = true;
        if let Some(value) = &entry.value {
            match use_syslog(value, problems) {
                Ok(wanted) => options.use_syslog = wanted,
                Err(problem) => problems.push(problem),
            }
        }
    }
    if let Some(path) = given.value(OptionKey::LogFile, problems).and_then(|v| path(v, problems)) {
        options.log_file = Some(path);
    }
    if let Some(path) = given.value(OptionKey::PidFile, problems).and_then(|v| path(v, problems)) {
        options.pid_file = Some(path);
    }
    if let Some(names) = given.read(OptionKey::Interface, problems, interfaces) {
        options.interfaces = Some(names);
    }
}

fn use_syslog(value: &Spanned<String>, problems: &mut Vec<Problem>) -> Result<bool, Problem> {
    let text = without_comment(value, problems);
    let wanted = match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => true,
        "no" | "false" | "off" | "0" => false,
        _ => {
            let message = format!("`{}` is neither yes nor no", text.escape_debug());
            return Err(
                Problem::error(value.span.clone(), message).hint("write UseSyslog alone to turn it on")
            );
        }
    };
    problems
        .push(Problem::warning(value.span.clone(), "UseSyslog is usually written alone, without a value"));
    Ok(wanted)
}

fn interfaces(text: &str, at: Range<usize>) -> Result<Vec<String>, Problem> {
    let mut names: Vec<String> = Vec::new();
    for word in values::split_list(text, at.start) {
        if word.value.is_empty() || word.value.contains(char::is_whitespace) || word.value.contains('\0') {
            let problem = Problem::error(word.span, "this is no interface name");
            return Err(
                problem.hint("one name, such as eth0, or several joined by commas; `ip link` lists them")
            );
        }
        if !names.iter().any(|name| name == word.value) {
            names.push(word.value.to_owned());
        }
    }
    Ok(names)
}

fn path(value: &Spanned<String>, problems: &mut Vec<Problem>) -> Option<PathBuf> {
    if value.value.is_empty() || value.value.contains('\0') {
        problems.push(Problem::error(value.span.clone(), "this is no path"));
        return None;
    }
    Some(PathBuf::from(&value.value))
}

fn check_door(
    section: &Section,
    pads: &mut HashMap<PathBuf, String>,
    problems: &mut Vec<Problem>,
) -> Option<Door> {
    let given = Directives::new(section, directives::DOOR, problems);
    let trigger = trigger(&given, pads, problems);
    let seq_timeout = given
        .read(DoorKey::SeqTimeout, problems, |text, at| {
            let span = values::span_of_time(text, at.clone())?;
            if span.is_zero() {
                return Err(Problem::error(at, "no sequence can be completed in 0 seconds"));
            }
            Ok(span)
        })
        .unwrap_or(SEQ_TIMEOUT);
    let flags = given.read(DoorKey::TcpFlags, problems, values::tcp_flags);
    if flags.is_none() && !given.entries.contains_key(&DoorKey::TcpFlags) {
        let name = section.name.value.escape_debug();
        let message = format!("door [{name}] has no tcpflags and is taken as `tcpflags = syn`");
        problems.push(
            Problem::warning(section.name.span.clone(), message).hint(
                "knockd 0.8 would let every kind of TCP scan knock here; `tcpflags = any` asks for that",
            ),
        );
    }
    let target = given.read(DoorKey::Target, problems, |text, at| {
        let wrong = || Problem::error(at, format!("`{}` is no IP address", text.escape_debug()));
        text.parse::<IpAddr>().map_err(|_| wrong())
    });
    let start = commands(&given, DoorKey::StartCommand, DoorKey::StartCommand6, problems);
    if start.v4.is_none() && start.v6.is_none() {
        let problem = Problem::error(section.name.span.clone(), "this door has no command");
        problems.push(problem.hint("add start_command = …, or command = …"));
    }
    let after = given.read(DoorKey::CmdTimeout, problems, values::span_of_time).unwrap_or(CMD_TIMEOUT);
    let stop = commands(&given, DoorKey::StopCommand, DoorKey::StopCommand6, problems);
    let stop = (stop.v4.is_some() || stop.v6.is_some()).then_some(Stop { after, command: stop });
    Some(Door {
        name: section.name.value.clone(),
        trigger: trigger?,
        seq_timeout,
        flags: flags.unwrap_or(FlagRule::SYN),
        target,
        start,
        stop,
    })
}

fn trigger(
    given: &Directives<'_, DoorKey>,
    pads: &mut HashMap<PathBuf, String>,
    problems: &mut Vec<Problem>,
) -> Option<Trigger> {
    let door = &given.section.name;
    let sequence = given.entries.get(&DoorKey::Sequence);
    let pad = given.entries.get(&DoorKey::OneTimeSequences);
    match (sequence, pad) {
        (Some(_), None) => given.read(DoorKey::Sequence, problems, sequence_value).map(Trigger::Static),
        (None, Some(_)) => {
            let value = given.value(DoorKey::OneTimeSequences, problems)?;
            let path = path(value, problems)?;
            if let Some(other) = pads.insert(path.clone(), door.value.clone()) {
                let message = format!("door [{}] has this pad already", other.escape_debug());
                let problem = Problem::error(value.span.clone(), message);
                problems.push(problem.hint("a line opens one door; give each door a pad of its own"));
            }
            let window = given.read(DoorKey::OneTimeWindow, problems, window);
            let window = window.or(NonZeroU16::new(WINDOW))?;
            Some(Trigger::OneTime(PadSource { path, window }))
        }
        (Some(_), Some(pad)) => {
            let message = "a door takes either `sequence` or `one_time_sequences`, not both";
            problems.push(Problem::error(pad.key.span.clone(), message));
            None
        }
        (None, None) => {
            let problem = Problem::error(door.span.clone(), "this door has no sequence");
            problems.push(problem.hint("add sequence = …, or one_time_sequences = FILE"));
            None
        }
    }
}

fn sequence_value(text: &str, at: Range<usize>) -> Result<Sequence, Problem> {
    Sequence::parse(text).map_err(|error| {
        let error = error.moved(at.start);
        Problem::error(error.span.clone(), error.to_string())
    })
}

fn window(text: &str, at: Range<usize>) -> Result<NonZeroU16, Problem> {
    let number = text.parse::<NonZeroU16>().ok().filter(|n| n.get() <= MAX_WINDOW);
    number.ok_or_else(|| {
        let message = format!("`{}` is no window (1-{MAX_WINDOW})", text.escape_debug());
        Problem::error(at, message).hint("how many unstruck lines of the pad are armed at once")
    })
}

/// The commands of both families: an absent `_6` falls back to the IPv4 one, an empty one does nothing.
fn commands(
    given: &Directives<'_, DoorKey>,
    v4: DoorKey,
    v6: DoorKey,
    problems: &mut Vec<Problem>,
) -> PerFamily<Option<Command>> {
    let mut read = |key| -> Option<Option<Command>> {
        let value = given.value(key, problems)?;
        if value.value.contains('\0') {
            problems.push(Problem::error(value.span.clone(), "a command cannot hold a NUL byte"));
        }
        Some((!value.value.is_empty()).then(|| Command(value.value.clone())))
    };
    let v4 = read(v4).flatten();
    let v6 = read(v6).unwrap_or_else(|| v4.clone());
    PerFamily { v4, v6 }
}
