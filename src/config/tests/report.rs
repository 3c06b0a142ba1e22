//! What a user sees of the errors.

use super::*;

#[test]
fn every_error_is_reported_in_one_go_and_in_order() {
    let said = lines(
        "stray = 1\n[options]\nlogfle = x\n[a\n[b]\nsequence = 7000,70000\ncommand = x\ntcpflags = syn\n[c]\n\
         seqence = 1\ntcpflags = syn\n",
    );
    let expected = [
        "t.conf:1:1: a line before the first [section]",
        "t.conf:3:1: unknown directive `logfle` (did you mean `logfile`?)",
        "t.conf:4:1: a section's name must end with `]`",
        "t.conf:6:17: port 70000 is out of range (1-65535)",
        "t.conf:9:2: this door has no sequence",
        "t.conf:9:2: this door has no command",
        "t.conf:10:1: unknown directive `seqence` (did you mean `sequence`?)",
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn columns_count_characters() {
    assert!(complaint("sequence = 1,2,é").starts_with("t.conf:5:16: `é` is not a port number"));
    assert!(complaint("séquence = 1").starts_with("t.conf:5:1: unknown directive"));
}

#[test]
fn a_report_shows_the_line_with_a_caret_and_a_hint() {
    let (_, report) = parse("t.conf", b"[d]\nseqence = 1\ncommand = x\nsequence = 1,9,5\ntcpflags = syn\n");
    let expected = "\
error: unknown directive `seqence`
 --> t.conf:2:1
  |
2 | seqence = 1
  | ^^^^^^^
  |
  = help: did you mean `sequence`?

t.conf: 1 error, 0 warnings
";
    assert_eq!(report.render(false), expected);
}

#[test]
fn a_very_long_line_is_named_but_not_shown() {
    let long = format!("[d]\nsequence = 1,{}x\n", " ".repeat(100_000));
    let (_, report) = parse("t.conf", long.as_bytes());
    assert!(report.render(false).contains("error: t.conf:2:100014: `x` is not a port number"));
    assert!(report.render(false).len() < 1000);
}

/// A file with several errors and warnings, and all that is said of it.
const CLASSIC: (&str, &str) = (
    "[options]\n    sequence = 1,9,5\n\n[open SSH] # front\n    Sequence = 7000,70000\n    seqence = 5\n    tcpflags = syn, ack\n\tcommand = ./open é\n",
    "\
error: `sequence` does not belong here
 --> t.conf:2:5
  |
2 |     sequence = 1,9,5
  |     ^^^^^^^^
  |
  = help: it belongs into the section of a door

warning: a comment after a section's name is left out
 --> t.conf:4:12
  |
4 | [open SSH] # front
  |            ^^^^^^^

error: port 70000 is out of range (1-65535)
 --> t.conf:5:21
  |
5 |     Sequence = 7000,70000
  |                     ^^^^^

error: unknown directive `seqence`
 --> t.conf:6:5
  |
6 |     seqence = 5
  |     ^^^^^^^
  |
  = help: did you mean `sequence`?

warning: a blank among flags is left out
 --> t.conf:7:20
  |
7 |     tcpflags = syn, ack
  |                    ^
  |
  = help: knockd 0.8 takes none

warning: a relative path, but commands run in `/`
 --> t.conf:8:12
  |
8 |     command = ./open é
  |               ^^^^^^
  |
  = help: write the whole path

t.conf: 3 errors, 3 warnings
",
);

const TOML: (&str, &str) = (
    "[options]\nsequence = [1, 9, 5]\n\n['open SSH']\nsequence = [7000, \"70000\"]\nseqence = 5\ncommand = [\n  './open',\n]\n\
     seq_timeout = 1.5\nstop_command = '''\nx\\0\u{1}''' y\n",
    "\
error: `sequence` does not belong here
 --> t.toml:2:1
  |
2 | sequence = [1, 9, 5]
  | ^^^^^^^^
  |
  = help: it belongs into the section of a door

error: port 70000 is out of range (1-65535)
 --> t.toml:5:20
  |
5 | sequence = [7000, \"70000\"]
  |                    ^^^^^

error: unknown directive `seqence`
 --> t.toml:6:1
  |
6 | seqence = 5
  | ^^^^^^^
  |
  = help: did you mean `sequence`?

warning: a relative path, but commands run in `/`
 --> t.toml:8:4
  |
8 |   './open',
  |    ^^^^^^
  |
  = help: write the whole path

error: no directive takes a number with a fraction
  --> t.toml:10:15
   |
10 | seq_timeout = 1.5
   |               ^^^
   |
   = help: spans of time are in whole seconds

error: invalid multi-line literal string, expected non-single-quote characters
  --> t.toml:12:4
   |
12 | x\\0␁''' y
   |    ^
   |
   = help: this file is read as TOML

error: unexpected key or value, expected newline, `#`
  --> t.toml:12:9
   |
12 | x\\0␁''' y
   |         ^

t.toml: 6 errors, 1 warning
",
);

#[test]
fn reports_in_both_syntaxes() {
    let (_, report) = parse("t.conf", CLASSIC.0.as_bytes());
    assert_eq!(report.render(false), CLASSIC.1);
    let (_, report) = parse("t.toml", TOML.0.as_bytes());
    assert_eq!(report.render(false), TOML.1);
}

#[test]
fn no_control_character_of_a_file_reaches_a_terminal() {
    for c in (0..=0x9f).filter_map(char::from_u32).filter(|c| c.is_control() && !"\0\n\r".contains(*c)) {
        let (_, report) = parse("t.conf", format!("[d]\nsequence = 1, a{c}b\n").as_bytes());
        for colour in [false, true] {
            let said = report.render(colour).replace("\u{1b}[", "[");
            assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{c:?}: {said:?}");
        }
        let carets = if c == '\t' { 6 } else { 3 };
        assert!(
            report.render(false).contains(&format!(" {}\n", "^".repeat(carets))),
            "{c:?} moves the carets"
        );
    }
}

#[test]
fn many_problems_are_counted_and_the_first_of_each_kind_are_shown() {
    let mut text = String::from("[d]\nsequence = 1,9,5\ntcpflags = syn\n");
    for _ in 0..1500 {
        text += "command = x\n";
    }
    for _ in 0..150 {
        text += "nonsense = 1\n";
    }
    let (_, report) = parse("t.conf", text.as_bytes());
    let count = |severity| report.problems().iter().filter(|p| p.severity == severity).count();
    assert_eq!((count(Severity::Error), count(Severity::Warning)), (100, 100));
    assert_eq!(report.problems()[0].line, 4);
    assert_eq!(report.problems()[100].line, 1504, "the errors are not crowded out");
    let summary = "t.conf: 150 errors, 1499 warnings; 1449 of them are not shown";
    assert_eq!(report.summary().unwrap(), summary);
    assert!(report.render(false).ends_with(&format!("{summary}\n")));
    assert_eq!(parse("t.conf", b"[d]\nsequence=1:udp,9:udp,5:udp\ncommand=x\n").1.summary(), None);
}

#[test]
fn memory_is_bounded() {
    let text = "x\n".repeat(100_001);
    let said = lines(&format!("[d]\n{text}"));
    assert!(said.len() <= 200);
    let (_, report) = parse("t.conf", format!("[d]\n{text}").as_bytes());
    assert!(report.summary().unwrap().starts_with("t.conf: 100002 errors, "), "{:?}", report.summary());
    let (_, report) = parse("t.toml", "#\n".repeat((1 << 19) + 1).as_bytes());
    assert!(report.render(false).contains("larger than 1 MiB, which is too much for TOML"));
    assert_eq!(report.problems().len(), 1);
}
