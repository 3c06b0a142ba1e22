//! Any text as a configuration.

#![expect(clippy::unwrap_used, reason = "a rule that does not hold ends in a panic")]

use super::fault::Fault;
use super::{Config, Report, Severity, Syntax, parse, print, read};

/// Reads the bytes as a configuration in the classic syntax; see [`config_toml`].
pub fn config_classic(bytes: &[u8]) {
    config("t.conf", bytes);
}

/// Reads the bytes as a configuration in TOML.
///
/// Every fault lies within the text, and its line and column are right.  A configuration comes out where there is no
/// error, and reads as the same one again once it is printed.  Nothing that is said of a file controls a terminal.
pub fn config_toml(bytes: &[u8]) {
    config("t.toml", bytes);
}

fn config(name: &str, bytes: &[u8]) {
    let (text, _, faults) = read(name, bytes);
    let (config, report) = parse(name, bytes);
    assert_eq!(config.is_none(), report.has_errors());
    assert_eq!(report.has_errors(), faults.errors.count > 0);
    let mut faults: Vec<Fault> = faults.errors.kept.into_iter().chain(faults.warnings.kept).collect();
    for Fault { span, message, .. } in &faults {
        assert!(text.get(span.clone()).is_some(), "{message}: {span:?} of {} bytes", text.len());
    }
    faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
    places(&text, &faults, &report);
    words(&report);
    if let Some(config) = config {
        reads_back(&config);
    }
}

/// Lines and columns, counted without the report.
fn places(text: &str, faults: &[Fault], report: &Report) {
    let all_shown = report.problems().len() == faults.len();
    for (problem, fault) in report.problems().iter().zip(faults).filter(|_| all_shown) {
        let before = &text[..fault.span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        assert_eq!((problem.line, problem.column), (line, column), "{}", problem.message);
        assert_eq!((problem.severity, &problem.message), (fault.severity, &fault.message));
    }
}

fn words(report: &Report) {
    let plain = report.render(false);
    assert!(report.render(true).len() >= plain.len());
    assert_eq!(plain.is_empty(), report.problems().is_empty());
    assert!(plain.contains("error: ") || !report.has_errors());
    let controls = |c: char| c.is_control() && c != '\n';
    assert!(!plain.contains(controls), "{plain:?}");
    for problem in report.problems() {
        let line = report.line(problem);
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.len() < 2000, "{line}");
    }
}

fn reads_back(config: &Config) {
    let text = print(config, Syntax::Toml).unwrap();
    reads_as(config, "t.toml", &text);
    if let Ok(text) = print(config, Syntax::Classic) {
        reads_as(config, "t.conf", &text);
    }
}

fn reads_as(config: &Config, name: &str, text: &str) {
    let (again, report) = parse(name, text.as_bytes());
    let errors = report.problems().iter().filter(|problem| problem.severity == Severity::Error);
    assert_eq!(again.as_ref(), Some(config), "{:?} in {text}", errors.collect::<Vec<_>>());
}
