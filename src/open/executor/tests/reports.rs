//! What a capture process says that was taken over by a packet, and what an honest one says too late.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::*;
use crate::message::Generation;

const STATIC: &str = "[static]\nsequence = 7,8\ntcpflags = syn\ncommand = open %IP%\n";
const BOTH: &str = "[static]\nsequence = 7,8\ntcpflags = syn\ncommand = open %IP%\nallow = 192.0.2.0/24\n\
                    [ot]\none_time_sequences = PAD\none_time_window = 2\none_time_resync = 0\ntcpflags = syn\n\
                    command = open %IP%\n";

impl Lab {
    fn generation(&self) -> Generation {
        self.executor.plan().generation
    }

    fn completed_by(&mut self, generation: Generation, slot: u64, source: &str) {
        let report = Report::Completed { slot: SlotId(slot), source: source.parse().unwrap() };
        self.executor.report(Sighting { generation, report }, self.now);
    }

    /// Whether the capture process was called a liar since the last call.
    fn distrusted(&self) -> bool {
        std::mem::take(&mut self.record.borrow_mut().distrusted) > 0
    }
}

#[test]
fn what_no_honest_process_can_say_opens_nothing_and_ends_it() {
    let mut lab = Lab::new(BOTH);
    let (now, next) = (lab.generation(), lab.generation().next());
    for (why, generation, slot, source) in [
        ("a slot that was never given out", now, 4, ALICE),
        ("no slot at all", now, 0, ALICE),
        ("the last slot there could be", now, u64::MAX, ALICE),
        ("a configuration that is still to come", next, 1, ALICE),
        ("an address outside of the door's networks", now, 1, "198.51.100.2"),
        ("an unspecified address", now, 2, "0.0.0.0"),
        ("a group's address", now, 2, "224.0.0.1"),
        ("everybody's address", now, 2, "255.255.255.255"),
        ("an address in another family's clothes", now, 2, "::ffff:192.0.2.2"),
    ] {
        lab.completed_by(generation, slot, source);
        assert!(lab.distrusted(), "{why}");
        assert!(lab.commands().is_empty(), "{why}");
    }
    assert_eq!(fs::read_to_string(lab.path()).unwrap(), PAD, "and nothing is struck");
    for (slot, source) in [(1, ALICE), (2, ALICE), (3, "192.0.2.3")] {
        lab.completed_by(now, slot, source);
    }
    assert!(!lab.distrusted());
    assert_eq!(lab.commands().len(), 3, "an honest one is believed all the same");
}

#[test]
fn a_line_that_was_used_opens_nothing_whoever_says_so_again() {
    let mut lab = Lab::new(ONE_TIME);
    let now = lab.generation();
    lab.completed_by(now, 1, ALICE);
    lab.commands();
    for _ in 0..10_000 {
        lab.completed_by(now, 1, ALICE);
    }
    assert!(lab.commands().is_empty());
    assert!(!lab.distrusted(), "one that was started in between can say so");
    assert_eq!(fs::read_to_string(lab.path()).unwrap(), "#1,2\n 3,4\n 5,6\n");
}

#[test]
fn a_line_that_waits_for_its_pad_is_not_claimed_twice() {
    let mut lab = Lab::new(ONE_TIME);
    let holder = LockedPad::try_open(&lab.path()).unwrap();
    for _ in 0..100 {
        lab.complete(1);
    }
    assert_eq!(lab.executor.claims.len(), 1);
    drop(holder);
    lab.wait(LOCK_RETRY);
    assert_eq!(lab.commands().len(), 1);
}

#[test]
fn what_was_on_its_way_as_the_configuration_was_read_again_names_the_same_line() {
    let mut lab = Lab::new(ONE_TIME);
    let before = lab.generation();
    lab.adopt(BOTH);
    lab.completed_by(before, 1, ALICE);
    assert_eq!(lab.commands(), ["open 192.0.2.2"], "the line is armed still");
    assert_eq!(fs::read_to_string(lab.path()).unwrap(), "#1,2\n 3,4\n 5,6\n");
    assert!(!lab.distrusted());
}

#[test]
fn a_line_of_a_door_that_is_gone_opens_nothing_and_is_spent() {
    let mut lab = Lab::new(ONE_TIME);
    let before = lab.generation();
    lab.adopt(STATIC);
    lab.completed_by(before, 1, ALICE);
    assert!(lab.commands().is_empty());
    assert!(!lab.distrusted());
    lab.adopt(ONE_TIME);
    let armed: Vec<_> = lab.executor.plan().slots.iter().map(|slot| slot.sequence.to_string()).collect();
    assert_eq!(armed, ["3,4", "5,6"], "whoever saw it on the wire cannot use it later");
}

#[test]
fn a_door_that_is_for_others_now_opens_to_nobody_who_was_on_the_way() {
    let mut lab = Lab::new(STATIC);
    let before = lab.generation();
    lab.adopt(&format!("{STATIC}allow = 198.51.100.0/24\n"));
    lab.completed_by(before, 1, ALICE);
    assert!(lab.commands().is_empty());
    assert!(!lab.distrusted(), "it had not heard yet");
    lab.completed_by(before, 1, "198.51.100.2");
    assert_eq!(lab.commands(), ["open 198.51.100.2"]);
}

#[test]
fn nothing_is_on_its_way_for_longer_than_a_sequence_may_take() {
    let mut lab = Lab::new(STATIC);
    let before = lab.generation();
    lab.adopt(STATIC);
    lab.wait(Duration::from_secs(25));
    lab.completed_by(before, 1, ALICE);
    assert!(lab.commands().is_empty());
    assert!(lab.executor.previous.is_empty(), "and it is not kept for longer");
}

#[test]
fn a_pad_is_used_up_no_faster_than_people_knock() {
    let mut lab = Lab::new(STATIC);
    let mut pad = String::new();
    for line in 1..=200u16 {
        writeln!(pad, " {},{}", line, line + 1000).unwrap();
    }
    fs::write(lab.path(), &pad).unwrap();
    lab.adopt(ONE_TIME);
    let source = |number: u64| Ipv4Addr::from(0xc000_0200 + u32::try_from(number).unwrap()).to_string();
    let mut opened = 0;
    // Whatever is armed is said to have been completed at once.
    for _ in 0..200 {
        for slot in lab.executor.plan().slots {
            lab.complete_from(slot.id.0, &source(slot.id.0 % 200));
            opened += lab.commands().len();
        }
    }
    assert_eq!(opened, 128);
    for _ in 0..10 {
        lab.wait(Duration::from_secs(1));
        for slot in lab.executor.plan().slots {
            lab.complete_from(slot.id.0, &source(slot.id.0 % 200));
        }
    }
    let later = lab.commands().len();
    assert!((9..=11).contains(&later), "one in a second, not {later} in ten");
    let struck = fs::read_to_string(lab.path()).unwrap().matches('#').count();
    assert_eq!(struck, opened + later, "none is struck before its turn");
}

#[test]
fn a_static_door_opens_no_more_often_than_any_number_of_people_can_knock() {
    let mut lab = Lab::new(STATIC);
    for number in 0..10_000 {
        lab.complete_from(1, &Ipv4Addr::from(0xc633_6400 + number).to_string());
    }
    assert_eq!(lab.commands().len(), 8192);
    lab.wait(Duration::from_millis(100));
    for number in 0..1000 {
        lab.complete_from(1, &Ipv4Addr::from(0xcb00_7100 + number).to_string());
    }
    assert_eq!(lab.commands().len(), 100);
}
