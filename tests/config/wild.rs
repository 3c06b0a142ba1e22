//! A folder of configurations found in the wild, with what knockd 0.8 makes of each.
//!
//! `KNOCKD_CORPUS` names the folder; its `EXPECTED.tsv` has a line for each file: name, `accepted` or `refused`, the
//! number of doors, the message of knockd 0.8 with the line at fault, remarks.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use knockd::config::{Config, Report, Severity, parse};

/// What came of a file, and whether that is right.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Outcome {
    /// 0.8 accepts it, and so it is here.
    Same,
    /// 0.8 takes a placeholder for port 0; here it is refused where it stands.
    Placeholder,
    /// 0.8 refuses it, and so it is here, in the same line.
    Refused,
    /// 0.8 refuses it; here there is a warning in the same line.
    Mended,
}

/// The lines that set a sequence of which not every port is a number.
fn placeholders(text: &str) -> BTreeSet<usize> {
    let is_placeholder = |line: &str| {
        let Some((key, value)) = line.split_once('=') else { return false };
        let value = value.split('#').next().unwrap_or_default();
        let number = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        key.trim().eq_ignore_ascii_case("sequence")
            && !value.split(',').all(|hit| number(hit.split(':').next().unwrap_or_default().trim()))
    };
    text.lines().enumerate().filter(|(_, line)| is_placeholder(line)).map(|(index, _)| index + 1).collect()
}

fn lines_with(severity: Severity, report: &Report) -> BTreeSet<usize> {
    report.problems().iter().filter(|p| p.severity == severity).map(|p| p.line).collect()
}

/// The number behind `line` in a message of knockd 0.8.
fn line_in(message: &str) -> usize {
    let number = message.split("line ").nth(1).unwrap().split(':').next().unwrap();
    number.parse().unwrap()
}

/// Whoever may write to the file: it is no daemon's.
fn parse_file(path: &Path) -> (Option<Config>, Report) {
    parse(&path.display().to_string(), &fs::read(path).unwrap())
}

/// Compares what comes of a file with what is expected of it.
fn judge(path: &Path, result: &str, doors: &str, message: &str) -> Result<Outcome, String> {
    let (config, report) = parse_file(path);
    let all = || format!("{}: {result} {doors} {message}\n{}", path.display(), report.render(false));
    let errors = lines_with(Severity::Error, &report);
    let placeholders = placeholders(&String::from_utf8_lossy(&fs::read(path).unwrap()));
    match (result, config) {
        ("accepted", Some(config)) if config.doors.len().to_string() == doors => Ok(Outcome::Same),
        ("accepted", None) if !placeholders.is_empty() && placeholders.is_subset(&errors) => {
            Ok(Outcome::Placeholder)
        }
        ("refused", None) if errors.contains(&line_in(message)) => Ok(Outcome::Refused),
        ("refused", Some(_)) if lines_with(Severity::Warning, &report).contains(&line_in(message)) => {
            Ok(Outcome::Mended)
        }
        _ => Err(all()),
    }
}

#[test]
fn files_found_in_the_wild_are_taken_as_knockd_takes_them() {
    let Some(folder) = std::env::var_os("KNOCKD_CORPUS") else {
        eprintln!("SKIPPED: set KNOCKD_CORPUS to a folder of configurations with an EXPECTED.tsv");
        return;
    };
    let folder = Path::new(&folder);
    let table = fs::read_to_string(folder.join("EXPECTED.tsv")).unwrap();
    let mut outcomes = Vec::new();
    let mut wrong = Vec::new();
    for line in table.lines().skip(1) {
        let [file, result, doors, message, ..] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("EXPECTED.tsv: {line}")
        };
        match judge(&folder.join(file), result, doors, message) {
            Ok(outcome) => outcomes.push(outcome),
            Err(complaint) => wrong.push(complaint),
        }
    }
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    eprintln!(
        "{} files: {} accepted as by knockd 0.8, {} with placeholders refused, {} refused as by knockd 0.8, \
         {} accepted with a warning where it refuses, {} wrong",
        outcomes.len() + wrong.len(),
        count(Outcome::Same),
        count(Outcome::Placeholder),
        count(Outcome::Refused),
        count(Outcome::Mended),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!outcomes.is_empty(), "there is no file in EXPECTED.tsv");
}

#[test]
fn a_wrong_expectation_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let judged = |text: &str, result, doors, message| {
        let path = directory.path().join("knockd.conf");
        fs::write(&path, text).unwrap();
        judge(&path, result, doors, message).ok()
    };
    let good = "[d]\nsequence = 1,9,5\ntcpflags = syn\ncommand = x\n";
    assert_eq!(judged(good, "accepted", "1", ""), Some(Outcome::Same));
    assert_eq!(judged(good, "accepted", "2", ""), None);
    assert_eq!(judged(good, "refused", "-", "config: line 3: syntax error"), None);
    let placeholder = good.replace('1', "$x");
    assert_eq!(judged(&placeholder, "accepted", "1", ""), Some(Outcome::Placeholder));
    let unknown = format!("{good}nonsense = 1\n");
    assert_eq!(judged(&unknown, "refused", "-", "config: line 5: syntax error"), Some(Outcome::Refused));
    assert_eq!(judged(&unknown, "refused", "-", "config: line 2: syntax error"), None);
    assert_eq!(judged(&unknown, "accepted", "1", ""), None);
    let comment = good.replace("syn", "syn # only");
    assert_eq!(judged(&comment, "refused", "-", "config: line 3: syntax error"), Some(Outcome::Mended));
    assert_eq!(judged(&comment, "refused", "-", "config: line 2: syntax error"), None);
}
