//! The TOML syntax: each table is a section with the same directives as in the classic one.

use std::ops::Range;

use toml::de::{DeInteger, DeTable, DeValue};

use super::blank::is_blank;
use super::directives;
use super::fault::{Fault, Faults};
use super::raw::{Entry, Form, Section, Spanned, Text, Value};

type Key<'i> = toml::Spanned<toml::de::DeString<'i>>;
type Item<'i> = toml::Spanned<DeValue<'i>>;

/// A larger text is not read: the library takes a hundred times as much memory.
const LARGEST: usize = 1 << 20;

/// Splits a file into sections and entries, in its order.
pub(super) fn parse(text: &str, faults: &mut Faults) -> Vec<Section> {
    if text.len() > LARGEST {
        let message = format!("larger than {} MiB, which is too much for TOML", LARGEST >> 20);
        faults.push(Fault::error(0..0, message).hint("put long commands into scripts"));
        return Vec::new();
    }
    let (document, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map_or(0, |at| at.start));
    for (index, error) in errors.iter().enumerate() {
        let fault = Fault::error(error.span().unwrap_or(0..0), error.message());
        faults.push(fault.maybe_hint((index == 0).then_some("this file is read as TOML")));
    }
    let reader = Reader { text };
    let mut sections = Vec::new();
    for (key, item) in in_order(document.get_ref()) {
        let name = key.get_ref();
        match item.get_ref() {
            DeValue::Table(table) => sections.extend(reader.section(name, key.span(), table, faults)),
            // Doors of one name, which TOML calls an array of tables.
            DeValue::Array(items)
                if !items.is_empty() && items.iter().all(|item| item.get_ref().is_table()) =>
            {
                for item in items {
                    let DeValue::Table(table) = item.get_ref() else { continue };
                    sections.extend(reader.section(name, item.span(), table, faults));
                }
            }
            _ => {
                let fault = Fault::error(key.span(), "a directive before the first [section]");
                faults.push(fault.hint("begin with [options], or with the [name] of a door"));
            }
        }
    }
    sections.sort_by_key(|section| section.name.span.start);
    sections
}

/// Whether a file whose name does not say so is TOML: a sequence, a pad or flags in quotes or brackets, or a command
/// in an array.  Such values are of no use in the classic syntax, and no TOML door is without one but for a single
/// port without flags.
pub(super) fn is_evident(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start_matches(is_blank);
        let Some((key, value)) = line.split_once('=') else { return false };
        let value = value.trim_start_matches(is_blank);
        let begins = |starts: &[&str]| starts.iter().any(|start| value.starts_with(start));
        match directives::find(directives::DOOR, key.trim_end_matches(is_blank)) {
            Some(
                directives::DoorKey::Sequence
                | directives::DoorKey::OneTimeSequences
                | directives::DoorKey::TcpFlags,
            ) => begins(&["\"", "'", "["]),
            Some(key) if key.is_command() => begins(&["[\"", "['"]),
            _ => false,
        }
    })
}

/// The items of a table as they stand in the file; the library sorts them by name.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Key<'i>, &'t Item<'i>)> {
    let mut items: Vec<_> = table.iter().collect();
    items.sort_by_key(|(key, _)| key.span().start);
    items
}

struct Reader<'i> {
    text: &'i str,
}

impl Reader<'_> {
    /// The section of a table, unless the table is only there for the tables in it.
    fn section(
        &self,
        name: &str,
        span: Range<usize>,
        table: &DeTable<'_>,
        faults: &mut Faults,
    ) -> Option<Section> {
        let mut entries = Vec::new();
        for (key, item) in in_order(table) {
            if item.get_ref().is_table() {
                let fault = Fault::error(key.span(), "a section within a section");
                faults.push(fault.hint("put a name that holds a dot into quotes"));
                continue;
            }
            let value = self.value(item).unwrap_or_else(|fault| {
                if directives::is_known(key.get_ref()) {
                    faults.push(fault);
                }
                Value::Unreadable(item.span())
            });
            let key = Spanned { value: key.get_ref().clone().into_owned(), span: key.span() };
            entries.push(Entry { key, value: Some(value) });
        }
        let name = Spanned { value: name.to_owned(), span };
        (table.is_empty() || !entries.is_empty()).then_some(Section { name, entries })
    }

    fn value(&self, item: &Item<'_>) -> Result<Value, Fault> {
        let span = item.span();
        Ok(match item.get_ref() {
            DeValue::Boolean(value) => Value::Flag(Spanned { value: *value, span }),
            DeValue::Array(items) => {
                let texts = items.iter().map(|item| self.text(item));
                Value::List(Spanned { value: texts.collect::<Result<_, _>>()?, span })
            }
            _ => Value::Text(self.text(item)?),
        })
    }

    fn text(&self, item: &Item<'_>) -> Result<Text, Fault> {
        let span = item.span();
        let unfit = |what: &str, hint: &str| {
            Err(Fault::error(span.clone(), format!("no directive takes {what}")).hint(hint))
        };
        match item.get_ref() {
            DeValue::String(value) => Ok(self.string(value, span)),
            DeValue::Integer(number) => Ok(self.number(number, span)),
            DeValue::Float(_) => unfit("a number with a fraction", "spans of time are in whole seconds"),
            DeValue::Datetime(_) => unfit("a date or a time", "put text into quotes"),
            DeValue::Boolean(_) => unfit("true or false in a list", "put text into quotes"),
            DeValue::Array(_) => unfit("a list within a list", "write one list"),
            DeValue::Table(_) => unfit("a table in a list", "put text into quotes"),
        }
    }

    fn string(&self, value: &str, span: Range<usize>) -> Text {
        let between = span.start + 1..span.end.saturating_sub(1);
        if self.text.get(between.clone()) == Some(value) {
            return Text { value: value.to_owned(), span: between, form: Form::Quoted };
        }
        Text { value: value.to_owned(), span, form: Form::Escaped }
    }

    fn number(&self, number: &DeInteger<'_>, span: Range<usize>) -> Text {
        let value = match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => number.to_string(),
            Err(_) => self.text.get(span.clone()).unwrap_or_default().to_owned(),
        };
        Text { value, span, form: Form::Number }
    }
}
