//! Doors whose sequences follow from a key.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use seqgen::derive::{Form, Label, Mode};
use seqgen::generate::{Impossible, Pool, PortRange, Protocols, Shape};

use super::given::Given;
use super::{path, reach};
use crate::config::directives::DoorKey;
use crate::config::excerpt::excerpt;
use crate::config::fault::{Fault, Faults};
use crate::config::raw::Value;
use crate::config::schema::KeySource;
use crate::config::values;

/// How many ports a sequence has unless `one_time_length` says otherwise, as with knock and seqgen.
const LENGTH: usize = 5;

/// With fewer bits a sequence can be guessed by somebody patient.
const FEWEST_BITS: f64 = 40.0;

/// Directives that say how sequences follow from a key.
const OF_KEYS: [DoorKey; 7] = [
    DoorKey::OneTimeLabel,
    DoorKey::OneTimeStep,
    DoorKey::OneTimeBind,
    DoorKey::OneTimeLength,
    DoorKey::OneTimeProto,
    DoorKey::OneTimePorts,
    DoorKey::OneTimeExclude,
];

/// What the doors before have taken.
#[derive(Default)]
pub(super) struct Taken<'a> {
    /// Key files, for each label.
    paths: HashMap<String, path::Taken<'a>>,
    /// Forms take space, and most doors have the same.
    forms: Vec<Arc<Form>>,
}

impl Taken<'_> {
    /// This form, once for all doors.
    fn share(&mut self, form: Form) -> Arc<Form> {
        if let Some(known) = self.forms.iter().find(|known| ***known == form) {
            return Arc::clone(known);
        }
        let form = Arc::new(form);
        self.forms.push(Arc::clone(&form));
        form
    }
}

/// Complains of directives on keys at a door that has none.
pub(super) fn refuse_without_key(given: &Given<'_, DoorKey>, faults: &mut Faults) {
    for entry in OF_KEYS.iter().filter_map(|key| given.entry(*key)) {
        let message = format!("`{}` says how sequences follow from a key", excerpt(&entry.key.value));
        faults.push(
            Fault::error(entry.key.span.clone(), message).hint("add one_time_key = FILE, or remove it"),
        );
    }
}

/// What a door with a key goes by.
pub(super) fn check<'a>(
    given: &Given<'a, DoorKey>,
    taken: &mut Taken<'a>,
    faults: &mut Faults,
) -> Option<KeySource> {
    let label = label(given, faults);
    let path = key_file(given, label.as_ref(), taken, faults);
    let step = given.read(DoorKey::OneTimeStep, faults, values::step);
    let mode = step.map_or(Mode::Counter, |step| Mode::Time { step });
    let bind = given.yes_or_no(DoorKey::OneTimeBind, faults).unwrap_or(true);
    let form = form(given, faults).map(|form| taken.share(form));
    let (window, resync) = reach::check(given, faults);
    let lines_only = [DoorKey::OneTimeLow, DoorKey::OneTimeLowCommand];
    say_idle(given, &lines_only, "a key never runs out", faults);
    if given.entry(DoorKey::OneTimeStep).is_some() {
        let counters_only = [DoorKey::OneTimeWindow, DoorKey::OneTimeResync];
        say_idle(given, &counters_only, "where time is counted, one step either way is good", faults);
    }
    Some(KeySource { path: path?, label, mode, bind, form: form?, window, resync })
}

/// Warns of directives that have no effect here.
fn say_idle(given: &Given<'_, DoorKey>, keys: &[DoorKey], why: &str, faults: &mut Faults) {
    for entry in keys.iter().filter_map(|key| given.entry(*key)) {
        let message = format!("`{}` has no effect: {why}", excerpt(&entry.key.value));
        faults.push(Fault::warning(entry.key.span.clone(), message));
    }
}

fn label(given: &Given<'_, DoorKey>, faults: &mut Faults) -> Option<Label> {
    let text = given.text(DoorKey::OneTimeLabel, faults)?;
    let label = Label::new(&text.value);
    label.map_err(|error| faults.push(Fault::error(text.span.clone(), error.to_string()))).ok()
}

/// The key's file; none with the same label may be another door's.
fn key_file<'a>(
    given: &Given<'a, DoorKey>,
    label: Option<&Label>,
    taken: &mut Taken<'a>,
    faults: &mut Faults,
) -> Option<PathBuf> {
    let text = given.text(DoorKey::OneTimeKey, faults)?;
    let path = path::check(text, faults)?;
    let label = label.map_or("", Label::as_str);
    let taken = taken.paths.entry(label.to_owned()).or_insert_with(|| path::Taken::new(path::What::Key));
    if let Some((what, other)) = taken.find(&path) {
        let message = format!("door [{}] has {what} already, with the same label", excerpt(other));
        let hint = "a sequence opens one door; give each door a label of its own";
        faults.push(Fault::error(text.span.clone(), message).hint(hint));
    }
    taken.insert(&path, &given.name.value);
    Some(path)
}

/// What the sequences look like.
fn form(given: &Given<'_, DoorKey>, faults: &mut Faults) -> Option<Form> {
    let length = given.read(DoorKey::OneTimeLength, faults, values::length).unwrap_or(LENGTH);
    let protocols = given.read(DoorKey::OneTimeProto, faults, values::protocols).unwrap_or(Protocols::Tcp);
    let ports = given.read_list(DoorKey::OneTimePorts, faults, values::port_ranges);
    let except = given.read_list(DoorKey::OneTimeExclude, faults, values::port_ranges).unwrap_or_default();
    let pool = Pool::new(&ports.unwrap_or_else(|| vec![PortRange::UNPRIVILEGED]), &except);
    let at = [DoorKey::OneTimePorts, DoorKey::OneTimeExclude, DoorKey::OneTimeLength];
    let at = at.iter().find_map(|key| given.entry(*key)).or(given.entry(DoorKey::OneTimeKey))?;
    let at = at.value.as_ref().map_or(&at.key.span, Value::span).clone();
    let form = match Form::new(Shape { length, protocols, pool }) {
        Ok(form) => form,
        Err(Impossible::Ports { ports, length }) => {
            let message = format!("{ports} ports are allowed, and a sequence has {length} different ones");
            faults.push(Fault::error(at, message).hint("allow more ports, or shorten the sequences"));
            return None;
        }
        Err(error) => {
            faults.push(Fault::error(at, error.to_string()));
            return None;
        }
    };
    let bits = form.shape().bits();
    if bits < FEWEST_BITS {
        let message = format!("sequences like these have {bits:.0} bits: somebody patient can guess one");
        faults.push(Fault::warning(at, message).hint("allow more ports, or make the sequences longer"));
    }
    Some(form)
}
