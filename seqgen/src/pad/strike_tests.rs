use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::pad::SETTLED;

struct Pad {
    _dir: TempDir,
    path: PathBuf,
}

impl Pad {
    fn new(text: &str) -> Pad {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seqs");
        let pad = Pad { _dir: dir, path };
        pad.write(text);
        pad
    }

    /// Writes the file in place, long enough ago to be settled.
    fn write(&self, text: &str) {
        let mut file = File::options().write(true).create(true).truncate(true).open(&self.path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.set_modified(SystemTime::now() - SETTLED).unwrap();
    }

    fn open(&self) -> LockedPad {
        LockedPad::try_open(&self.path).unwrap()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }
}

fn live(pad: &mut LockedPad) -> Vec<Line> {
    pad.lines().unwrap().map(Result::unwrap).filter(|line| line.live().is_some()).collect()
}

fn kind(result: Result<(), PadError>) -> PadErrorKind {
    result.unwrap_err().kind
}

/// Reads the first `count` live lines, lets `change` happen to the text, strikes them and returns the outcome.
fn strike_after(before: &str, count: usize, after: &str) -> (Result<(), PadError>, String) {
    let file = Pad::new(before);
    let mut pad = file.open();
    let lines = live(&mut pad);
    file.write(after);
    let result = pad.strike(&lines[..count].iter().collect::<Vec<_>>());
    (result, file.text())
}

fn struck_after(before: &str, count: usize, after: &str) -> String {
    let (result, text) = strike_after(before, count, after);
    result.unwrap();
    text
}

#[test]
fn a_blank_led_line_loses_nothing() {
    assert_eq!(struck_after(" 1,2\n 3,4\n", 1, " 1,2\n 3,4\n"), "#1,2\n 3,4\n");
    assert_eq!(struck_after("# note\r\n\t1,2\r\n", 1, "# note\r\n\t1,2\r\n"), "# note\r\n#1,2\r\n");
}

#[test]
fn a_digit_led_line_loses_its_digit() {
    assert_eq!(struck_after("7000,8\n9,10\n", 1, "7000,8\n9,10\n"), "#000,8\n9,10\n");
}

#[test]
fn skipped_lines_are_struck_along() {
    let pad = " 1,2\n 3,4\n 5,6\n 7,8\n";
    assert_eq!(struck_after(pad, 3, pad), "#1,2\n#3,4\n#5,6\n 7,8\n");
}

#[test]
fn a_settled_last_line_needs_no_newline() {
    assert_eq!(struck_after(" 1,2", 1, " 1,2"), "#1,2");
    assert_eq!(struck_after(" 1,2", 1, " 1,2\n 3,4\n"), "#1,2\n 3,4\n", "appended to meanwhile");
}

#[test]
fn a_last_line_that_grew_is_not_the_one_that_was_read() {
    let (result, text) = strike_after(" 1,2", 1, " 1,23\n");
    assert!(matches!(kind(result), PadErrorKind::Vanished { number: 1 }));
    assert_eq!(text, " 1,23\n");
}

#[test]
fn a_line_that_merely_ends_or_begins_alike_is_left_alone() {
    for changed in ["11,2\n", " 1,2 3\n", "5 1,2\n", "5, 1,2\n", " 1,21\n"] {
        let (result, text) = strike_after("\n 1,2\n", 1, changed);
        assert!(matches!(kind(result), PadErrorKind::Vanished { number: 2 }), "{changed}");
        assert_eq!(text, changed);
    }
    // The same bytes at the same place, but within a longer line.
    let (result, text) = strike_after("# n\n 1,2\n", 1, "# n, 1,2\n");
    assert!(matches!(kind(result), PadErrorKind::Vanished { number: 2 }));
    assert_eq!(text, "# n, 1,2\n");
}

#[test]
fn a_moved_line_is_struck_where_it_is() {
    assert_eq!(struck_after(" 1,2\n 3,4\n", 1, "# new\n 3,4\n1 , 2:tcp\n"), "# new\n 3,4\n# , 2:tcp\n");
    assert_eq!(struck_after(" 1,2\n 3,4\n", 2, " 3,4\n# x\n 1,2\n"), "#3,4\n# x\n#1,2\n");
}

#[test]
fn a_line_struck_by_somebody_else_is_not_ours() {
    for after in ["#1,2\n 3,4\n", "# x\n#1,2\n", "#1,2\n 1,2\n", "#x\n# 1,2\n 1,2\n"] {
        let (result, text) = strike_after(" 1,2\n 3,4\n", 1, after);
        assert!(matches!(kind(result), PadErrorKind::AlreadyStruck { number: 1 }), "{after}");
        assert_eq!(text, after);
    }
    for after in ["#000,8\n", "# x\n#000,8\n", "# x\n#000,8\n7000,8\n"] {
        let (result, text) = strike_after("7000,8\n", 1, after);
        assert!(matches!(kind(result), PadErrorKind::AlreadyStruck { number: 1 }), "{after}");
        assert_eq!(text, after);
    }
}

#[test]
fn skipped_lines_may_be_struck_or_gone() {
    assert_eq!(struck_after(" 1,2\n 3,4\n 5,6\n", 3, "#1,2\n# gone\n 5,6\n"), "#1,2\n# gone\n#5,6\n");
}

#[test]
fn nothing_is_written_when_the_last_line_is_not_to_be_had() {
    for after in [" 1,2\n#3,4\n", " 1,2\n"] {
        let (result, text) = strike_after(" 1,2\n 3,4\n", 2, after);
        assert!(result.is_err());
        assert_eq!(text, after);
    }
}

#[test]
fn where_all_lines_are_to_be_used_each_must_be_live() {
    let before = " 1,2\n 3,4\n 5,6\n";
    for (after, number) in [("#1,2\n 3,4\n 5,6\n", 1), (" 1,2\n 5,6\n", 2), (" 1,2\n 3,4\n#5,6\n", 3)] {
        let file = Pad::new(before);
        let mut pad = file.open();
        let lines = live(&mut pad);
        file.write(after);
        let refused = kind(pad.strike_all(&lines.iter().collect::<Vec<_>>()));
        assert!(
            matches!(refused, PadErrorKind::AlreadyStruck { number: n } | PadErrorKind::Vanished { number: n } if n == number),
            "{refused}"
        );
        assert_eq!(file.text(), after);
    }
    let file = Pad::new(before);
    let mut pad = file.open();
    let lines = live(&mut pad);
    pad.strike_all(&lines.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(file.text(), "#1,2\n#3,4\n#5,6\n");
}

#[test]
fn a_truncated_pad_has_lost_its_lines() {
    let (result, text) = strike_after(" 1,2\n 3,4\n", 2, "");
    assert!(matches!(kind(result), PadErrorKind::Vanished { number: 2 }));
    assert_eq!(text, "");
}

#[test]
fn only_live_lines_can_be_struck() {
    let file = Pad::new(" 1,2\n 1,2\n# note\n bad\n");
    let mut pad = file.open();
    let lines: Vec<Line> = pad.lines().unwrap().map(Result::unwrap).collect();
    for line in &lines[1..] {
        assert!(matches!(kind(pad.strike(&[line])), PadErrorKind::Vanished { .. }));
    }
    pad.strike(&[]).unwrap();
    assert_eq!(file.text(), " 1,2\n 1,2\n# note\n bad\n");
}

#[test]
fn a_replaced_file_is_an_error_and_is_left_alone() {
    let file = Pad::new(" 1,2\n");
    let mut pad = file.open();
    let lines = live(&mut pad);
    let other = file.path.with_extension("new");
    std::fs::write(&other, " 1,2\n").unwrap();
    std::fs::rename(&other, &file.path).unwrap();
    let error = pad.strike(&[&lines[0]]).unwrap_err();
    assert!(matches!(error.kind, PadErrorKind::Replaced), "{error}");
    assert_eq!(file.text(), " 1,2\n");

    std::fs::remove_file(&file.path).unwrap();
    assert!(matches!(kind(pad.strike(&[&lines[0]])), PadErrorKind::Replaced));
}

#[test]
fn a_strike_that_cannot_be_written_is_an_error() {
    let file = Pad::new(" 1,2\n");
    let mut pad = LockedPad { path: file.path.clone(), file: File::open(&file.path).unwrap() };
    let lines = live(&mut pad);
    assert!(matches!(kind(pad.strike(&[&lines[0]])), PadErrorKind::Write(_)));
    assert_eq!(file.text(), " 1,2\n");
}

#[test]
fn of_many_who_want_the_same_line_one_gets_it() {
    let file = Pad::new(" 1,2\n");
    let line = live(&mut file.open()).remove(0);
    let winners = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut pad =
                        LockedPad::open_within(&file.path, std::time::Duration::from_secs(60)).unwrap();
                    pad.strike(&[&line]).is_ok()
                })
            })
            .collect();
        takers.into_iter().map(|t| t.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(winners, 1);
    assert_eq!(file.text(), "#1,2\n");
}

#[test]
fn a_known_place_needs_no_reading_of_the_rest() {
    let rest = (1..=60_000).map(|port| format!(" {port},1\n")).collect::<Vec<_>>().concat();
    let file = Pad::new(&rest);
    let mut pad = file.open();
    let lines = live(&mut pad);
    // Everything else is unreadable nonsense now: a search through the file would not find a line.
    let mut bytes = vec![b'x'; rest.len()];
    let (start, line) = (usize::try_from(lines[30_000].offset).unwrap(), &lines[30_000].text);
    bytes[start - 1] = b'\n';
    bytes[start..start + line.len()].copy_from_slice(line);
    bytes[start + line.len()] = b'\n';
    file.write(std::str::from_utf8(&bytes).unwrap());
    pad.strike(&[&lines[30_000]]).unwrap();
    bytes[start] = b'#';
    assert_eq!(file.text().as_bytes(), bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_strike_changes_one_byte_a_line_and_nothing_else(
        lines in proptest::collection::vec("( |\t|)[1-9][0-9]{0,3}(,[1-9][0-9]{0,3}){1,4}( |)(\r|)", 1..12),
        newline_at_end: bool,
        count in 1_usize..6,
    ) {
        let text = lines.join("\n") + if newline_at_end { "\n" } else { "" };
        let file = Pad::new(&text);
        let mut pad = file.open();
        let usable = live(&mut pad);
        let count = count.min(usable.len());
        let identity = same_file::Handle::from_path(&file.path).unwrap();

        pad.strike(&usable[..count].iter().collect::<Vec<_>>()).unwrap();

        let mut expected = text.into_bytes();
        for line in &usable[..count] {
            expected[usize::try_from(line.offset).unwrap()] = b'#';
        }
        prop_assert_eq!(file.text().into_bytes(), expected);
        prop_assert_eq!(same_file::Handle::from_path(&file.path).unwrap(), identity);
        for line in &usable[..count] {
            prop_assert!(pad.strike(&[line]).is_err(), "never twice");
        }
    }
}
