//! From the bytes of a file to its profiles, or to every problem in it.

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ValueEnum as _;
use seqgen::derive::Label;
use seqgen::sequence::Step;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::value::{Word, Words};
use super::{Derived, Profile};
use crate::client::key::{Protocol, Sender, StepSeconds, Wanted, parse_ranges};
use crate::client::outlet::parse_source;
use crate::client::ports::parse_ports;
use crate::client::resolve::{Family, is_numeric};
use crate::client::wait::Wait;
use crate::report::Report;
use crate::report::fault::{Fault, Faults};
use crate::report::text;

/// A profile as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    address: Option<Spanned<Word>>,
    file: Option<Spanned<Word>>,
    key: Option<Spanned<Word>>,
    label: Option<Spanned<Word>>,
    step: Option<Spanned<Word>>,
    #[serde(rename = "as")]
    sender: Option<Spanned<Word>>,
    unbound: Option<Spanned<bool>>,
    length: Option<Spanned<Word>>,
    proto: Option<Spanned<Word>>,
    ranges: Option<Spanned<Word>>,
    exclude: Option<Spanned<Word>>,
    ports: Option<Spanned<Words>>,
    udp: Option<Spanned<bool>>,
    delay: Option<Spanned<Word>>,
    family: Option<Spanned<Word>>,
    interface: Option<Spanned<Word>>,
    source: Option<Spanned<Word>>,
    wait: Option<Spanned<Word>>,
    retry: Option<Spanned<Word>>,
}

/// Reads the file called `name`; `home` stands for `~`.
pub(super) fn parse(name: &str, bytes: &[u8], home: Option<&Path>) -> (Vec<Profile>, Report) {
    let mut faults = Faults::default();
    let text = text::decode(bytes, &mut faults);
    let profiles = if faults.errors.count == 0 { read(&text, home, &mut faults) } else { Vec::new() };
    (profiles, Report::new(name, &text, faults))
}

fn read(text: &str, home: Option<&Path>, faults: &mut Faults) -> Vec<Profile> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        faults.push(Fault::error(error.span().unwrap_or(0..0), error.message()));
    }
    // The library sorts them by name.
    let mut tables: Vec<_> = document.into_inner().into_iter().collect();
    tables.sort_by_key(|(key, _)| key.span().start);
    let mut profiles = Vec::new();
    for (key, value) in tables {
        let (at, name) = (key.span(), key.get_ref().clone().into_owned());
        if !matches!(value.get_ref(), DeValue::Table(_)) {
            let fault = Fault::error(at, format!("`{}` is in no profile", name.escape_debug()));
            faults.push(fault.hint("begin with the name of a profile, as in [office]"));
            continue;
        }
        if name.is_empty() || name.starts_with('-') || name.contains(char::is_control) || is_numeric(&name) {
            let fault = Fault::error(at.clone(), "this cannot be the name of a profile");
            faults.push(fault.hint("take a word that could be the name of a host, and no address"));
        }
        match Written::deserialize(ValueDeserializer::from(value)) {
            Ok(written) => {
                if written.address.is_none() {
                    let fault = Fault::error(at, "this profile has no address");
                    faults.push(fault.hint("write: address = \"server.example\""));
                }
                profiles.push(Reader { home, faults }.profile(name, written));
            }
            Err(error) => faults.push(Fault::error(error.span().unwrap_or(at), error.message())),
        }
    }
    profiles
}

struct Reader<'r> {
    home: Option<&'r Path>,
    faults: &'r mut Faults,
}

impl Reader<'_> {
    fn profile(mut self, name: String, written: Written) -> Profile {
        self.check_together(&written);
        self.check_key(&written);
        let derived = Derived {
            label: self.value(written.label, Label::new),
            step: self.value(written.step, StepSeconds::from_str),
            sender: match self.value(written.sender, parse_source) {
                Some(address) => Sender::As(address),
                None if written.unbound.is_some_and(Spanned::into_inner) => Sender::Anybody,
                None => Sender::Ours,
            },
            wanted: Wanted {
                length: self.value(written.length, length),
                proto: self.value(written.proto, proto),
                ranges: self.value(written.ranges, parse_ranges),
                exclude: self.value(written.exclude, parse_ranges),
            },
        };
        Profile {
            name,
            address: self.value(written.address, shown).unwrap_or_default(),
            file: written.file.and_then(|file| self.path(file)),
            key: written.key.and_then(|key| self.path(key)),
            derived,
            ports: written.ports.and_then(|ports| self.ports(ports)),
            udp: written.udp.is_some_and(Spanned::into_inner),
            delay: self.value(written.delay, |text| number(text, u32::MAX, "of milliseconds ")),
            family: self.value(written.family, family),
            interface: self.value(written.interface, shown),
            source: self.value(written.source, parse_source),
            wait: self.value(written.wait, Wait::from_str),
            retry: self.value(written.retry, |text| number(text, u8::MAX, "")),
        }
    }

    fn check_together(&mut self, written: &Written) {
        let sources = [
            written.file.as_ref().map(Spanned::span),
            written.key.as_ref().map(Spanned::span),
            written.ports.as_ref().map(Spanned::span),
        ];
        for second in sources.into_iter().flatten().skip(1) {
            self.refuse(second, "a profile has either `file` or `key` or `ports`");
        }
        if let (Some(_), Some(udp)) = (&written.file, &written.udp) {
            self.refuse(
                udp.span(),
                "`udp` does not go with `file`, where each sequence says what is expected",
            );
        }
        if let (Some(_), Some(udp)) = (&written.key, &written.udp) {
            self.refuse(udp.span(), "`udp` does not go with `key`, where `proto` says what is expected");
        }
        if let (None, Some(retry)) = (&written.wait, &written.retry) {
            self.refuse(retry.span(), "`retry` needs `wait`, the port that tells whether to knock again");
        }
    }

    /// What goes with a key, and what of that does not go together.
    fn check_key(&mut self, written: &Written) {
        let span = |word: &Option<Spanned<Word>>| word.as_ref().map(Spanned::span);
        let unbound = written.unbound.as_ref().filter(|unbound| *unbound.get_ref()).map(Spanned::span);
        if written.key.is_none() {
            for (name, at) in [
                ("label", span(&written.label)),
                ("step", span(&written.step)),
                ("as", span(&written.sender)),
                ("unbound", written.unbound.as_ref().map(Spanned::span)),
                ("length", span(&written.length)),
                ("proto", span(&written.proto)),
                ("ranges", span(&written.ranges)),
                ("exclude", span(&written.exclude)),
            ] {
                if let Some(at) = at {
                    self.refuse(at, format!("`{name}` needs `key`: it says what is derived from the key"));
                }
            }
        }
        if let (Some(_), Some(unbound)) = (&written.sender, unbound) {
            self.refuse(unbound, "`unbound` does not go with `as`, the address that sequences are bound to");
        }
    }

    fn refuse(&mut self, at: Range<usize>, message: impl Display) {
        self.faults.push(Fault::error(at, message.to_string()));
    }

    fn value<T, E: Display>(
        &mut self,
        word: Option<Spanned<Word>>,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let word = word?;
        read(&word.get_ref().0).map_err(|error| self.refuse(word.span(), error)).ok()
    }

    fn ports(&mut self, written: Spanned<Words>) -> Option<Vec<Step>> {
        let at = written.span();
        let words = match written.into_inner() {
            Words::One(word) => vec![Spanned::new(at.clone(), word)],
            Words::Many(words) => words,
        };
        if words.is_empty() {
            self.refuse(at, "a port is missing here");
        }
        let parts: Vec<_> = words.into_iter().map(|word| self.value(Some(word), parse_ports)).collect();
        let all: Option<Vec<_>> = parts.into_iter().collect();
        all.map(|all| all.into_iter().flat_map(|ports| ports.0).collect())
    }

    /// A file is the same wherever the client is started.
    fn path(&mut self, word: Spanned<Word>) -> Option<PathBuf> {
        let at = word.span();
        let text = self.value(Some(word), shown)?;
        let path = match (text.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            (Some(_), None) => {
                self.refuse(at, "`~` has no meaning here: the home directory is not known");
                return None;
            }
            (None, _) => PathBuf::from(text),
        };
        if !path.is_absolute() {
            let fault = Fault::error(at, "a path that depends on the current directory");
            self.faults.push(fault.hint("begin it with / or ~/"));
            return None;
        }
        Some(path)
    }
}

/// A name, which may come to stand on a terminal.
fn shown(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        Err("a name is missing here")
    } else if text.contains(char::is_control) {
        Err("a name cannot hold control characters")
    } else {
        Ok(text.to_owned())
    }
}

fn number<T: FromStr + Display + Copy>(text: &str, most: T, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{}` is not a number {what}from 0 to {most}", text.escape_debug()))
}

fn length(text: &str) -> Result<u8, String> {
    let length = text.parse().ok().filter(|length| (3..=32).contains(length));
    length.ok_or_else(|| format!("`{}` is not a number of ports from 3 to 32", text.escape_debug()))
}

fn proto(text: &str) -> Result<Protocol, String> {
    Protocol::from_str(text, false)
        .map_err(|_| format!("`{}` is not a protocol: tcp, udp or mixed", text.escape_debug()))
}

fn family(text: &str) -> Result<Family, String> {
    match text {
        "ipv4" => Ok(Family::V4),
        "ipv6" => Ok(Family::V6),
        "both" => Ok(Family::Both),
        other => Err(format!("`{}` is not a family: ipv4, ipv6 or both", other.escape_debug())),
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
