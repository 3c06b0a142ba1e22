//! Doors whose knocks are counted.

use seqgen::counter::{self, LockedCounter};
use seqgen::derive::{Form, Key, Label, Mode as Counting};
use seqgen::generate::{Pool, PortRange, Protocols, Shape};

use super::keyrings::new_key;
use super::*;

/// An executor with a door to a key whose counter is at 0.
struct Counted {
    lab: Lab,
    key: Key,
}

impl Counted {
    fn new() -> Counted {
        let lab = Lab::new("");
        let key = new_key(&lab);
        let directory = lab.directory.path().to_owned();
        let mut counted = Counted { lab, key };
        LockedCounter::create(&counted.counter(), 0).unwrap();
        counted.lab.adopt(&format!(
            "[options]\ncounter_dir = {directory}/counters\n[counted]\none_time_key = {directory}/key\n\
             one_time_bind = no\ntcpflags = syn\ncommand = open\n",
            directory = directory.display()
        ));
        counted
    }

    fn counter(&self) -> PathBuf {
        let key = self.key.label_key(&Label::default());
        let name = counter::file_name(key.fingerprint(), Counting::Counter);
        self.lab.directory.path().join("counters").join(name)
    }

    /// The slot at which the sequence of this counter is armed.
    fn slot(&self, number: u64) -> SlotId {
        let pool = Pool::new(&[PortRange::UNPRIVILEGED], &[]);
        let form = Form::new(Shape { length: 5, protocols: Protocols::Tcp, pool }).unwrap();
        let key = self.key.label_key(&Label::default()).counter_key(Counting::Counter, number, &form);
        let sequence = key.sequence(&form, None);
        let plan = self.lab.executor.plan();
        plan.slots.iter().find(|slot| slot.sequence == sequence).expect("an armed counter").id
    }

    fn complete(&mut self, number: u64) -> Vec<String> {
        let slot = self.slot(number);
        self.lab.complete(slot.0);
        self.lab.commands()
    }
}

#[test]
fn a_counter_that_another_daemon_has_moved_unseen_makes_nobody_one_from_far_ahead() {
    let mut counted = Counted::new();
    LockedCounter::try_open(&counted.counter()).unwrap().advance(50).unwrap();
    assert_eq!(counted.complete(50), ["open"]);
    assert_eq!(counter::read(&counted.counter()).unwrap(), 51);
    let far = counted.slot(57);
    counted.lab.complete(far.0);
    assert_eq!(counted.lab.commands(), [""; 0], "what is far ahead opens nothing by itself");
    assert_eq!(counter::read(&counted.counter()).unwrap(), 51);
}

#[test]
fn what_another_daemon_has_used_unseen_opens_nothing() {
    let mut counted = Counted::new();
    let (used, next) = (counted.slot(2), counted.slot(3));
    LockedCounter::try_open(&counted.counter()).unwrap().advance(3).unwrap();
    counted.lab.complete(used.0);
    assert_eq!(counted.lab.commands(), [""; 0]);
    counted.lab.complete(next.0);
    assert_eq!(counted.lab.commands(), ["open"]);
}

#[test]
fn a_sequence_is_used_up_before_the_command_runs_and_a_late_one_opens_nothing() {
    let mut counted = Counted::new();
    let slot = counted.slot(0);
    assert_eq!(counted.complete(0), ["open"]);
    assert_eq!(counter::read(&counted.counter()).unwrap(), 1);
    counted.lab.complete(slot.0);
    assert_eq!(counted.lab.commands(), [""; 0]);
    assert_eq!(counted.lab.record.borrow().distrusted, 0, "an honest process can be late");
}
