use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::open::executor::upkeep::LOOK_EVERY;

const SIX: &str = " 1,2\n 3,4\n 5,6\n 7,8\n 9,10\n 11,12\n";
const AHEAD: &str = "[ot]\none_time_sequences = PAD\none_time_window = 1\ntcpflags = syn\ncommand = open\n";

/// A door with a directory of pads.
const PEOPLE: &str = "[ot]\none_time_sequences = DIR\none_time_window = 1\none_time_resync = 0\ntcpflags = syn\ncommand = open\n";

impl Lab {
    fn with_six(door: &str) -> Lab {
        let mut lab = Lab::new("[none]\nsequence = 1,9\ntcpflags = syn\ncommand = x\n");
        fs::write(lab.path(), SIX).unwrap();
        lab.adopt(door);
        lab
    }

    /// With a directory that holds these pads.
    fn with_people(pads: &[(&str, &str)]) -> Lab {
        let mut lab = Lab::new("[none]\nsequence = 1,9\ntcpflags = syn\ncommand = x\n");
        let directory = lab.people();
        fs::create_dir(&directory).unwrap();
        for (file, text) in pads {
            fs::write(directory.join(file), text).unwrap();
        }
        lab.adopt(&PEOPLE.replace("DIR", &directory.display().to_string()));
        lab
    }

    fn people(&self) -> PathBuf {
        self.directory.path().join("people")
    }

    fn text(&self, pad: &str) -> String {
        fs::read_to_string(self.people().join(pad)).unwrap()
    }

    fn slot_of(&self, sequence: &str) -> u64 {
        let places = self.executor.slots.keys().map(|slot| slot.0);
        let plan = self.executor.plan();
        let slot = plan.slots.iter().find(|slot| slot.sequence.to_string() == sequence).unwrap().id.0;
        assert!(places.into_iter().any(|place| place == slot));
        slot
    }

    /// The sequences that were armed since the last call.
    fn orders_armed(&self) -> Vec<String> {
        let armed = |order| match order {
            Order::Arm(slot) => Some(slot.sequence.to_string()),
            _ => None,
        };
        self.orders().into_iter().filter_map(armed).collect()
    }

    /// Whose pads opened doors since the last call.
    fn openers(&self) -> Vec<String> {
        self.record.borrow_mut().jobs.drain(..).map(|(job, _)| job.pad.unwrap().to_string()).collect()
    }
}

#[test]
fn one_line_from_beyond_the_window_is_struck_and_opens_nothing() {
    let mut lab = Lab::with_six(AHEAD);
    let slot = lab.slot_of("5,6");
    lab.complete(slot);
    assert!(lab.commands().is_empty());
    let struck = SIX.replacen(" 5", "#5", 1);
    assert_eq!(fs::read_to_string(lab.path()).unwrap(), struck);
    lab.complete(slot);
    assert!(lab.commands().is_empty());
    assert_eq!(fs::read_to_string(lab.path()).unwrap(), struck);
}

#[test]
fn two_in_a_row_from_beyond_the_window_open_and_strike_all_before_them() {
    let mut lab = Lab::with_six(AHEAD);
    let before = lab.slot_of("3,4");
    lab.complete(lab.slot_of("5,6"));
    lab.complete(lab.slot_of("7,8"));
    assert_eq!(lab.commands(), ["open"]);
    assert_eq!(fs::read_to_string(lab.path()).unwrap(), "#1,2\n#3,4\n#5,6\n#7,8\n 9,10\n 11,12\n");
    lab.complete(before);
    assert!(lab.commands().is_empty(), "the line before them was skipped");
}

#[test]
fn two_from_beyond_the_window_open_nothing_unless_in_a_row_from_one_source_in_time() {
    for (lines, sources, pause) in [
        (["5,6", "9,10"], [ALICE, ALICE], 1),
        (["7,8", "5,6"], [ALICE, ALICE], 1),
        (["5,6", "7,8"], [ALICE, "192.0.2.3"], 1),
        (["5,6", "7,8"], [ALICE, ALICE], 61),
    ] {
        let mut lab = Lab::with_six(AHEAD);
        lab.complete_from(lab.slot_of(lines[0]), sources[0]);
        lab.wait(Duration::from_secs(pause));
        lab.complete_from(lab.slot_of(lines[1]), sources[1]);
        assert!(lab.commands().is_empty(), "{lines:?} {sources:?} {pause}");
        let text = fs::read_to_string(lab.path()).unwrap();
        assert_eq!(text.matches('#').count(), 2, "both were shown: {text}");
        lab.complete(lab.slot_of("1,2"));
        assert_eq!(lab.commands(), ["open"], "the next line is still good");
    }
}

#[test]
fn a_line_from_beyond_the_window_is_struck_when_all_of_it_was_certainly_shown() {
    for (whole, crowded) in [(false, false), (false, true), (true, true), (true, false)] {
        let struck = whole && !crowded;
        let mut lab = Lab::with_six(AHEAD);
        lab.orders();
        let slot = lab.slot_of("5,6");
        let source = ALICE.parse().unwrap();
        lab.report(Report::Exposed { slot: SlotId(slot), source, whole, crowded });
        let text = fs::read_to_string(lab.path()).unwrap();
        assert_eq!(text.contains("#5,6"), struck, "{text}");
        assert_eq!(lab.orders_armed(), if struck { vec![] } else { vec!["5,6"] });
    }
}

#[test]
fn resynchronisation_can_be_switched_off() {
    let lab = Lab::with_six(&format!("{AHEAD}one_time_resync = 0\n"));
    assert_eq!(lab.plan().len(), 1);
}

#[test]
fn each_persons_pad_has_its_own_window() {
    let pads = [("alice.pad", " 1,2\n 3,4\n"), ("bob.pad", " 5,6\n 7,8\n"), ("bob.pad~", " 9,10\n")];
    let mut lab = Lab::with_people(&pads);
    let armed: Vec<String> = lab.plan().into_iter().map(|(_, sequence)| sequence).collect();
    assert_eq!(armed, ["1,2", "5,6"]);
    lab.complete(lab.slot_of("5,6"));
    assert_eq!(lab.openers(), ["bob"]);
    assert_eq!((lab.text("alice.pad").as_str(), lab.text("bob.pad").as_str()), (pads[0].1, "#5,6\n 7,8\n"));
    assert_eq!(lab.orders_armed(), ["7,8"]);
}

#[test]
fn several_files_are_pads_of_several_people_too() {
    let mut lab = Lab::new(ONE_TIME);
    let other = lab.directory.path().join("bob.pad");
    fs::write(&other, " 7,8\n").unwrap();
    lab.adopt(&ONE_TIME.replace("PAD", &format!("PAD, {}", other.display())));
    lab.complete(lab.slot_of("7,8"));
    lab.complete_from(lab.slot_of("1,2"), "192.0.2.3");
    assert_eq!(lab.openers(), ["bob", "pad"]);
}

#[test]
fn a_line_that_two_people_have_is_good_once() {
    let mut lab = Lab::with_people(&[("alice.pad", " 1,2\n"), ("bob.pad", " 1,2\n")]);
    for (slot, _) in lab.plan() {
        lab.complete(slot);
    }
    assert_eq!(lab.openers(), ["alice"]);
}

#[test]
fn a_pad_looks_further_where_another_one_has_used_its_lines() {
    let mut lab = Lab::with_people(&[("alice.pad", " 1,2\n 3,4\n"), ("bob.pad", " 1,2\n 5,6\n")]);
    lab.complete(lab.slot_of("1,2"));
    assert_eq!(lab.orders_armed(), ["5,6", "3,4"]);
    lab.complete_from(lab.slot_of("5,6"), "192.0.2.3");
    assert_eq!(lab.openers(), ["alice", "bob"]);
}

#[test]
fn a_line_that_others_have_struck_in_one_pad_takes_no_place_in_another() {
    let mut lab = Lab::with_people(&[("alice.pad", " 1,2\n 3,4\n"), ("bob.pad", " 1,2\n 5,6\n")]);
    fs::write(lab.people().join("alice.pad"), "#1,2\n 3,4\n").unwrap();
    lab.orders();
    lab.executor.look(&written(&lab.people().join("alice.pad")), lab.now);
    assert_eq!(lab.orders_armed(), ["3,4", "5,6"]);
    lab.complete_from(lab.slot_of("5,6"), "192.0.2.3");
    assert_eq!(lab.openers(), ["bob"]);
    // Nor in one that was read before.
    let lab = Lab::with_people(&[("alice.pad", " 1,2\n 5,6\n"), ("bob.pad", "#1,2\n 3,4\n")]);
    let armed: Vec<_> = lab.plan().into_iter().map(|(_, sequence)| sequence).collect();
    assert_eq!(armed, ["5,6", "3,4"]);
}

#[test]
fn a_locked_pad_holds_up_no_other_pad_of_its_door() {
    let mut lab = Lab::with_people(&[("alice.pad", " 1,2\n"), ("bob.pad", " 5,6\n")]);
    let _holder = LockedPad::try_open(&lab.people().join("alice.pad")).unwrap();
    lab.complete_from(lab.slot_of("1,2"), "192.0.2.3");
    lab.complete(lab.slot_of("5,6"));
    assert_eq!(lab.openers(), ["bob"]);
}

#[test]
fn a_pad_that_is_put_into_the_directory_is_found() {
    let mut lab = Lab::with_people(&[]);
    assert!(lab.plan().is_empty());
    fs::write(lab.people().join("carol.pad"), " 1,2\n").unwrap();
    lab.executor.look_at_pads(lab.now);
    assert_eq!(lab.orders_armed(), ["1,2"]);
    lab.complete(lab.slot_of("1,2"));
    assert_eq!(lab.openers(), ["carol"]);
}

#[test]
fn of_pads_that_are_written_to_only_those_are_read() {
    let mut lab = Lab::with_people(&[("alice.pad", "# note\n"), ("bob.pad", "# note\n")]);
    for (name, line) in [("alice.pad", " 3,4\n"), ("bob.pad", " 7,8\n"), ("carol.pad", " 9,10\n")] {
        let mut pad = fs::File::options().append(true).create(true).open(lab.people().join(name)).unwrap();
        pad.write_all(line.as_bytes()).unwrap();
    }
    lab.orders();
    lab.executor.look(&written(&lab.people().join("bob.pad")), lab.now);
    assert_eq!(lab.orders_armed(), ["7,8"]);
    lab.executor.look(&written(&lab.people().join("bob.pad")), lab.now);
    lab.executor.look(&written(&lab.people().join("nobody.pad")), lab.now);
    assert_eq!(lab.orders_armed(), [""; 0]);
    lab.executor.look(&Hint::Anywhere, lab.now);
    assert_eq!(lab.orders_armed(), ["3,4", "9,10"]);
}

#[test]
fn a_pad_that_comes_before_its_directory_is_watched_is_found() {
    let mut lab = Lab::with_people(&[("alice.pad", " 1,2\n")]);
    let carol = lab.people().join("carol.pad");
    lab.orders();
    lab.when_watched(&lab.people(), move || fs::write(carol, " 3,4\n").unwrap());
    lab.executor.look(&Hint::Anywhere, lab.now);
    assert_eq!(lab.orders_armed(), ["3,4"]);
}

#[test]
fn a_file_that_takes_a_pads_place_once_that_is_watched_is_watched_as_well() {
    let mut lab = Lab::with_people(&[("alice.pad", " 1,2\n")]);
    let (alice, other) = (lab.people().join("alice.pad"), lab.people().join("other"));
    fs::write(&alice, " 1,2\n 3,4\n").unwrap();
    fs::write(&other, " 1,2\n 5,6\n").unwrap();
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let watched = Rc::new(RefCell::new(Vec::new()));
    let (seen, path) = (Rc::clone(&watched), alice.clone());
    lab.record.borrow_mut().at_watch = Some(Box::new(move |at| {
        if at == path {
            seen.borrow_mut().push(inode(at));
            let _ = fs::rename(&other, at);
        }
    }));
    lab.executor.look(&written(&alice), lab.now);
    assert_eq!(watched.borrow().last(), Some(&inode(&alice)));
    // The next look finds the file as it was read, and has no reason to watch it.
    lab.record.borrow_mut().at_watch = Some(Box::new(|_| panic!("watched again")));
    lab.executor.look(&written(&alice), lab.now);
}

fn written(path: &Path) -> Hint {
    Hint::Written([path.to_owned()].into())
}

#[test]
fn a_line_that_is_used_while_its_pad_is_away_is_good_no_more_when_it_is_back() {
    let mut lab = Lab::with_people(&[("alice.pad", " 1,2\n 3,4\n")]);
    let (pad, away) = (lab.people().join("alice.pad"), lab.directory.path().join("away"));
    fs::rename(&pad, &away).unwrap();
    lab.executor.look_at_pads(lab.now);
    lab.complete(lab.slot_of("1,2"));
    assert!(lab.commands().is_empty());
    fs::rename(&away, &pad).unwrap();
    lab.executor.look_at_pads(lab.now);
    assert_eq!(lab.orders_armed(), ["3,4"]);
}

#[test]
fn what_others_do_to_a_pad_is_noticed_within_a_minute_without_any_hint() {
    let mut lab = Lab::new(ONE_TIME);
    lab.executor.keep_looking(lab.now);
    assert_eq!(lab.executor.next_deadline(), Some(lab.now + LOOK_EVERY));
    let new = lab.directory.path().join("new");
    fs::write(&new, " 1,2\n 7,8\n").unwrap();
    fs::rename(&new, lab.path()).unwrap();
    lab.orders();
    lab.wait(LOOK_EVERY);
    assert_eq!(lab.orders_armed(), ["7,8"]);
    assert_eq!(lab.executor.next_deadline(), Some(lab.now + LOOK_EVERY));
}

#[test]
fn nothing_is_looked_at_where_there_are_no_pads() {
    let mut lab = Lab::new("[d]\nsequence = 1,9\ntcpflags = syn\ncommand = x\n");
    lab.executor.keep_looking(lab.now);
    assert_eq!(lab.executor.next_deadline(), None);
}

#[test]
fn a_file_that_becomes_a_directory_is_looked_into() {
    let mut lab = Lab::new(ONE_TIME);
    fs::remove_file(lab.path()).unwrap();
    fs::create_dir(lab.path()).unwrap();
    fs::write(lab.path().join("dave.pad"), " 5,9\n").unwrap();
    lab.executor.look_at_pads(lab.now);
    assert_eq!(lab.orders_armed(), ["5,9"]);
    lab.complete(1);
    assert!(lab.commands().is_empty(), "the file's lines are gone");
}

#[test]
fn a_reload_with_another_reach_follows_it() {
    let mut lab = Lab::with_six(AHEAD);
    let slots = ["1,2", "3,4", "5,6"].map(|line| lab.slot_of(line));
    lab.adopt(&AHEAD.replace("window = 1", "window = 2\none_time_resync = 1"));
    let armed: Vec<u64> = lab.plan().into_iter().map(|(slot, _)| slot).collect();
    assert_eq!(armed, slots, "slots that stay keep their numbers");
    lab.complete(slots[1]);
    assert_eq!(lab.commands(), ["open"], "it is in the window now");
}

#[test]
fn a_line_that_waits_for_a_lock_is_spent_though_its_door_is_renamed_meanwhile() {
    let mut lab = Lab::new(ONE_TIME);
    let holder = LockedPad::try_open(&lab.path()).unwrap();
    lab.complete(1);
    lab.adopt(&ONE_TIME.replace("[ot]", "[renamed]"));
    let again = lab.slot_of("1,2");
    lab.wait(LOCK_RETRY);
    drop(holder);
    lab.complete_from(again, "192.0.2.3");
    assert!(lab.commands().is_empty());
    let armed: Vec<_> = lab.executor.slots.keys().copied().collect();
    assert_eq!(armed.len(), 2, "the window is full again");
}

#[test]
fn a_line_that_waits_for_a_lock_is_spent_though_its_file_is_replaced_meanwhile() {
    let mut lab = Lab::new(ONE_TIME);
    let holder = LockedPad::try_open(&lab.path()).unwrap();
    lab.complete(1);
    fs::rename(lab.path(), lab.path().with_extension("old")).unwrap();
    fs::write(lab.path(), " 5,6\n").unwrap();
    lab.executor.look_at_pads(lab.now);
    lab.wait(LOCK_RETRY);
    drop(holder);
    fs::rename(lab.path().with_extension("old"), lab.path()).unwrap();
    lab.orders();
    lab.executor.look_at_pads(lab.now);
    assert_eq!(lab.orders_armed(), ["3,4"]);
}

#[test]
fn a_pad_that_goes_before_it_is_read_on_is_missed_and_seen_when_it_is_back() {
    let mut lab = Lab::with_six(AHEAD);
    fs::write(lab.path(), " 1,2\n 3,4").unwrap();
    lab.executor.look_at_pads(lab.now);
    fs::remove_file(lab.path()).unwrap();
    lab.wait(SETTLED);
    let missed = |lab: &Lab| match &lab.executor.doors[0].opener {
        Opener::Pads(pads) => pads.iter().all(Pad::was_out_of_reach),
        Opener::Static(..) | Opener::Keys(_) => panic!("a door with a pad"),
    };
    assert!(missed(&lab));
    fs::write(lab.path(), " 1,2\n").unwrap();
    lab.executor.look_at_pads(lab.now);
    assert!(!missed(&lab));
}

/// How many lines were left each time that somebody was told since the last call.
fn told(lab: &Lab) -> Vec<usize> {
    lab.record.borrow_mut().errands.drain(..).map(|errand| errand.left).collect()
}

#[test]
fn a_pad_that_comes_down_to_few_lines_tells_somebody_once_each_time() {
    let door = format!("{AHEAD}one_time_low = 4\none_time_low_command = tell\n");
    let mut lab = Lab::with_six(&door);
    let use_up = |lab: &mut Lab, line: &str| {
        let slot = lab.slot_of(line);
        lab.complete(slot);
    };
    use_up(&mut lab, "1,2");
    assert_eq!(told(&lab), [0; 0]);
    use_up(&mut lab, "3,4");
    let errand = lab.record.borrow().errands[0].clone();
    assert_eq!((&*errand.door, &*errand.pad, errand.path), ("ot", "pad", lab.path()));
    assert_eq!(told(&lab), [4]);
    use_up(&mut lab, "5,6");
    lab.adopt(&door);
    assert_eq!(told(&lab), [0; 0], "it was low all the time");
    let text = fs::read_to_string(lab.path()).unwrap();
    fs::write(lab.path(), format!("{text} 13,14\n 15,16")).unwrap();
    lab.executor.look_at_pads(lab.now);
    fs::write(lab.path(), format!("{text} 13,14\n 15,16\n")).unwrap();
    lab.executor.look_at_pads(lab.now);
    assert_eq!(told(&lab), [0; 0]);
    use_up(&mut lab, "7,8");
    assert_eq!(told(&lab), [4]);
}

#[test]
fn a_pad_that_is_low_at_the_start_tells_somebody_and_one_with_the_limit_0_when_it_is_used_up() {
    let lab = Lab::new(&format!("{AHEAD}one_time_low_command = tell\n"));
    assert_eq!(told(&lab), [3]);
    let mut lab = Lab::new(&format!("{AHEAD}one_time_low = 0\none_time_low_command = tell\n"));
    for line in ["1,2", "3,4"] {
        let slot = lab.slot_of(line);
        lab.complete(slot);
    }
    assert_eq!(told(&lab), [0; 0]);
    let slot = lab.slot_of("5,6");
    lab.complete(slot);
    assert_eq!(told(&lab), [0]);
}

#[test]
fn what_becomes_of_sequences_is_counted_for_each_door_also_across_a_reload() {
    let mut lab = Lab::with_six(AHEAD);
    let at = |seconds| Moment::after_start(Duration::from_secs(seconds));
    lab.now = at(5);
    for line in ["1,2", "7,8"] {
        let slot = lab.slot_of(line);
        lab.complete(slot);
    }
    lab.now = at(9);
    lab.adopt(AHEAD);
    // The second one came from beyond the window, alone.
    let standing = lab.executor.standing(lab.now);
    let door = &standing.doors[0];
    let tally = door.tally;
    assert_eq!((tally.openings, tally.refusals, tally.struck), (1, 1, 2));
    assert_eq!((tally.last_opened, tally.last_refused), (Some(at(5)), Some(at(5))));
    assert_eq!((door.pads[0].left, door.pads[0].low), (Some(4), true));
}
