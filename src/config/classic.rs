//! The classic syntax of `knockd.conf`: `[sections]` of `key = value` lines, values unquoted to the end of the
//! line, `#` at the start of a line for comments.

use std::ops::Range;

use super::blank::{is_blank, trim};
use super::directives;
use super::fault::{Fault, Faults};
use super::raw::{Entry, Form, Section, Spanned, Text, Value};

/// More lines than this with something on them are not read, so that memory is bounded.
const MOST_LINES: usize = 100_000;

/// Splits a file into sections and entries, and goes on after each line that is neither.
pub(super) fn parse(text: &str, faults: &mut Faults) -> Vec<Section> {
    let mut parser = Parser { sections: Vec::new(), stray: false, continued: Continued::No, faults };
    let mut offset = 0;
    let mut lines = 0;
    for line in text.split_inclusive('\n') {
        let line_start = offset;
        offset += line.len();
        let (blanks, content) = trim(line);
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let start = line_start + blanks;
        lines += 1;
        if lines > MOST_LINES {
            let message = format!("more than {MOST_LINES} lines; the rest is not read");
            parser.faults.push(Fault::error(start..start + content.len(), message));
            break;
        }
        parser.line(&Piece { text: content, start });
    }
    parser.sections
}

/// The content of a line, or a part of it, and where it begins in the file.
struct Piece<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Piece<'a> {
    fn span(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// A part of it without the blanks around.
    fn part(&self, range: Range<usize>) -> Piece<'a> {
        let (blanks, text) = trim(&self.text[range.clone()]);
        Piece { text, start: self.start + range.start + blanks }
    }

    fn owned(&self) -> Spanned<String> {
        Spanned { value: self.text.to_owned(), span: self.span() }
    }
}

struct Parser<'f> {
    sections: Vec<Section>,
    /// Whether a directive without a section has been complained about.
    stray: bool,
    continued: Continued,
    faults: &'f mut Faults,
}

/// Whether the line before asks for another, as in shell scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Continued {
    No,
    /// It ends with a backslash.
    Perhaps,
    /// It ends with a backslash, and is itself a continuation that was complained about.
    Again,
}

impl Parser<'_> {
    fn line(&mut self, line: &Piece<'_>) {
        if self.is_continuation(line) {
            return;
        }
        if let Some(inside) = line.text.find('\r') {
            let at = line.start + inside;
            let fault = Fault::error(at..at + 1, "a carriage return inside a line");
            self.faults.push(fault.hint("save the file with the line ends of Unix or of Windows"));
            return;
        }
        if line.text.starts_with('[') {
            match section_name(line, self.faults) {
                Ok(name) => self.sections.push(Section { name, entries: Vec::new() }),
                Err(fault) => self.faults.push(fault),
            }
            return;
        }
        let Some(section) = self.sections.last_mut() else {
            if !self.stray {
                let fault = Fault::error(line.span(), "a line before the first [section]");
                self.faults.push(fault.hint("begin with [options], or with the [name] of a door"));
            }
            self.stray = true;
            return;
        };
        if let Some(entry) = entry(line, self.faults) {
            section.entries.push(entry);
        }
    }

    /// Whether this line continues the one before, which is said once for all lines that do.
    fn is_continuation(&mut self, line: &Piece<'_>) -> bool {
        let before = self.continued;
        let more = line.text.ends_with('\\');
        let itself = line.text.starts_with('[') || directives::is_known(key_of(line.text));
        if before == Continued::No || itself || self.sections.is_empty() {
            self.continued = if more { Continued::Perhaps } else { Continued::No };
            return false;
        }
        if before == Continued::Perhaps {
            let message = "this line continues the one before, but a value ends with its line";
            self.faults.push(Fault::error(line.span(), message).hint(
                "write the command on one line, or put it into a script; in TOML a string may have several lines",
            ));
        }
        self.continued = if more { Continued::Again } else { Continued::No };
        true
    }
}

/// What stands before the `=`.
fn key_of(line: &str) -> &str {
    trim(line.split('=').next().unwrap_or_default()).1
}

fn section_name(line: &Piece<'_>, faults: &mut Faults) -> Result<Spanned<String>, Fault> {
    let end = match line.text.rfind(']') {
        Some(end) if end + 1 == line.text.len() => end,
        Some(end) if trim(&line.text[end + 1..]).1.starts_with('#') => {
            let comment = line.part(end + 1..line.text.len()).span();
            faults.push(Fault::warning(comment, "a comment after a section's name is left out"));
            end
        }
        _ => {
            let fault = Fault::error(line.span(), "a section's name must end with `]`");
            return Err(fault.hint("nothing may follow the bracket"));
        }
    };
    Ok(line.part(1..end).owned())
}

fn entry(line: &Piece<'_>, faults: &mut Faults) -> Option<Entry> {
    let hash = line.text.find('#').unwrap_or(line.text.len());
    let Some(equals) = line.text[..hash].find('=') else {
        if hash < line.text.len() {
            let comment = line.part(hash..line.text.len()).span();
            faults.push(Fault::warning(comment, "a comment after a directive is left out"));
        }
        return Some(Entry { key: line.part(0..hash).owned(), value: None });
    };
    let key = line.part(0..equals);
    let value = line.part(equals + 1..line.text.len());
    if key.text.is_empty() {
        faults.push(Fault::error(line.span(), "a directive's name is missing before the `=`"));
        return None;
    }
    let value = Text { value: value.text.to_owned(), span: value.span(), form: Form::Bare };
    Some(Entry { key: key.owned(), value: Some(Value::Text(value)) })
}

/// The text of an unquoted value without a comment behind it, for values that never hold a `#`.
pub(super) fn without_comment<'a>(value: &'a Text, faults: &mut Faults) -> &'a str {
    let Some(hash) = value.value.find('#').filter(|_| value.form == Form::Bare) else { return &value.value };
    faults.push(
        value
            .blame(Fault::warning(hash..value.value.len(), "a comment after a value is left out").hint(
                "put it on a line of its own; after a command or a path it would be part of the value",
            )),
    );
    value.value[..hash].trim_end_matches(is_blank)
}
