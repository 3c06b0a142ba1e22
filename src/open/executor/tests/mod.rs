use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use seqgen::pad::{LockedPad, SETTLED};
use seqgen::sequence::Sequence;
use tempfile::TempDir;

use super::claims::{LOCK_PATIENCE, LOCK_RETRY};
use super::*;
use crate::config;
use crate::message::{Report, Sighting, Slot};
use crate::open::Hint;
use crate::open::job::{CommandEnd, Ended};
use crate::state::LeaseKey;

mod counted;
mod keyrings;
mod late;
mod lies;
mod pads;
mod reports;
mod room;
mod steps;
mod trust;

/// What an executor has asked of the world, with the pad's text at that instant for each command.
#[derive(Default)]
struct Record {
    orders: Vec<Order>,
    jobs: Vec<(Job, String)>,
    errands: Vec<Errand>,
    /// How often the capture process was distrusted.
    distrusted: usize,
    /// How far the time of day was set back.
    behind: Duration,
    /// What others do just as a path is about to be watched, or has been.
    at_watch: Option<AtWatch>,
}

type AtWatch = Box<dyn FnMut(&Path)>;

struct Probe {
    record: Rc<RefCell<Record>>,
    pad: PathBuf,
}

impl Outside for Probe {
    fn order(&mut self, order: Order) {
        self.record.borrow_mut().orders.push(order);
    }

    fn distrust(&mut self, _why: &'static str) {
        self.record.borrow_mut().distrusted += 1;
    }

    fn unix_time(&self, now: Moment) -> Duration {
        now.since_start().saturating_sub(self.record.borrow().behind)
    }

    fn watch(&mut self, path: &Path) {
        if let Some(deed) = &mut self.record.borrow_mut().at_watch {
            deed(path);
        }
    }

    fn run_errand(&mut self, errand: Errand) {
        self.record.borrow_mut().errands.push(errand);
    }

    fn run(&mut self, job: Job) {
        let pad = fs::read_to_string(&self.pad).unwrap_or_default();
        self.record.borrow_mut().jobs.push((job, pad));
    }
}

struct Lab {
    directory: TempDir,
    executor: Executor<Probe>,
    record: Rc<RefCell<Record>>,
    now: Moment,
}

const ALICE: &str = "192.0.2.2";
const PAD: &str = " 1,2\n 3,4\n 5,6\n";

impl Lab {
    /// PAD stands for the pad's path in `text`.
    fn new(text: &str) -> Lab {
        crate::trust::set_usual_umask();
        let directory = TempDir::new().unwrap();
        let pad = directory.path().join("pad");
        fs::write(&pad, PAD).unwrap();
        let record = Rc::new(RefCell::new(Record::default()));
        let executor =
            Executor::new(Probe { record: Rc::clone(&record), pad }, Mode::Earnest, State::in_memory());
        let mut lab = Lab { directory, executor, record, now: Moment::after_start(Duration::ZERO) };
        lab.adopt(text);
        lab
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("pad")
    }

    fn adopt(&mut self, text: &str) {
        let text = text.replace("PAD", &self.path().display().to_string());
        let (config, report) = config::parse("t.conf", text.as_bytes());
        let config = config.unwrap_or_else(|| panic!("{}", report.render(false)));
        self.executor.adopt(config, self.now);
    }

    /// The slots of the newest plan with their sequences, door by door.
    fn plan(&self) -> Vec<(u64, String)> {
        let record = self.record.borrow();
        let plan = record.orders.iter().rev().find_map(|order| match order {
            Order::Adopt(plan) => Some(plan),
            _ => None,
        });
        plan.unwrap().slots.iter().map(|slot| (slot.id.0, slot.sequence.to_string())).collect()
    }

    fn complete(&mut self, slot: u64) {
        self.complete_from(slot, ALICE);
    }

    fn complete_from(&mut self, slot: u64, source: &str) {
        let report = Report::Completed { slot: SlotId(slot), source: source.parse().unwrap() };
        self.report(report);
    }

    /// What the capture process says by the configuration that is in force.
    fn report(&mut self, report: Report) {
        let generation = self.executor.plan().generation;
        self.executor.report(Sighting { generation, report }, self.now);
    }

    /// The commands that were run since the last call.
    fn commands(&self) -> Vec<String> {
        self.record.borrow_mut().jobs.drain(..).map(|(job, _)| job.command.to_string()).collect()
    }

    fn orders(&self) -> Vec<Order> {
        self.record.borrow_mut().orders.drain(..).collect()
    }

    /// Lets somebody do this once, just as this path is about to be watched for the first time, or has been.
    fn when_watched(&self, path: &Path, deed: impl FnOnce() + 'static) {
        let (path, mut deed) = (path.to_owned(), Some(deed));
        self.record.borrow_mut().at_watch = Some(Box::new(move |watched| {
            if watched == path
                && let Some(deed) = deed.take()
            {
                deed();
            }
        }));
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.executor.tick(self.now);
    }
}

const ONE_TIME: &str = "[ot]\none_time_sequences = PAD\none_time_window = 2\none_time_resync = 0\ntcpflags = syn\ncommand = open %IP%\n";

#[test]
fn the_line_is_struck_before_its_command_runs() {
    let mut lab = Lab::new(ONE_TIME);
    assert_eq!(lab.plan(), [(1, "1,2".to_owned()), (2, "3,4".to_owned())]);
    lab.complete(1);
    let jobs = lab.record.borrow_mut().jobs.drain(..).collect::<Vec<_>>();
    let [(job, pad_when_run)] = &jobs[..] else { panic!("{jobs:?}") };
    assert_eq!(job.command.to_string(), "open 192.0.2.2");
    assert_eq!(pad_when_run, "#1,2\n 3,4\n 5,6\n");
}

#[test]
fn the_line_is_struck_before_its_address_goes_into_a_set() {
    let text = "[ot]\none_time_sequences = PAD\none_time_resync = 0\ntcpflags = syn\nnft_set = inet t s\nnft_set_6 =\n";
    let mut lab = Lab::new(text);
    lab.complete(1);
    let jobs = lab.record.borrow_mut().jobs.drain(..).collect::<Vec<_>>();
    let [(job, pad_when_run)] = &jobs[..] else { panic!("{jobs:?}") };
    assert!(job.command.to_string().starts_with("/usr/sbin/nft -j "), "{}", job.command);
    assert!(job.command.to_string().contains("\"timeout\":10"), "{}", job.command);
    assert_eq!(pad_when_run, "#1,2\n 3,4\n 5,6\n");
    // Nothing is to be done for this family, and the line is used up all the same.
    lab.complete_from(2, "2001:db8::2");
    assert_eq!(lab.commands(), [""; 0]);
    assert_eq!(lab.executor.standing(lab.now).leases.len(), 1);
}

#[test]
fn a_used_line_opens_nothing_again() {
    let mut lab = Lab::new(ONE_TIME);
    lab.complete(1);
    lab.complete(1);
    lab.complete_from(1, "192.0.2.3");
    assert_eq!(lab.commands(), ["open 192.0.2.2"]);
}

#[test]
fn a_line_that_was_shown_is_struck_alone_and_opens_nothing() {
    // In the window it is struck, whatever it may have been.
    for (whole, crowded) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut lab = Lab::new(ONE_TIME);
        let source = ALICE.parse().unwrap();
        lab.report(Report::Exposed { slot: SlotId(2), source, whole, crowded });
        assert_eq!(fs::read_to_string(lab.path()).unwrap(), " 1,2\n#3,4\n 5,6\n");
        lab.complete(2);
        assert!(lab.commands().is_empty());
        lab.complete(1);
        assert_eq!(lab.commands(), ["open 192.0.2.2"]);
    }
}

#[test]
fn a_skipped_line_opens_nothing_afterwards() {
    let mut lab = Lab::new(ONE_TIME);
    lab.complete(2);
    lab.complete(1);
    assert_eq!(lab.commands().len(), 1);
    assert_eq!(fs::read_to_string(lab.path()).unwrap(), "#1,2\n#3,4\n 5,6\n");
}

#[test]
fn a_slot_that_never_was_opens_nothing() {
    let mut lab = Lab::new(ONE_TIME);
    lab.complete(99);
    assert!(lab.commands().is_empty());
}

#[test]
fn using_a_line_arms_the_next_one() {
    let mut lab = Lab::new(ONE_TIME);
    lab.orders();
    lab.complete(1);
    let sequence = Sequence::parse("5,6").unwrap();
    let arm = Order::Arm(Slot {
        id: SlotId(3),
        door: 0,
        limit: ScanGuard::Auto.limit(&sequence),
        sequence,
        once: true,
    });
    assert_eq!(lab.orders(), [Order::Disarm(SlotId(1)), arm]);
}

#[test]
fn a_strike_that_fails_leaves_the_door_shut() {
    let mut lab = Lab::new(ONE_TIME);
    fs::remove_file(lab.path()).unwrap();
    lab.complete(1);
    assert!(lab.commands().is_empty());
    fs::write(lab.path(), PAD).unwrap();
    lab.complete(1);
    assert!(lab.commands().is_empty(), "the sequence was seen on the wire");
    lab.complete(2);
    assert_eq!(lab.commands(), ["open 192.0.2.2"]);
}

#[test]
fn a_locked_pad_is_waited_for() {
    let mut lab = Lab::new(ONE_TIME);
    let holder = LockedPad::try_open(&lab.path()).unwrap();
    lab.complete(1);
    assert!(lab.executor.next_deadline().is_some_and(|at| at <= lab.now + LOCK_RETRY));
    lab.wait(LOCK_RETRY);
    assert!(lab.commands().is_empty());
    drop(holder);
    lab.wait(LOCK_RETRY);
    assert_eq!(lab.commands(), ["open 192.0.2.2"]);
    assert_eq!(lab.executor.next_deadline(), None);
}

#[test]
fn a_lock_that_is_held_for_too_long_leaves_the_door_shut_and_the_line_unusable() {
    let mut lab = Lab::new(ONE_TIME);
    let holder = LockedPad::try_open(&lab.path()).unwrap();
    lab.complete(1);
    lab.wait(LOCK_PATIENCE);
    drop(holder);
    lab.wait(LOCK_RETRY);
    lab.complete(1);
    assert!(lab.commands().is_empty());
    lab.complete(2);
    assert_eq!(lab.commands().len(), 1);
}

#[test]
fn a_locked_pad_holds_up_no_other_door() {
    let mut lab = Lab::new(&format!("{ONE_TIME}[static]\nsequence = 9\ntcpflags = syn\ncommand = other\n"));
    let slots = lab.plan();
    let other = slots.iter().find(|(_, sequence)| sequence == "9").unwrap().0;
    let _holder = LockedPad::try_open(&lab.path()).unwrap();
    lab.complete(1);
    lab.complete(other);
    assert_eq!(lab.commands(), ["other"]);
}

#[test]
fn completed_lines_of_a_locked_pad_are_used_in_their_order() {
    let mut lab = Lab::new(ONE_TIME);
    let holder = LockedPad::try_open(&lab.path()).unwrap();
    lab.complete_from(1, "192.0.2.2");
    lab.complete_from(2, "192.0.2.3");
    drop(holder);
    lab.wait(LOCK_RETRY);
    assert_eq!(lab.commands(), ["open 192.0.2.2", "open 192.0.2.3"]);
}

#[test]
fn the_last_line_puts_only_its_own_door_to_sleep() {
    let mut lab = Lab::new(&format!("{ONE_TIME}[static]\nsequence = 9\ntcpflags = syn\ncommand = other\n"));
    let other = lab.plan().last().unwrap().0;
    for (slot, _) in lab.plan().iter().take(2) {
        lab.complete(*slot);
        let key = LeaseKey { door: "ot".into(), source: ALICE.parse().unwrap() };
        let end = CommandEnd { key, outcome: Ok(Ended::Exit(0)), complaint: String::new() };
        lab.executor.command_ended(&end, lab.now);
    }
    let third = lab.orders().iter().find_map(|order| match order {
        Order::Arm(slot) => Some(slot.id.0),
        _ => None,
    });
    lab.complete(third.unwrap());
    assert_eq!(fs::read_to_string(lab.path()).unwrap(), "#1,2\n#3,4\n#5,6\n");
    lab.commands();
    lab.complete(other);
    assert_eq!(lab.commands(), ["other"]);
}

#[test]
fn a_missing_pad_puts_only_its_own_door_to_sleep() {
    let text = "[gone]\none_time_sequences = /nonexistent/pad\ntcpflags = syn\ncommand = x\n\
                [static]\nsequence = 9\ntcpflags = syn\ncommand = other\n";
    let mut lab = Lab::new(text);
    let slots = lab.plan();
    assert_eq!(slots.len(), 1, "nothing of the missing pad is armed");
    let slot = slots[0].0;
    lab.complete(slot);
    assert_eq!(lab.commands(), ["other"]);
}

#[test]
fn a_last_line_without_a_newline_is_armed_when_the_file_has_settled() {
    let mut lab = Lab::new(ONE_TIME);
    fs::write(lab.path(), " 1,2\n 3,4\n 5,6").unwrap();
    lab.complete(1);
    let armed = |orders: Vec<Order>| orders.iter().any(|order| matches!(order, Order::Arm(_)));
    assert!(!armed(lab.orders()), "somebody may still be writing it");
    let file = fs::File::options().write(true).open(lab.path()).unwrap();
    file.set_modified(std::time::SystemTime::now() - SETTLED).unwrap();
    assert_eq!(lab.executor.next_deadline(), Some(lab.now + SETTLED));
    lab.wait(SETTLED);
    assert!(armed(lab.orders()));
    assert_eq!(lab.executor.next_deadline(), None);
}

#[test]
fn a_reload_keeps_used_lines_used_and_slots_that_stay() {
    let mut lab = Lab::new(ONE_TIME);
    lab.complete(1);
    fs::write(lab.path(), PAD).unwrap();
    lab.adopt(ONE_TIME);
    assert_eq!(lab.plan(), [(2, "3,4".to_owned()), (3, "5,6".to_owned())]);
}

#[test]
fn a_reload_that_renames_the_door_or_the_path_revives_no_used_line() {
    let renamed = ONE_TIME.replace("[ot]", "[renamed]");
    let respelled = ONE_TIME.replace("PAD", "/../PAD");
    let elsewhere = "[static]\nsequence = 9\ntcpflags = syn\ncommand = x\n";
    for reloads in [&[renamed.as_str()][..], &[&respelled], &[elsewhere, ONE_TIME], &[elsewhere, &renamed]] {
        let mut lab = Lab::new(ONE_TIME);
        lab.complete(1);
        fs::write(lab.path(), PAD).unwrap();
        for text in reloads {
            lab.adopt(text);
        }
        let armed: Vec<_> = lab.plan().into_iter().map(|(_, sequence)| sequence).collect();
        assert_eq!(armed, ["3,4", "5,6"], "{reloads:?}");
    }
}

#[test]
fn a_line_that_was_used_in_one_doors_pad_is_good_in_anothers() {
    let mut lab = Lab::new(ONE_TIME);
    let other = lab.directory.path().join("other");
    fs::write(&other, PAD).unwrap();
    lab.complete(1);
    let door = ONE_TIME.replace("[ot]", "[other]").replace("PAD", other.to_str().unwrap());
    lab.adopt(&format!("{ONE_TIME}{door}"));
    let armed: Vec<_> = lab.plan().into_iter().map(|(_, sequence)| sequence).collect();
    assert_eq!(armed, ["3,4", "5,6", "1,2", "3,4"]);
}

#[test]
fn a_reload_with_another_sequence_gives_another_slot() {
    let door = |sequence| format!("[d]\nsequence = {sequence}\ntcpflags = syn\ncommand = x\n");
    let mut lab = Lab::new(&door("1,2"));
    let before = lab.plan();
    lab.adopt(&door("1,2"));
    assert_eq!(lab.plan(), before);
    lab.adopt(&door("3,4"));
    assert_ne!(lab.plan()[0].0, before[0].0);
    lab.complete(before[0].0);
    assert!(lab.commands().is_empty());
}

#[test]
fn an_open_door_closes_in_its_time_also_after_a_reload_without_it() {
    let text =
        "[d]\nsequence = 1\ntcpflags = syn\ncommand = open\ncmd_timeout = 10\nstop_command = close %IP%\n";
    let mut lab = Lab::new(text);
    let slot = lab.plan()[0].0;
    lab.complete(slot);
    let key = LeaseKey { door: "d".into(), source: ALICE.parse().unwrap() };
    let end = CommandEnd { key, outcome: Ok(Ended::Exit(0)), complaint: String::new() };
    lab.executor.command_ended(&end, lab.now);
    lab.adopt("[other]\nsequence = 2\ntcpflags = syn\ncommand = x\n");
    lab.commands();
    lab.wait(Duration::from_secs(10));
    assert_eq!(lab.commands(), ["close 192.0.2.2"]);
}

#[test]
fn closing_all_stops_the_capture_and_closes_open_doors() {
    let mut lab =
        Lab::new("[d]\nsequence = 1\ntcpflags = syn\ncommand_6 = x\ncommand =\nstop_command = close\n");
    let slot = lab.plan()[0].0;
    lab.complete(slot);
    assert!(lab.commands().is_empty(), "an empty command does nothing");
    lab.executor.close_all(lab.now);
    assert_eq!(lab.commands(), ["close"]);
    assert!(lab.orders().contains(&Order::Stop));
    lab.complete(slot);
    assert!(lab.commands().is_empty());
}

#[test]
fn each_family_has_its_command() {
    let text = "[d]\nsequence = 1\ntcpflags = syn\ncommand = four %IP%\ncommand_6 = six %IP%\n";
    let mut lab = Lab::new(text);
    let slot = lab.plan()[0].0;
    lab.complete(slot);
    lab.complete_from(slot, "2001:db8::2");
    assert_eq!(lab.commands(), ["four 192.0.2.2", "six 2001:db8::2"]);
}

#[test]
fn the_capture_sees_what_the_doors_could_take() {
    let lab = Lab::new(&format!("{ONE_TIME}[f]\nsequence = 9:udp,8\ntcpflags = fin\ncommand = x\n"));
    let record = lab.record.borrow();
    let Some(Order::Adopt(plan)) = record.orders.first() else { panic!("no plan") };
    assert!(plan.traffic.udp);
    assert_eq!(plan.traffic.tcp.len(), 2);
    drop(record);
    let tcp_only = Lab::new(ONE_TIME);
    let record = tcp_only.record.borrow();
    let Some(Order::Adopt(plan)) = record.orders.first() else { panic!("no plan") };
    assert!(!plan.traffic.udp, "no UDP packet reaches the daemon where no sequence has one");
}

#[test]
fn a_line_with_udp_appended_later_is_seen() {
    let mut lab = Lab::new(ONE_TIME);
    fs::write(lab.path(), format!("{PAD} 7:udp,8\n")).unwrap();
    lab.orders();
    lab.complete(1);
    lab.complete(2);
    let watch = lab.orders().into_iter().find_map(|order| match order {
        Order::Watch(traffic) => Some(traffic),
        _ => None,
    });
    assert!(watch.unwrap().udp);
}

#[test]
fn a_dry_run_uses_lines_up_in_memory_only() {
    let mut lab = Lab::new(ONE_TIME);
    lab.executor.mode = Mode::DryRun;
    lab.complete(2);
    lab.complete(1);
    lab.complete(2);
    assert_eq!(lab.commands(), ["open 192.0.2.2"], "whoever carries jobs out is told, and runs nothing");
    assert_eq!(fs::read_to_string(lab.path()).unwrap(), PAD);
    lab.adopt(ONE_TIME);
    assert_eq!(lab.plan(), [(3, "5,6".to_owned())]);
}

#[test]
fn a_reload_with_another_pad_reads_that_one() {
    let mut lab = Lab::new(ONE_TIME);
    lab.complete(1);
    let other = lab.directory.path().join("other");
    fs::write(&other, " 1,2\n 7,8\n 9,10\n").unwrap();
    lab.adopt(&ONE_TIME.replace("PAD", &other.display().to_string()));
    let armed: Vec<_> = lab.plan().into_iter().map(|(_, sequence)| sequence).collect();
    assert_eq!(armed, ["7,8", "9,10"], "what the door has used stays used");
}

#[test]
fn doors_of_one_name_are_kept_apart() {
    let door = "[d]\nsequence = 1\ntcpflags = syn\ncommand = open\nstop_command = close\n";
    let mut lab = Lab::new(&format!("{door}{door}{door}"));
    for (slot, _) in lab.plan() {
        lab.complete(slot);
    }
    let doors: Vec<String> =
        lab.record.borrow_mut().jobs.drain(..).map(|(job, _)| job.key.door.to_string()).collect();
    assert_eq!(doors, ["d", "d#2", "d#3"], "none waits for another, or closes it");
}

#[test]
fn strangers_who_open_a_door_of_one_hit_can_make_the_log_say_so_much() {
    for (sequence, said) in [("1", Some(9960)), ("1,2", None)] {
        let mut lab = Lab::new(&format!("[d]\nsequence = {sequence}\ntcpflags = syn\ncommand = open\n"));
        let slot = lab.plan()[0].0;
        for number in 0..5000u16 {
            lab.complete_from(slot, &format!("2001:db8::{number:x}"));
        }
        assert_eq!(lab.commands().len(), 5000, "all of them open");
        let due = lab.executor.next_deadline();
        assert_eq!(due.is_some(), said.is_some(), "what was left out is still to be said");
        let later = lab.now + Duration::from_secs(1);
        let left_out = lab.executor.quota.as_mut().and_then(|quota| quota.settle(later));
        assert_eq!(left_out, said, "of two lines for each opening");
    }
}
