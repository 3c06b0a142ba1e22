//! Problems of a configuration, the daemon's or the client's, shown with the line that they are in.

pub(crate) mod fault;
pub(crate) mod text;

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use fault::{Fault, Faults, Few};

/// A line longer than this is named but not shown.
const SHOWN_LINE: usize = 300;

/// More problems of one severity than this are counted, but not shown.
const SHOWN: usize = 100;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration works, but perhaps not as meant.
    Warning,
    /// The configuration is refused.
    Error,
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where the line at fault stands, from 1.
    pub line: usize,
    /// Where in the line it begins, in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The line, if it can be shown, and the bytes of it that are at fault.
    source: Option<(String, Range<usize>)>,
}

/// All problems of one file, in the order of its lines; of very many, the first.
#[derive(Clone, Debug)]
pub struct Report {
    file: String,
    problems: Vec<Problem>,
    errors: usize,
    warnings: usize,
}

impl Report {
    pub(crate) fn new(file: &str, text: &str, faults: Faults) -> Report {
        let (errors, warnings) = (faults.errors.count, faults.warnings.count);
        let mut shown = first(faults.errors);
        shown.extend(first(faults.warnings));
        shown.sort_by_key(|fault| (fault.span.start, fault.span.end));
        let mut cursor = Cursor::default();
        let problems = shown.into_iter().map(|fault| cursor.locate(text, fault)).collect();
        Report { file: file.to_owned(), problems, errors, warnings }
    }

    /// Whether any problem is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The problems in the order of the file's lines, at most a hundred errors and a hundred warnings.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// `FILE:LINE:COLUMN: message`, for a log; line and column count from 1, the column in characters.
    pub fn line(&self, problem: &Problem) -> String {
        let Problem { line, column, message, hint, .. } = problem;
        let mut text = format!("{}:{line}:{column}: {message}", self.file);
        if let Some(hint) = hint {
            let _ = write!(text, " ({hint})");
        }
        text
    }

    /// `FILE: 2 errors, 1 warning`, and how many of them are not among [`Report::problems`]; `None` where all is
    /// well.
    pub fn summary(&self) -> Option<String> {
        let all = self.errors + self.warnings;
        if all == 0 {
            return None;
        }
        let (errors, warnings) = (counted(self.errors, "error"), counted(self.warnings, "warning"));
        let mut text = format!("{}: {errors}, {warnings}", self.file);
        if all > self.problems.len() {
            let _ = write!(text, "; {} of them are not shown", all - self.problems.len());
        }
        Some(text)
    }

    /// Every problem with its line, a caret and a hint, for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&self.render_one(problem, colour));
            text.push_str("\n\n");
        }
        if let Some(summary) = self.summary() {
            text.push_str(&summary);
            text.push('\n');
        }
        text
    }

    fn render_one(&self, problem: &Problem, colour: bool) -> String {
        let (level, name) = match problem.severity {
            Severity::Warning => (Level::WARNING, "warning"),
            Severity::Error => (Level::ERROR, "error"),
        };
        let Some((line, span)) = &problem.source else {
            return format!("{name}: {}", self.line(problem));
        };
        let snippet = Snippet::source(line)
            .path(&self.file)
            .line_start(problem.line)
            .annotation(AnnotationKind::Primary.span(span.clone()));
        let mut group: Group<'_> = level.primary_title(&problem.message).element(snippet);
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(hint));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

/// The first of these in the order of the file.
fn first(few: Few) -> Vec<Fault> {
    let mut faults = few.kept;
    faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
    faults.truncate(SHOWN);
    faults
}

/// A place in the text that only moves on, so that many problems in one long text are found in one pass.
struct Cursor {
    offset: usize,
    line: usize,
    line_start: usize,
    column: usize,
}

impl Default for Cursor {
    fn default() -> Self {
        Cursor { offset: 0, line: 1, line_start: 0, column: 1 }
    }
}

impl Cursor {
    fn locate(&mut self, text: &str, fault: Fault) -> Problem {
        let passed = text.get(self.offset..fault.span.start).unwrap_or_default();
        if let Some(newline) = passed.rfind('\n') {
            self.line += passed.matches('\n').count();
            self.line_start = self.offset + newline + 1;
            self.column = 1;
        }
        self.column +=
            text.get(self.offset.max(self.line_start)..fault.span.start).map_or(0, |t| t.chars().count());
        self.offset = fault.span.start;
        let source = self.source(text, &fault.span);
        let Fault { severity, message, hint, .. } = fault;
        Problem { severity, line: self.line, column: self.column, message, hint, source }
    }

    /// The line of this span, and the part of the span that is in it.
    fn source(&self, text: &str, span: &Range<usize>) -> Option<(String, Range<usize>)> {
        let rest = text.get(self.line_start..)?;
        // However long the line is, no more of it is looked at than would be shown.
        let end = rest.bytes().take(SHOWN_LINE + 1).position(|byte| matches!(byte, b'\n' | b'\r'));
        let line = rest.get(..end.unwrap_or(rest.len()))?;
        let within = |offset: usize| line.len().min(offset.saturating_sub(self.line_start));
        let part = within(span.start)..within(span.end);
        (line.len() <= SHOWN_LINE && line.get(part.clone()).is_some()).then(|| (harmless(line), part))
    }
}

/// The line without the control characters U+0080 to U+009F, which some terminals obey and the renderer leaves as they
/// are; it replaces the others itself.
fn harmless(line: &str) -> String {
    // As long in UTF-8 as they are, so that the carets stay where they belong.
    line.replace(|c| matches!(c, '\u{80}'..='\u{9f}'), "·")
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
