//! The commands of a door.

use super::given::Given;
use crate::config::command::{ADDRESS, Argv, Command};
use crate::config::directives::DoorKey;
use crate::config::fault::{Fault, Faults};
use crate::config::lookalike;
use crate::config::raw::{Spanned, Text, Value};
use crate::config::schema::PerFamily;

/// The commands of both families: an absent `_6` falls back to the IPv4 one, an empty one does nothing.
pub(super) fn check(
    given: &Given<'_, DoorKey>,
    v4: DoorKey,
    v6: DoorKey,
    faults: &mut Faults,
) -> PerFamily<Option<Command>> {
    let mut read = |key| given.value(key, faults).map(|value| command(given, key, value, faults));
    let v4 = read(v4).flatten();
    let v6 = read(v6).unwrap_or_else(|| v4.clone());
    PerFamily { v4, v6 }
}

/// A command that nobody's knock is the reason for, if there is one.
pub(super) fn check_errand(given: &Given<'_, DoorKey>, key: DoorKey, faults: &mut Faults) -> Option<Command> {
    let texts: Vec<&Text> = match given.entry(key).and_then(|entry| entry.value.as_ref()) {
        Some(Value::List(words)) => words.value.iter().collect(),
        Some(Value::Text(text)) => vec![text],
        _ => Vec::new(),
    };
    for text in texts {
        if let Some(at) = text.value.find(ADDRESS) {
            let fault = Fault::error(at..at + ADDRESS.len(), "nobody has knocked when this command runs");
            let hint = "its environment has KNOCK_DOOR, KNOCK_PAD, KNOCK_PAD_FILE and KNOCK_LEFT";
            faults.push(text.blame(fault).hint(hint));
        }
    }
    given.value(key, faults).and_then(|value| command(given, key, value, faults))
}

/// The command that this value is, if it is one; an empty one does nothing.
fn command(given: &Given<'_, DoorKey>, key: DoorKey, value: &Value, faults: &mut Faults) -> Option<Command> {
    match value {
        Value::List(words) => argv(words, faults),
        _ => shell(given.text(key, faults)?, faults),
    }
}

/// Whether one of these commands is there, read or not.
pub(super) fn is_given(given: &Given<'_, DoorKey>, keys: [DoorKey; 2]) -> bool {
    keys.iter().filter_map(|key| given.entry(*key)).any(|entry| !is_empty_text(entry.value.as_ref()))
}

fn is_empty_text(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Text(text)) if text.value.is_empty())
}

fn shell(text: &Text, faults: &mut Faults) -> Option<Command> {
    let line = &text.value;
    look_over(text, faults);
    let first = line.split([' ', '\t', '\n', ';', '&', '|']).next().unwrap_or_default();
    warn_if_relative(text, first, faults);
    (!line.is_empty()).then(|| Command::Shell(line.clone()))
}

fn argv(words: &Spanned<Vec<Text>>, faults: &mut Faults) -> Option<Command> {
    words.value.iter().for_each(|word| look_over(word, faults));
    if let Some(program) = words.value.first() {
        warn_if_relative(program, &program.value, faults);
    }
    let argv = Argv::new(words.value.iter().map(|word| word.value.clone()).collect());
    if argv.is_none() {
        let fault = Fault::error(words.span.clone(), "this array names no program");
        faults.push(fault.hint("the program, then its arguments; \"\" in place of an array does nothing"));
    }
    argv.map(Command::Argv)
}

/// Finds what no command can hold, and what is probably not meant.
fn look_over(text: &Text, faults: &mut Faults) {
    if let Some(nul) = text.value.find('\0') {
        faults.push(text.blame(Fault::error(nul..nul + 1, "a command cannot hold a NUL byte")));
    }
    if let Some(found) = lookalike::find(&text.value) {
        let end = found.offset + found.character.len_utf8();
        let fault = Fault::warning(found.offset..end, "a command is run with this character as it stands");
        faults.push(text.blame(fault).hint(format!("it is {found} if that is what you mean")));
    }
}

/// Warns of a path that depends on a directory which is not the one it was written for.
fn warn_if_relative(text: &Text, program: &str, faults: &mut Faults) {
    let plain = program.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/+".contains(&byte));
    if plain && program.contains('/') && !program.starts_with('/') {
        let start = text.value.find(program).unwrap_or_default();
        let fault = Fault::warning(start..start + program.len(), "a relative path, but commands run in `/`");
        faults.push(text.blame(fault).hint("write the whole path"));
    }
}
