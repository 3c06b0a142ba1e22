use std::fs;
use std::num::NonZeroU16;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// A pad on disk with a window over it.
struct Lab {
    directory: TempDir,
    pad: Pad,
    slots: SlotCounter,
}

impl Lab {
    fn new(text: &str, window: u16) -> Lab {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("pad");
        fs::write(&path, text).unwrap();
        let pad = Pad::new(PadSource {
            paths: vec![path],
            window: NonZeroU16::new(window).unwrap(),
            resync: 0,
            low: 0,
        });
        let mut lab = Lab { directory, pad, slots: SlotCounter::default() };
        lab.refill();
        lab
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("pad")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn refill(&mut self) -> Moved {
        self.pad.refill(&mut self.slots).unwrap()
    }

    fn armed(&self) -> Vec<(u64, String)> {
        self.pad.armed().map(|(slot, sequence)| (slot.0, sequence.to_string())).collect()
    }

    fn use_up(&mut self, slot: u64) -> (Use, Vec<u64>) {
        let mut gone = Vec::new();
        let used = self.pad.use_up(SlotId(slot), Extent::WithSkipped, &mut gone);
        (used, gone.into_iter().map(|slot| slot.0).collect())
    }
}

fn pairs(list: &[(u64, &str)]) -> Vec<(u64, String)> {
    list.iter().map(|(slot, text)| (*slot, (*text).to_owned())).collect()
}

const SIX: &str = " 1,2\n 3,4\n# note\n 5,6\n 7,8\n 9,10\n 11,12\n";

#[test]
fn the_next_unstruck_lines_are_armed() {
    let lab = Lab::new("# note\n# 1,2\n 3,4\nbad\n 5,6\n 7,8\n", 2);
    assert_eq!(lab.armed(), pairs(&[(1, "3,4"), (2, "5,6")]));
}

#[test]
fn a_used_line_is_struck_and_the_window_moves_on() {
    let mut lab = Lab::new(SIX, 3);
    let (used, gone) = lab.use_up(1);
    assert!(matches!(used, Use::Struck { skipped: 0 }), "{used:?}");
    assert_eq!(gone, [1]);
    assert_eq!(lab.text(), SIX.replacen(" 1", "#1", 1));
    let moved = lab.refill();
    assert_eq!(moved.gone, []);
    assert_eq!(lab.armed(), pairs(&[(2, "3,4"), (3, "5,6"), (4, "7,8")]));
}

#[test]
fn lines_that_were_skipped_are_struck_too_and_never_again_usable() {
    let mut lab = Lab::new(SIX, 3);
    let (used, gone) = lab.use_up(3);
    assert!(matches!(used, Use::Struck { skipped: 2 }), "{used:?}");
    assert_eq!(gone, [1, 2, 3]);
    assert_eq!(lab.text(), "#1,2\n#3,4\n# note\n#5,6\n 7,8\n 9,10\n 11,12\n");
    assert!(matches!(lab.use_up(1).0, Use::NotArmed));
    lab.refill();
    assert_eq!(lab.armed(), pairs(&[(4, "7,8"), (5, "9,10"), (6, "11,12")]));
}

#[test]
fn a_line_that_is_used_up_alone_leaves_those_before_it_armed() {
    let mut lab = Lab::new(SIX, 3);
    let mut gone = Vec::new();
    let used = lab.pad.use_up(SlotId(2), Extent::Alone, &mut gone);
    assert!(matches!(used, Use::Struck { skipped: 0 }), "{used:?}");
    assert_eq!(gone, [SlotId(2)]);
    assert_eq!(lab.text(), SIX.replacen(" 3", "#3", 1));
    lab.refill();
    assert_eq!(lab.armed(), pairs(&[(1, "1,2"), (3, "5,6"), (4, "7,8")]));
}

#[test]
fn a_window_of_one_takes_only_the_next_line() {
    let mut lab = Lab::new(SIX, 1);
    assert_eq!(lab.armed(), pairs(&[(1, "1,2")]));
    lab.use_up(1);
    lab.refill();
    assert_eq!(lab.armed(), pairs(&[(2, "3,4")]));
}

#[test]
fn the_last_line_leaves_an_empty_window_that_appended_lines_fill() {
    let mut lab = Lab::new(" 1,2\n", 5);
    lab.use_up(1);
    lab.refill();
    assert_eq!(lab.armed(), []);
    fs::write(lab.path(), format!("{} 3,4\n", lab.text())).unwrap();
    lab.refill();
    assert_eq!(lab.armed(), pairs(&[(2, "3,4")]));
}

#[test]
fn an_old_copy_of_the_file_revives_nothing() {
    let mut lab = Lab::new(SIX, 2);
    lab.use_up(2);
    fs::write(lab.path(), SIX).unwrap();
    lab.refill();
    assert_eq!(lab.armed(), pairs(&[(3, "5,6"), (4, "7,8")]));
    let moved_over = lab.directory.path().join("other");
    fs::write(&moved_over, SIX).unwrap();
    fs::rename(&moved_over, lab.path()).unwrap();
    lab.refill();
    assert_eq!(lab.armed(), pairs(&[(3, "5,6"), (4, "7,8")]));
}

#[test]
fn a_line_that_cannot_be_struck_is_never_armed_again() {
    let mut lab = Lab::new(SIX, 2);
    fs::remove_file(lab.path()).unwrap();
    let (used, gone) = lab.use_up(1);
    assert!(matches!(used, Use::Failed(PadError { kind: PadErrorKind::NotFound, .. })), "{used:?}");
    assert_eq!(gone, [1]);
    fs::write(lab.path(), SIX).unwrap();
    lab.refill();
    assert_eq!(lab.armed(), pairs(&[(2, "3,4"), (3, "5,6")]));
}

#[test]
fn a_line_that_somebody_else_struck_fails() {
    let mut lab = Lab::new(SIX, 2);
    fs::write(lab.path(), SIX.replacen(" 1", "#1", 1)).unwrap();
    let (used, _) = lab.use_up(1);
    assert!(matches!(used, Use::Failed(PadError { kind: PadErrorKind::AlreadyStruck { number: 1 }, .. })));
}

#[test]
fn a_locked_pad_is_busy_and_the_line_stays_armed_until_we_give_up() {
    let mut lab = Lab::new(SIX, 2);
    let holder = LockedPad::try_open(&lab.path()).unwrap();
    assert!(matches!(lab.use_up(1), (Use::Busy, gone) if gone.is_empty()));
    let mut gone = Vec::new();
    lab.pad.give_up(SlotId(1), Extent::WithSkipped, &mut gone);
    assert_eq!(gone, [SlotId(1)]);
    drop(holder);
    lab.refill();
    assert_eq!(lab.armed(), pairs(&[(2, "3,4"), (3, "5,6")]));
}

#[test]
fn a_changed_file_keeps_the_slots_of_lines_that_stay() {
    let mut lab = Lab::new(SIX, 2);
    fs::write(lab.path(), " 21,22\n 3,4\n").unwrap();
    let moved = lab.refill();
    assert_eq!(moved.gone, [SlotId(1)]);
    assert_eq!(lab.armed(), pairs(&[(3, "21,22"), (2, "3,4")]));
}

#[test]
fn a_pad_that_cannot_be_read_leaves_the_window_as_it_was() {
    let mut lab = Lab::new(SIX, 2);
    fs::remove_file(lab.path()).unwrap();
    assert!(lab.pad.refill(&mut SlotCounter::default()).is_err());
    assert_eq!(lab.armed(), pairs(&[(1, "1,2"), (2, "3,4")]));
}

#[test]
fn a_survey_counts_and_complains_without_showing_ports() {
    let lab = Lab::new(" 1,2\n#3,4\n 5,6:udp\n 70000,7\n 12,13 # mine\n", 5);
    let survey = lab.pad.survey().unwrap();
    assert_eq!((survey.live, survey.udp), (2, true));
    let said = survey.complaints.join("\n");
    assert!(said.contains("pad:4:2: line left out") && said.contains("pad:5:"), "{said}");
    assert!(!said.contains("70000") && !said.contains("13"), "{said}");
}

#[test]
fn complaints_about_one_pad_are_bounded() {
    let lab = Lab::new(&"bad\n".repeat(1000), 5);
    let complaints = lab.pad.survey().unwrap().complaints;
    assert_eq!(complaints.len(), NAMED_BAD_LINES + 1);
    assert!(complaints[NAMED_BAD_LINES].contains("990 more bad lines"));
}
