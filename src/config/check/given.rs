//! A section's directives by key, and their values by the shape that each directive takes.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use crate::config::classic::without_comment;
use crate::config::directives;
use crate::config::excerpt::excerpt;
use crate::config::fault::{Fault, Faults};
use crate::config::lookalike;
use crate::config::raw::{Entry, Form, Spanned, Text, Value};
use crate::config::values::{self, Word, split_list, split_words};

/// The table of a kind of section, and where a directive of the other kind belongs.
#[derive(Clone, Copy)]
pub(super) struct Kind<K: 'static> {
    pub(super) table: &'static [(&'static str, K)],
    /// What to say of a directive that is known, but not here.
    pub(super) misplaced: &'static str,
}

/// A section's directives by key.  Of a repeated one the last counts.
pub(super) struct Given<'a, K> {
    pub(super) name: &'a Spanned<String>,
    entries: HashMap<K, &'a Entry>,
}

impl<'a, K: Copy + Eq + Hash> Given<'a, K> {
    pub(super) fn new(
        name: &'a Spanned<String>,
        entries: impl Iterator<Item = &'a Entry>,
        kind: Kind<K>,
        faults: &mut Faults,
    ) -> Self {
        let mut by_key: HashMap<K, &Entry> = HashMap::new();
        for entry in entries {
            let name = &entry.key.value;
            let Some(key) = directives::find(kind.table, name) else {
                let fault = unknown(&entry.key, &kind, faults.errors.is_full());
                faults.push(fault);
                continue;
            };
            if let Some(earlier) = by_key.insert(key, entry) {
                let other = &earlier.key.value;
                let message = if other.eq_ignore_ascii_case(name) {
                    format!("`{}` stands twice; the last one counts", excerpt(name))
                } else {
                    format!(
                        "`{}` stands below under its other name `{}`, which counts",
                        excerpt(other),
                        excerpt(name)
                    )
                };
                faults.push(Fault::warning(earlier.key.span.clone(), message));
            }
        }
        Given { name, entries: by_key }
    }

    pub(super) fn entry(&self, key: K) -> Option<&'a Entry> {
        self.entries.get(&key).copied()
    }

    /// The value of a directive; `None` if it is absent, or has none, which is complained about.
    pub(super) fn value(&self, key: K, faults: &mut Faults) -> Option<&'a Value> {
        let entry = self.entry(key)?;
        if entry.value.is_none() {
            let message = format!("`{}` needs a value", excerpt(&entry.key.value));
            faults.push(Fault::error(entry.key.span.clone(), message).hint("write name = value"));
        }
        entry.value.as_ref()
    }

    /// The value of a directive that takes text, with all that stands in it: a path.
    pub(super) fn text(&self, key: K, faults: &mut Faults) -> Option<&'a Text> {
        let value = self.value(key, faults)?;
        match value {
            Value::Text(text) if text.form == Form::Number => {
                faults.push(self.unfit(key, value.span(), "text, not a number").hint("put it into quotes"));
                None
            }
            Value::Text(text) => Some(text),
            Value::List(_) => self.refuse(key, value, "one value, not a list", faults),
            Value::Flag(_) => self.refuse(key, value, "text, not true or false", faults),
            Value::Unreadable(_) => None,
        }
    }

    /// The values of a directive that takes texts, each with all that stands in it: paths.
    pub(super) fn texts(&self, key: K, faults: &mut Faults) -> Option<Vec<&'a Text>> {
        let Some(Value::List(list)) = self.entry(key).and_then(|entry| entry.value.as_ref()) else {
            return self.text(key, faults).map(|text| vec![text]);
        };
        if list.value.is_empty() {
            faults.push(self.unfit(key, &list.span, "at least one value"));
            return None;
        }
        let (numbers, texts): (Vec<_>, Vec<_>) =
            list.value.iter().partition(|text| text.form == Form::Number);
        for number in &numbers {
            faults.push(self.unfit(key, &number.span, "text, not numbers").hint("put it into quotes"));
        }
        numbers.is_empty().then_some(texts)
    }

    /// The value of a directive that takes a number, an address or the like, read by `read`.
    pub(super) fn read<T>(
        &self,
        key: K,
        faults: &mut Faults,
        read: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.value(key, faults)?;
        match value {
            Value::Text(text) => {
                let bare = without_comment(text, faults);
                read(bare).map_err(|fault| faults.push(text.blame(explained(fault, bare)))).ok()
            }
            Value::List(_) => self.refuse(key, value, "one value, not a list", faults),
            Value::Flag(_) => self.refuse(key, value, "a value, not true or false", faults),
            Value::Unreadable(_) => None,
        }
    }

    /// The value of a directive that takes yes or no.
    pub(super) fn yes_or_no(&self, key: K, faults: &mut Faults) -> Option<bool> {
        match self.entry(key)?.value {
            Some(Value::Flag(ref flag)) => Some(flag.value),
            _ => self.read(key, faults, values::yes_or_no),
        }
    }

    /// The value of a directive that takes a list, which is joined by commas or an array, read by `read`.
    pub(super) fn read_list<T>(
        &self,
        key: K,
        faults: &mut Faults,
        read: impl FnOnce(&[Word<'_>]) -> Result<T, Fault>,
    ) -> Option<T> {
        self.read_split(key, faults, split_list, read)
    }

    /// The value of a directive that takes words, which are parted by blanks or an array, read by `read`.
    pub(super) fn read_words<T>(
        &self,
        key: K,
        faults: &mut Faults,
        read: impl FnOnce(&[Word<'_>]) -> Result<T, Fault>,
    ) -> Option<T> {
        self.read_split(key, faults, split_words, read)
    }

    fn read_split<T>(
        &self,
        key: K,
        faults: &mut Faults,
        split: for<'t> fn(&'t Text, &'t str) -> Vec<Word<'t>>,
        read: impl FnOnce(&[Word<'_>]) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.value(key, faults)?;
        let read =
            |words: &[Word<'_>], faults: &mut Faults| read(words).map_err(|fault| faults.push(fault)).ok();
        match value {
            Value::Text(text) => read(&split(text, without_comment(text, faults)), faults),
            Value::List(list) if list.value.is_empty() => {
                self.refuse(key, value, "at least one value", faults)
            }
            Value::List(list) => read(&list.value.iter().map(Word::whole).collect::<Vec<_>>(), faults),
            Value::Flag(_) => self.refuse(key, value, "values, not true or false", faults),
            Value::Unreadable(_) => None,
        }
    }

    fn refuse<T>(&self, key: K, value: &Value, wanted: &str, faults: &mut Faults) -> Option<T> {
        faults.push(self.unfit(key, value.span(), wanted));
        None
    }

    fn unfit(&self, key: K, at: &Range<usize>, wanted: &str) -> Fault {
        let name = self.entry(key).map_or("", |entry| &entry.key.value);
        Fault::error(at.clone(), format!("`{}` takes {wanted}", excerpt(name)))
    }
}

/// Says which character is to blame, where one looks like another.
pub(super) fn explained(fault: Fault, text: &str) -> Fault {
    match text.get(fault.span.clone()).and_then(lookalike::hint) {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

fn unknown<K>(key: &Spanned<String>, kind: &Kind<K>, briefly: bool) -> Fault {
    let name = excerpt(&key.value);
    if directives::is_known(&key.value) {
        return Fault::error(key.span.clone(), format!("`{name}` does not belong here")).hint(kind.misplaced);
    }
    let fault = Fault::error(key.span.clone(), format!("unknown directive `{name}`"));
    if briefly {
        return fault;
    }
    let looks = lookalike::hint(&key.value);
    let nearest =
        || directives::nearest(kind.table, &key.value).map(|known| format!("did you mean `{known}`?"));
    fault.maybe_hint(looks.or_else(nearest))
}
