//! The `[options]` section.

use super::given::{Given, Kind};
use super::{path, scans};
use crate::config::classic::without_comment;
use crate::config::directives::{OPTIONS, OPTIONS_SECTION, OptionKey};
use crate::config::excerpt::excerpt;
use crate::config::fault::{Fault, Faults};
use crate::config::raw::{Entry, Form, Section, Value};
use crate::config::schema::Options;
use crate::config::{capabilities, values};

const KIND: Kind<OptionKey> = Kind { table: OPTIONS, misplaced: "it belongs into the section of a door" };

/// Reads these sections as if they were one.
pub(super) fn check(sections: &[&Section], faults: &mut Faults) -> Options {
    let Some(first) = sections.first() else { return Options::default() };
    for again in &sections[1..] {
        let message = format!("[{}] stands twice; both are taken together", excerpt(&again.name.value));
        faults.push(Fault::warning(again.name.span.clone(), message));
    }
    for section in sections.iter().filter(|section| section.name.value != OPTIONS_SECTION) {
        let message = format!("[{}] is taken as [options]", excerpt(&section.name.value));
        let fault = Fault::warning(section.name.span.clone(), message);
        faults.push(fault.hint("knockd 0.8 takes it for a door unless it is in lower case"));
    }
    let entries = sections.iter().flat_map(|section| &section.entries);
    let given = Given::new(&first.name, entries, KIND, faults);
    let mut path = |key| given.text(key, faults).and_then(|value| path::check(value, faults));
    let (log_file, pid_file) = (path(OptionKey::LogFile), path(OptionKey::PidFile));
    let (state_dir, counter_dir) = (path(OptionKey::StateDir), path(OptionKey::CounterDir));
    let scan_guard = given.read(OptionKey::ScanGuard, faults, values::scan_guard).unwrap_or_default();
    scans::look_at_guard(&given, scan_guard, faults);
    Options {
        use_syslog: given.entry(OptionKey::UseSyslog).is_some_and(|entry| use_syslog(entry, faults)),
        log_file,
        pid_file,
        state_dir,
        counter_dir,
        interfaces: interfaces(&given, faults),
        scan_guard,
        max_sources: given.read(OptionKey::MaxSources, faults, values::max_sources).unwrap_or_default(),
        command_timeout: given
            .read(OptionKey::CommandTimeout, faults, values::command_timeout)
            .unwrap_or_default(),
        user: given.read(OptionKey::User, faults, values::user),
        sandbox: given.read(OptionKey::Sandbox, faults, values::sandbox).unwrap_or_default(),
        capabilities: given.read_list(OptionKey::Capabilities, faults, capabilities::read),
    }
}

fn use_syslog(entry: &Entry, faults: &mut Faults) -> bool {
    let text = match &entry.value {
        None => return true,
        Some(Value::Flag(wanted)) => return wanted.value,
        Some(Value::Text(text)) => text,
        Some(value @ (Value::List(_) | Value::Unreadable(_))) => {
            faults.push(Fault::error(value.span().clone(), "`usesyslog` takes true or false"));
            return false;
        }
    };
    let hint = match text.form {
        Form::Bare => "write UseSyslog alone to turn it on",
        Form::Quoted | Form::Escaped | Form::Number => "write true or false, without quotes",
    };
    let word = without_comment(text, faults);
    let wanted = match word.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => true,
        "no" | "false" | "off" | "0" => false,
        _ => {
            let message = format!("`{}` is neither yes nor no", excerpt(word));
            faults.push(text.blame(Fault::error(0..word.len(), message)).hint(hint));
            return false;
        }
    };
    let message = format!("`{word}` is an unusual value for UseSyslog");
    faults.push(text.blame(Fault::warning(0..word.len(), message)).hint(hint));
    wanted
}

/// What to write for an interface.
const INTERFACE_HINT: &str =
    "one name of at most 15 characters, such as eth0, or several joined by commas; `ip link` lists them";

/// Whether any interface can have this name: an operating system gives it 15 bytes, without blanks or slashes
/// (`dev_valid_name` in Linux).
pub(crate) fn is_interface_name(name: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || ",\"'/".contains(c);
    (1..=15).contains(&name.len()) && name != "." && name != ".." && !name.contains(odd)
}

/// The interfaces to listen on; an empty name in quotes stands for the default.
fn interfaces(given: &Given<'_, OptionKey>, faults: &mut Faults) -> Option<Vec<String>> {
    let mut oddities = Vec::new();
    let names = given.read_list(OptionKey::Interface, faults, |words| {
        if let [word] = words
            && unquoted(word.value).is_empty()
            && word.is_written()
        {
            let fault = word.wrong("an empty name stands for the default interface");
            oddities.push(fault.warn().hint("leave the directive out, or name the interface"));
            return Ok(None);
        }
        let mut names: Vec<String> = Vec::new();
        for word in words {
            let name = unquoted(word.value);
            if !is_interface_name(name) {
                return Err(word.wrong("this is no interface name").hint(INTERFACE_HINT));
            }
            if name.len() < word.value.len() {
                let fault = word.wrong("quotes are no part of an interface's name, and are left out");
                oddities.push(fault.warn().hint("write the name without them"));
            }
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Ok(Some(names))
    });
    for fault in oddities {
        faults.push(fault);
    }
    names.flatten()
}

/// The text between quotes, where it stands in some.
fn unquoted(text: &str) -> &str {
    let within = |quote| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(text)
}
