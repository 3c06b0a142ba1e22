//! Problems of a configuration, shown with the line that they are in.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A line longer than this is named but not shown.
const SHOWN_LINE: usize = 300;

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
    /// The bytes of the file at fault.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn error(span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Error, span, message: message.into(), hint: None }
    }

    pub(super) fn warning(span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(span, message) }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }
}

/// All problems of one file, in the order of its lines.
#[derive(Clone, Debug)]
pub struct Report {
    file: String,
    text: String,
    problems: Vec<Problem>,
}

impl Report {
    pub(super) fn new(file: &str, text: String, mut problems: Vec<Problem>) -> Report {
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        Report { file: file.to_owned(), text, problems }
    }

    /// Whether any problem is an error.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The problems, in the order of the file's lines.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// `FILE:LINE:COLUMN: message`, for a log; line and column count from 1, the column in characters.
    pub fn line(&self, problem: &Problem) -> String {
        let (line_start, line) = self.position(problem);
        let before = self.text.get(line_start..problem.span.start).unwrap_or_default();
        let column = before.chars().count() + 1;
        let mut text = format!("{}:{line}:{column}: {}", self.file, problem.message);
        if let Some(hint) = &problem.hint {
            let _ = write!(text, " ({hint})");
        }
        text
    }

    /// Every problem with its line, a caret and a hint, for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&self.render_one(problem, colour));
            text.push_str("\n\n");
        }
        let count = |severity| self.problems.iter().filter(|p| p.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        if errors + warnings > 0 {
            let _ = writeln!(
                text,
                "{}: {}, {}",
                self.file,
                counted(errors, "error"),
                counted(warnings, "warning")
            );
        }
        text
    }

    fn render_one(&self, problem: &Problem, colour: bool) -> String {
        let level = match problem.severity {
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let (line_start, line_number) = self.position(problem);
        let rest = self.text.get(line_start..).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        let span = problem.span.start - line_start..problem.span.end - line_start;
        if line.len() > SHOWN_LINE || line.get(span.clone()).is_none() {
            let name = if problem.severity == Severity::Error { "error" } else { "warning" };
            return format!("{name}: {}", self.line(problem));
        }
        let snippet = Snippet::source(line)
            .path(&self.file)
            .line_start(line_number)
            .annotation(AnnotationKind::Primary.span(span));
        let mut group: Group<'_> = level.primary_title(&problem.message).element(snippet);
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(hint));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }

    /// The start of the problem's line in bytes, and its number from 1.
    fn position(&self, problem: &Problem) -> (usize, usize) {
        let before = self.text.get(..problem.span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line_start, before.matches('\n').count() + 1)
    }
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
