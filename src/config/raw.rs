//! What every syntax of a configuration comes down to: sections of keys with values, and where each stood.

use std::ops::Range;

use super::fault::Fault;

/// A value and the bytes of the file that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A section such as `[options]` or a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: Spanned<String>,
    pub(super) entries: Vec<Entry>,
}

/// One directive as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Spanned<String>,
    /// Absent for a bare word such as `UseSyslog`.
    pub(super) value: Option<Value>,
}

/// What stands behind a directive's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(Text),
    Flag(Spanned<bool>),
    List(Spanned<Vec<Text>>),
    /// Something that has been complained about.
    Unreadable(Range<usize>),
}

impl Value {
    pub(super) fn span(&self) -> &Range<usize> {
        match self {
            Value::Text(text) => &text.span,
            Value::Flag(flag) => &flag.span,
            Value::List(list) => &list.span,
            Value::Unreadable(span) => span,
        }
    }
}

/// Text as it is meant, without the quotes and escapes that a syntax needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) span: Range<usize>,
    pub(super) form: Form,
}

/// How a text was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Unquoted to the end of the line.
    Bare,
    /// In quotes; the span is that of the text between them.
    Quoted,
    /// In quotes, with escapes or over several lines; the span is that of the whole.
    Escaped,
    /// A number without quotes.
    Number,
}

impl Text {
    /// A fault whose span counts from the start of the text, moved to where the text stands in the file.
    pub(super) fn blame(&self, mut fault: Fault) -> Fault {
        fault.span = match self.form {
            Form::Escaped => self.span.clone(),
            Form::Bare | Form::Quoted | Form::Number => {
                let place = |offset: usize| self.span.end.min(self.span.start + offset);
                place(fault.span.start)..place(fault.span.end)
            }
        };
        fault
    }
}
