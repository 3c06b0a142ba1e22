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
    let (_, report) = parse("t.conf", b"[d]\nseqence = 1\ncommand = x\nsequence = 1\ntcpflags = syn\n");
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
