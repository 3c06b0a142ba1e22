use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use seqgen::pad::LockedPad;
use tempfile::TempDir;

use super::*;
use crate::moment::Moment;
use crate::open::window::{Extent, Use, Window as _};

/// A pad on disk with a window over it.
struct Lab {
    directory: TempDir,
    pad: Pad,
    slots: SlotCounter,
    spent: Spent,
}

impl Lab {
    fn new(text: &str, window: usize) -> Lab {
        Lab::reaching(text, Reach { window, resync: 0, low: 0 })
    }

    fn reaching(text: &str, reach: Reach) -> Lab {
        crate::trust::set_usual_umask();
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("pad");
        fs::write(&path, text).unwrap();
        let spent = Spent::in_memory();
        let memory = PadMemory::new("door", &path, &spent);
        let pad = Pad::new(PadId(1), path, "alice".into(), reach, memory);
        let mut lab = Lab { directory, pad, slots: SlotCounter::default(), spent };
        lab.survey();
        lab
    }

    /// Reads the pad whole, as a survey does, and arms its window.
    fn survey(&mut self) {
        let file = fs::File::open(self.path()).unwrap();
        self.pad.surveyed(0, Stamp::of_file(&file).unwrap());
        self.refill();
    }

    /// Waits until the system gives a file that is changed another time than the pad has, which takes it some
    /// milliseconds.
    fn wait_for_another_time(&self) {
        let other = self.directory.path().join("clock");
        let changed = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        while {
            fs::write(&other, "").unwrap();
            changed(&other) <= changed(&self.path())
        } {}
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("pad")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn refill(&mut self) -> Moved {
        self.pad.refill(&mut self.slots, &self.spent).unwrap()
    }

    fn armed(&self) -> Vec<(u64, String)> {
        self.pad.armed().map(|(slot, sequence)| (slot.0, sequence.to_string())).collect()
    }

    fn use_up(&mut self, slot: u64) -> (Use, Vec<u64>) {
        self.use_up_with(slot, Extent::WithSkipped)
    }

    fn use_up_with(&mut self, slot: u64, extent: Extent) -> (Use, Vec<u64>) {
        let mut gone = Vec::new();
        let used = self.pad.use_up(SlotId(slot), extent, &mut self.spent, &mut gone);
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
    let (used, gone) = lab.use_up_with(2, Extent::Alone);
    assert!(matches!(used, Use::Struck { skipped: 0 }), "{used:?}");
    assert_eq!(gone, [2]);
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
    assert!(matches!(&used, Use::Failed(why) if why.contains("there is no such file")), "{used:?}");
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
    assert!(matches!(&used, Use::Failed(why) if why.contains("line 1 is already struck")), "{used:?}");
}

#[test]
fn a_locked_pad_is_busy_and_the_line_stays_armed_until_we_give_up() {
    let mut lab = Lab::new(SIX, 2);
    let holder = LockedPad::try_open(&lab.path()).unwrap();
    assert!(matches!(lab.use_up(1), (Use::Busy, gone) if gone.is_empty()));
    let mut gone = Vec::new();
    lab.pad.give_up(SlotId(1), Extent::WithSkipped, &mut lab.spent, &mut gone).unwrap();
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
    assert!(lab.pad.refill(&mut lab.slots, &lab.spent).is_err());
    assert_eq!(lab.armed(), pairs(&[(1, "1,2"), (2, "3,4")]));
}

#[test]
fn lines_beyond_the_window_are_armed_as_far_as_resynchronisation_reaches() {
    let mut lab = Lab::reaching(SIX, Reach { window: 1, resync: 2, low: 0 });
    assert_eq!(lab.armed(), pairs(&[(1, "1,2"), (2, "3,4"), (3, "5,6")]));
    assert_eq!([1, 2, 3].map(|slot| lab.pad.is_ahead(SlotId(slot))), [false, true, true]);
    lab.use_up(1);
    assert_eq!(lab.refill().new.len(), 1);
    assert!(!lab.pad.is_ahead(SlotId(2)), "the window has moved on");
}

#[test]
fn lines_of_one_hit_are_armed_in_the_window_only() {
    let mut lab = Lab::reaching(" 1\n 2\n 3,4\n", Reach { window: 1, resync: 2, low: 0 });
    assert_eq!(lab.armed(), pairs(&[(1, "1"), (2, "3,4")]));
    lab.use_up(1);
    assert_eq!(lab.refill().new.len(), 1);
    assert_eq!(lab.armed(), pairs(&[(3, "2"), (2, "3,4")]));
}

#[test]
fn two_lines_in_a_row_from_beyond_the_window_are_known_for_that() {
    let mut lab = Lab::reaching(SIX, Reach { window: 1, resync: 5, low: 0 });
    let alice = "192.0.2.2".parse().unwrap();
    let now = Moment::after_start(std::time::Duration::ZERO);
    assert!(!lab.pad.is_second_ahead(SlotId(3), alice, now));
    lab.use_up_with(3, Extent::Alone);
    lab.refill();
    assert!(!lab.pad.is_second_ahead(SlotId(6), alice, now), "not the next one");
    assert!(lab.pad.is_second_ahead(SlotId(4), alice, now));
    let (used, gone) = lab.use_up(4);
    assert!(matches!(used, Use::Struck { skipped: 2 }), "{used:?}");
    assert_eq!(gone, [1, 2, 4]);
    assert_eq!(lab.text(), "#1,2\n#3,4\n# note\n#5,6\n#7,8\n 9,10\n 11,12\n");
}

#[test]
fn a_pad_that_runs_out_says_so_once_for_each_line_that_is_left() {
    let mut lab = Lab::reaching(SIX, Reach { window: 1, resync: 0, low: 3 });
    let mut said = Vec::new();
    for slot in 1..=6 {
        lab.use_up(slot);
        lab.refill();
        said.extend(lab.pad.warning(false));
        said.extend(lab.pad.warning(false));
    }
    let path = lab.path().display().to_string();
    let left = |left: &str| format!("{left} left in {path}");
    let expected = [
        left("3 sequences") + ": it is time to append more",
        left("2 sequences") + ": it is time to append more",
        left("1 sequence") + ": it is time to append more",
        left("no sequence") + "; the door stays shut",
    ];
    assert_eq!(said, expected);
    fs::write(lab.path(), format!("{}{}", lab.text(), " 1,9\n 2,9\n 3,9\n 4,9\n")).unwrap();
    lab.refill();
    assert_eq!(lab.pad.warning(false), None);
    for slot in 7..=8 {
        lab.use_up(slot);
        lab.refill();
    }
    assert_eq!(lab.pad.warning(true), Some(left("2 sequences") + ": it is time to append more"));
}

#[test]
fn a_pad_that_must_not_be_warned_of_still_says_when_it_is_empty() {
    let mut lab = Lab::new(" 1,2\n", 1);
    assert_eq!(lab.pad.warning(true), None);
    lab.use_up(1);
    lab.refill();
    assert_eq!(lab.pad.warning(true), Some(format!("no sequence left in {}", lab.path().display())));
}

#[test]
fn what_happens_to_the_file_is_noticed() {
    let mut lab = Lab::new(SIX, 2);
    assert!(!lab.pad.has_changed());
    lab.use_up(1);
    lab.refill();
    assert!(!lab.pad.has_changed(), "our own strike is known");
    fs::write(lab.path(), format!("{} 13,14\n", lab.text())).unwrap();
    assert!(lab.pad.has_changed(), "it was appended to");
    lab.survey();
    assert!(!lab.pad.has_changed());
    let other = lab.directory.path().join("other");
    fs::write(&other, lab.text()).unwrap();
    fs::rename(&other, lab.path()).unwrap();
    assert!(lab.pad.has_changed(), "it was replaced");
    lab.survey();
    fs::remove_file(lab.path()).unwrap();
    assert!(lab.pad.has_changed(), "it is gone");
}

#[test]
fn what_others_do_just_before_or_just_after_a_strike_is_noticed_in_spite_of_it() {
    let all_may_read = |lab: &mut Lab| {
        fs::set_permissions(lab.path(), fs::Permissions::from_mode(0o644)).unwrap();
    };
    let is_struck_by_somebody_else = |lab: &mut Lab| {
        lab.wait_for_another_time();
        let file = fs::File::options().write(true).open(lab.path()).unwrap();
        file.write_all_at(b"#", lab.text().rfind(" 11,12").unwrap() as u64).unwrap();
    };
    let changes: [&dyn Fn(&mut Lab); 2] = [&all_may_read, &is_struck_by_somebody_else];
    for (round, change) in changes.into_iter().enumerate() {
        let mut lab = Lab::new(SIX, 2);
        lab.use_up(1);
        change(&mut lab);
        lab.refill();
        assert!(lab.pad.has_changed(), "afterwards, {round}");
        lab.survey();
        lab.use_up(2);
        lab.refill();
        assert!(!lab.pad.has_changed(), "known by now, {round}");

        let mut lab = Lab::new(SIX, 2);
        change(&mut lab);
        lab.use_up(1);
        lab.refill();
        assert!(lab.pad.has_changed(), "before, {round}");
        lab.use_up(2);
        lab.refill();
        assert!(lab.pad.has_changed(), "and still not read whole, {round}");
    }
}

#[test]
fn what_others_do_in_the_course_of_a_reading_is_noticed() {
    let mut lab = Lab::new(SIX, 2);
    let before = Stamp::of_file(&fs::File::open(lab.path()).unwrap()).unwrap();
    fs::set_permissions(lab.path(), fs::Permissions::from_mode(0o644)).unwrap();
    lab.pad.surveyed(6, before);
    lab.refill();
    assert!(lab.pad.has_changed());
}

#[test]
fn a_line_that_another_pad_of_the_door_had_too_is_let_go() {
    let mut lab = Lab::new(SIX, 3);
    let elsewhere = PadMemory::new("door", Path::new("/other"), &lab.spent);
    let line = &lab.pad.held[1].line;
    lab.spent.add(elsewhere.marks(line)).unwrap();
    let mut gone = Vec::new();
    lab.pad.drop_spent(&lab.spent, &mut gone);
    assert_eq!(gone, [SlotId(2)]);
}

#[test]
fn a_line_that_was_used_up_elsewhere_in_the_meantime_opens_nothing() {
    let mut lab = Lab::new(SIX, 3);
    let elsewhere = PadMemory::new("door", Path::new("/other"), &lab.spent);
    lab.spent.add(elsewhere.marks(&lab.pad.held[0].line)).unwrap();
    let (used, gone) = lab.use_up(1);
    assert!(matches!(used, Use::NotArmed), "{used:?}");
    assert_eq!(gone, [1]);
    assert!(lab.text().starts_with("#1,2\n"), "{}", lab.text());
}

#[test]
fn a_last_line_without_a_newline_is_held_once_however_often_the_pad_is_read() {
    let mut lab = Lab::reaching(" 1,2\n 3,4\n 5,6", Reach { window: 5, resync: 0, low: 5 });
    let settled = std::time::SystemTime::now() - seqgen::pad::SETTLED;
    let settle =
        |lab: &Lab| fs::File::options().append(true).open(lab.path()).unwrap().set_modified(settled).unwrap();
    settle(&lab);
    lab.refill();
    let armed = pairs(&[(1, "1,2"), (2, "3,4"), (3, "5,6")]);
    for _ in 0..3 {
        assert_eq!(lab.armed(), armed);
        assert_eq!(lab.refill(), Moved::default());
    }
    lab.use_up(1);
    settle(&lab);
    lab.refill();
    assert_eq!(lab.armed(), armed[1..]);
    let warning = lab.pad.warning(true).unwrap();
    assert!(warning.starts_with("2 sequences left in "), "{warning}");
    // It was the beginning of a port; the next reading sees the file anew.
    fs::write(lab.path(), "#1,2\n 3,4\n 5,67\n").unwrap();
    assert_eq!(lab.refill().gone, [SlotId(3)]);
    assert_eq!(lab.armed(), pairs(&[(2, "3,4"), (4, "5,67")]));
}
