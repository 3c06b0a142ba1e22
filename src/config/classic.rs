//! The classic syntax of `knockd.conf`: `[sections]` of `key = value` lines, values unquoted to the end of the
//! line, `#` at the start of a line for comments.

use super::raw::{Entry, Section, Spanned};
use super::report::Problem;

/// Splits a file into sections and entries, and goes on after each line that is neither.
pub(super) fn parse(text: &str) -> (Vec<Section>, Vec<Problem>) {
    let mut sections: Vec<Section> = Vec::new();
    let mut problems = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let content = trimmed(line, start);
        if content.value.is_empty() || content.value.starts_with('#') {
            continue;
        }
        if content.value.starts_with('[') {
            match section_name(&content) {
                Ok(name) => sections.push(Section { name, entries: Vec::new() }),
                Err(problem) => problems.push(problem),
            }
            continue;
        }
        let entry = entry(&content);
        match sections.last_mut() {
            Some(section) => section.entries.push(entry),
            None => problems.push(
                Problem::error(content.span, "a directive before the first [section]")
                    .hint("begin with [options], or with the [name] of a door"),
            ),
        }
    }
    (sections, problems)
}

fn section_name(line: &Spanned<&str>) -> Result<Spanned<String>, Problem> {
    let Some(inner) = line.value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        let problem = Problem::error(line.span.clone(), "a section's name must end with `]`");
        return Err(problem.hint("nothing may follow the bracket"));
    };
    let name = trimmed(inner, line.span.start + 1);
    if name.value.is_empty() {
        return Err(Problem::error(line.span.clone(), "a section needs a name"));
    }
    Ok(owned(name))
}

fn entry(line: &Spanned<&str>) -> Entry {
    let Some(equals) = line.value.find('=') else {
        return Entry { key: owned(line.clone()), value: None };
    };
    let key = trimmed(&line.value[..equals], line.span.start);
    let value = trimmed(&line.value[equals + 1..], line.span.start + equals + 1);
    Entry { key: owned(key), value: Some(owned(value)) }
}

/// The text without the blanks around it; `offset` is where it begins in the file.
fn trimmed(text: &str, offset: usize) -> Spanned<&str> {
    let start = offset + text.len() - text.trim_start().len();
    let value = text.trim();
    Spanned { value, span: start..start + value.len() }
}

fn owned(text: Spanned<&str>) -> Spanned<String> {
    Spanned { value: text.value.to_owned(), span: text.span }
}
