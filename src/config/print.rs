//! From a configuration back to text, in either syntax, with every default spelt out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use ::toml::to_string as toml_text;
use ipnet::IpNet;
use seqgen::derive::Mode;
use seqgen::generate::Shape;
use seqgen::sequence::{Protocol, Sequence, Step};
use serde::{Serialize, Serializer};

use super::blank::trim;
use super::command::Command;
use super::directives::OPTIONS_SECTION;
use super::nft_set::NftSet;
use super::schema::{Config, Door, KeySource, Options, PerFamily, Reknock, ScanGuard, Trigger};
use super::values::split_paths;
use super::{Syntax, toml};

/// What a syntax has no way to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of [{section}] cannot be written in this syntax")]
pub struct Inexpressible {
    /// The section's name.
    pub section: String,
    /// The directive, or the name itself.
    pub what: &'static str,
}

/// The text of a configuration, which reads back as the same configuration.
///
/// TOML can write every configuration that was read from a file.  The classic syntax has no way to write commands
/// without a shell, commands of several lines, and blanks around a value.
pub fn print(config: &Config, syntax: Syntax) -> Result<String, Inexpressible> {
    let write = match syntax {
        Syntax::Classic => classic_section,
        Syntax::Toml => toml_section,
    };
    let mut text = String::new();
    let options = options(&config.options, OPTIONS_SECTION)?;
    if !options.is_empty() {
        write(&mut text, &Printed { name: OPTIONS_SECTION, repeated: false, lines: options })?;
    }
    for door in &config.doors {
        let no_name = door.name.is_empty() || door.name.eq_ignore_ascii_case(OPTIONS_SECTION);
        if no_name || door.name.contains(char::is_control) {
            return Err(inexpressible(&door.name, "the name"));
        }
        let repeated = config.doors.iter().filter(|other| other.name == door.name).count() > 1;
        if !text.is_empty() {
            text.push('\n');
        }
        write(&mut text, &Printed { name: &door.name, repeated, lines: lines(door)? })?;
    }
    Ok(text)
}

/// A section to write.
struct Printed<'a> {
    name: &'a str,
    /// Whether another section has this name too.
    repeated: bool,
    lines: Vec<(&'static str, Item<'a>)>,
}

/// A value to write.
enum Item<'a> {
    True,
    Number(u64),
    Text(Cow<'a, str>),
    Sequence(&'a Sequence),
    Names(&'a [String]),
    Words(&'a [String]),
    Paths(Vec<&'a str>),
    Networks(&'a [IpNet]),
}

fn inexpressible(section: &str, what: &'static str) -> Inexpressible {
    Inexpressible { section: section.to_owned(), what }
}

fn path<'a>(
    path: &'a Path,
    section: &str,
    what: &'static str,
) -> Result<(&'static str, Item<'a>), Inexpressible> {
    let text = path.to_str().ok_or_else(|| inexpressible(section, what))?;
    Ok((what, Item::Text(text.into())))
}

fn options<'a>(options: &'a Options, name: &str) -> Result<Vec<(&'static str, Item<'a>)>, Inexpressible> {
    let Options {
        use_syslog,
        log_file,
        pid_file,
        state_dir,
        counter_dir,
        interfaces,
        scan_guard,
        max_sources,
        command_timeout,
        user,
        sandbox,
        capabilities,
    } = options;
    let mut lines = Vec::new();
    if *use_syslog {
        lines.push(("usesyslog", Item::True));
    }
    if let Some(file) = log_file {
        lines.push(path(file, name, "logfile")?);
    }
    if let Some(file) = pid_file {
        lines.push(path(file, name, "pidfile")?);
    }
    if let Some(directory) = state_dir {
        lines.push(path(directory, name, "state_dir")?);
    }
    if let Some(directory) = counter_dir {
        lines.push(path(directory, name, "counter_dir")?);
    }
    if let Some(names) = interfaces {
        lines.push(("interface", Item::Names(names)));
    }
    lines.push((
        "scan_guard",
        match scan_guard {
            ScanGuard::Strays(strays) => Item::Number((*strays).into()),
            ScanGuard::Auto | ScanGuard::Off => Item::Text(scan_guard.to_string().into()),
        },
    ));
    lines.push(("max_sources", Item::Number(max_sources.0.into())));
    lines.push(("command_timeout", Item::Number(command_timeout.0.as_secs())));
    if let Some(user) = user {
        lines.push(("user", Item::Text(user.into())));
    }
    lines.push(("sandbox", Item::Text(sandbox.to_string().into())));
    if let Some(kept) = capabilities {
        lines.push(("capabilities", Item::Text(kept.to_string().into())));
    }
    Ok(lines)
}

fn lines(door: &Door) -> Result<Vec<(&'static str, Item<'_>)>, Inexpressible> {
    let Door { name, trigger, seq_timeout, flags, target, allow, start, nft_set, stop, reknock } = door;
    let mut lines = Vec::new();
    match trigger {
        Trigger::Static(sequence) => lines.push(("sequence", Item::Sequence(sequence))),
        Trigger::OneTime(pad) => {
            let paths: Option<Vec<&str>> = pad.paths.iter().map(|path| path.to_str()).collect();
            let paths = paths.ok_or_else(|| inexpressible(name, "one_time_sequences"))?;
            lines.push(("one_time_sequences", Item::Paths(paths)));
            lines.push(("one_time_window", Item::Number(pad.window.get().into())));
            lines.push(("one_time_resync", Item::Number(pad.resync.into())));
            lines.push(("one_time_low", Item::Number(pad.low.into())));
            lines.extend(pad.low_command.as_ref().map(|command| ("one_time_low_command", item(command))));
        }
        Trigger::Key(source) => lines.extend(key(source, name)?),
    }
    lines.push(("seq_timeout", Item::Number(seq_timeout.as_secs())));
    lines.push(("tcpflags", Item::Text(flags.to_string().into())));
    if let Some(address) = target {
        lines.push(("target", Item::Text(address.to_string().into())));
    }
    if let Some(networks) = allow {
        lines.push(("allow", Item::Networks(networks.as_slice())));
    }
    sets(&mut lines, nft_set, start);
    commands(&mut lines, start, ["start_command", "start_command_6"]);
    if let Some(stop) = stop {
        lines.push(("cmd_timeout", Item::Number(stop.after.as_secs())));
        commands(&mut lines, &stop.command, ["stop_command", "stop_command_6"]);
    }
    // A door without a stop command draws a warning for it.
    if stop.is_some() || *reknock != Reknock::default() {
        lines.push(("reknock", Item::Text(reknock.to_string().into())));
    }
    Ok(lines)
}

/// Directives on keys; never the key itself.
fn key<'a>(source: &'a KeySource, name: &str) -> Result<Vec<(&'static str, Item<'a>)>, Inexpressible> {
    let KeySource { path: file, label, mode, bind, form, window, resync } = source;
    let mut lines = vec![path(file, name, "one_time_key")?];
    if let Some(label) = label {
        lines.push(("one_time_label", Item::Text(label.as_str().into())));
    }
    match mode {
        Mode::Counter => {
            lines.push(("one_time_window", Item::Number(window.get().into())));
            lines.push(("one_time_resync", Item::Number((*resync).into())));
        }
        Mode::Time { step } => lines.push(("one_time_step", Item::Number(step.get().into()))),
    }
    lines.push(("one_time_bind", Item::Text(if *bind { "yes" } else { "no" }.into())));
    let Shape { length, protocols, pool } = form.shape();
    lines.push(("one_time_length", Item::Number(*length as u64)));
    lines.push(("one_time_proto", Item::Text(protocols.to_string().into())));
    let ranges: Vec<String> = pool.ranges().map(|range| range.to_string()).collect();
    lines.push(("one_time_ports", Item::Text(ranges.join(",").into())));
    Ok(lines)
}

/// Sets; where there is one for one family and nothing at all for the other, that this is meant.
fn sets(
    lines: &mut Vec<(&'static str, Item<'_>)>,
    sets: &PerFamily<Option<NftSet>>,
    start: &PerFamily<Option<Command>>,
) {
    let has_one = sets.v4.is_some() || sets.v6.is_some();
    for (name, set, start) in [("nft_set", &sets.v4, &start.v4), ("nft_set_6", &sets.v6, &start.v6)] {
        if set.is_some() || has_one && start.is_none() {
            let text = set.as_ref().map(NftSet::to_string).unwrap_or_default();
            lines.push((name, Item::Text(text.into())));
        }
    }
}

fn commands<'a>(
    lines: &mut Vec<(&'static str, Item<'a>)>,
    commands: &'a PerFamily<Option<Command>>,
    [v4, v6]: [&'static str; 2],
) {
    lines.extend(commands.v4.as_ref().map(|command| (v4, item(command))));
    if commands.v6 != commands.v4 {
        let nothing = || Item::Text("".into());
        lines.push((v6, commands.v6.as_ref().map_or_else(nothing, item)));
    }
}

fn item(command: &Command) -> Item<'_> {
    match command {
        Command::Shell(text) => Item::Text(text.as_str().into()),
        Command::Argv(argv) => Item::Words(argv.words()),
    }
}

fn classic_section(text: &mut String, section: &Printed<'_>) -> Result<(), Inexpressible> {
    let fits = |value: &str| trim(value).1 == value && !value.contains(['\n', '\r']);
    if !fits(section.name) {
        return Err(inexpressible(section.name, "the name"));
    }
    text.extend(["[", section.name, "]\n"]);
    for (key, item) in &section.lines {
        let value: Cow<'_, str> = match item {
            Item::True => {
                text.extend(["    ", key, "\n"]);
                continue;
            }
            Item::Number(number) => number.to_string().into(),
            Item::Sequence(sequence) => sequence.to_string().into(),
            Item::Text(value) => value.as_ref().into(),
            Item::Networks(networks) => texts(networks).join(",").into(),
            Item::Names(names) if !names.iter().any(|name| name.contains('#')) => names.join(",").into(),
            Item::Paths(paths) if reads_back(paths) => paths.join(",").into(),
            Item::Names(_) | Item::Words(_) | Item::Paths(_) => return Err(inexpressible(section.name, key)),
        };
        let line = format!("    {key} = {value}").trim_end_matches(' ').to_owned();
        if !fits(&value) || toml::is_evident(&line) {
            return Err(inexpressible(section.name, key));
        }
        *text += &line;
        text.push('\n');
    }
    Ok(())
}

fn texts(networks: &[IpNet]) -> Vec<String> {
    networks.iter().map(IpNet::to_string).collect()
}

/// Whether these paths are told apart where commas join them.
fn reads_back(paths: &[&str]) -> bool {
    split_paths(&paths.join(",")).map(|(_, path)| path).eq(paths.iter().copied())
}

fn toml_section(text: &mut String, section: &Printed<'_>) -> Result<(), Inexpressible> {
    let lines = Lines(&section.lines);
    // Sections of one name are an array of tables.
    let written = if section.repeated {
        toml_text(&BTreeMap::from([(section.name, [lines])]))
    } else {
        toml_text(&BTreeMap::from([(section.name, lines)]))
    };
    *text += &written.map_err(|_| inexpressible(section.name, "the text"))?;
    Ok(())
}

/// Directives as a table, in their order.
struct Lines<'a>(&'a [(&'static str, Item<'a>)]);

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, item)| (key, item)))
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Item::True => serializer.serialize_bool(true),
            Item::Number(number) => serializer.serialize_u64(*number),
            Item::Text(value) => serializer.serialize_str(value),
            Item::Networks(networks) => texts(networks).serialize(serializer),
            Item::Names([name]) => serializer.serialize_str(name),
            Item::Paths(paths) => match paths.as_slice() {
                [path] => serializer.serialize_str(path),
                paths => paths.serialize(serializer),
            },
            Item::Names(words) | Item::Words(words) => words.serialize(serializer),
            Item::Sequence(sequence) => {
                serializer.collect_seq(sequence.steps().iter().copied().map(Port::of))
            }
        }
    }
}

/// One port of a sequence: a number where the protocol is TCP, a text where it is not.
#[derive(Serialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

impl Port {
    fn of(step: Step) -> Port {
        match step.protocol {
            Protocol::Tcp => Port::Number(step.port.get()),
            Protocol::Udp => Port::Text(step.to_string()),
        }
    }
}
