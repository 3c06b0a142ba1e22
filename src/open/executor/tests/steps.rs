//! Doors whose sequences are counted by the time of day.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use seqgen::derive::{Form, Key, Label, Mode as Counting};
use seqgen::generate::{Pool, PortRange, Protocols, Shape};

use super::keyrings::new_key;
use super::*;

const STEP: u64 = 30;

const NONE: [u64; 0] = [];

/// An executor with a door of such steps, and the clock that it goes by.
struct Timed {
    lab: Lab,
    key: Key,
    form: Form,
    text: String,
    /// What was armed when this was looked at last.
    armed: BTreeMap<SlotId, Sequence>,
}

impl Timed {
    /// At this second since 1970.
    fn at(seconds: u64) -> Timed {
        let mut lab = Lab::new("");
        let key = new_key(&lab);
        let directory = lab.directory.path().to_owned();
        let text = format!(
            "[options]\ncounter_dir = {directory}/counters\n[timed]\none_time_key = {directory}/key\n\
             one_time_step = {STEP}\none_time_bind = no\ntcpflags = syn\ncommand = open\n",
            directory = directory.display()
        );
        lab.now = Moment::after_start(Duration::from_secs(seconds));
        let pool = Pool::new(&[PortRange::UNPRIVILEGED], &[]);
        let form = Form::new(Shape { length: 5, protocols: Protocols::Tcp, pool }).unwrap();
        let mut timed = Timed { lab, key, form, text, armed: BTreeMap::new() };
        timed.adopt();
        timed
    }

    /// The same, long after its first start.
    fn used_to_it(seconds: u64) -> Timed {
        let mut timed = Timed::at(seconds - 5 * STEP);
        timed.wait_until(seconds);
        timed
    }

    fn adopt(&mut self) {
        let text = self.text.clone();
        self.lab.adopt(&text);
    }

    /// Lets time pass as the daemon does: it wakes for the next step, and for nothing else.
    fn wait_until(&mut self, seconds: u64) {
        let then = Moment::after_start(Duration::from_secs(seconds));
        while let Some(step) = self.lab.executor.next_step().filter(|step| *step <= then) {
            self.lab.now = step;
            self.lab.executor.tick(step);
        }
        self.lab.now = then;
    }

    /// Sets the time of day, which nobody is told of, so many seconds behind where it would be.
    fn set_back(&self, seconds: u64) {
        self.lab.record.borrow_mut().behind = Duration::from_secs(seconds);
    }

    /// Which slot stands for which sequence now.
    fn armed(&mut self) -> &BTreeMap<SlotId, Sequence> {
        for order in self.lab.orders() {
            match order {
                Order::Adopt(plan) => {
                    self.armed = plan.slots.into_iter().map(|slot| (slot.id, slot.sequence)).collect();
                }
                Order::Arm(slot) => drop(self.armed.insert(slot.id, slot.sequence)),
                Order::Disarm(slot) => drop(self.armed.remove(&slot)),
                _ => {}
            }
        }
        &self.armed
    }

    /// Which of these steps are armed.
    fn steps(&mut self, among: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let sequences: Vec<_> = among.into_iter().map(|step| (step, self.sequence(step))).collect();
        let armed: Vec<_> = self.armed().values().cloned().collect();
        let steps: Vec<_> = sequences
            .iter()
            .filter(|(_, sequence)| armed.contains(sequence))
            .map(|(step, _)| *step)
            .collect();
        assert_eq!(steps.len(), armed.len(), "what is armed is none of these steps");
        steps
    }

    fn sequence(&self, step: u64) -> Sequence {
        let counting = Counting::Time { step: NonZeroU32::new(u32::try_from(STEP).unwrap()).unwrap() };
        let key = self.key.label_key(&Label::default()).counter_key(counting, step, &self.form);
        key.sequence(&self.form, None)
    }

    /// What a capture process says of a step that is armed; how often the door opens for it.
    fn complete(&mut self, step: u64) -> usize {
        let sequence = self.sequence(step);
        let slot = self.armed().iter().find(|(_, armed)| **armed == sequence).map(|(slot, _)| *slot);
        self.lab.complete(slot.expect("an armed step").0);
        let opened = self.lab.commands().len();
        let key = LeaseKey { door: "timed".into(), source: ALICE.parse().unwrap() };
        let end = CommandEnd { key, outcome: Ok(Ended::Exit(0)), complaint: String::new() };
        self.lab.executor.command_ended(&end, self.lab.now);
        opened
    }
}

#[test]
fn the_window_moves_with_each_step_from_behind_all_that_may_have_been_used() {
    let mut timed = Timed::at(100);
    // The first start was in the step 3: one that began with 4 may have been used.
    for (seconds, steps) in [
        (100, vec![]),
        (119, vec![]),
        (120, vec![5]),
        (149, vec![5]),
        (150, vec![5, 6]),
        (180, vec![5, 6, 7]),
        (209, vec![5, 6, 7]),
        (210, vec![6, 7, 8]),
        (10 * STEP, vec![9, 10, 11]),
    ] {
        timed.wait_until(seconds);
        assert_eq!(timed.steps(0..20), steps, "after {seconds} s");
    }
}

#[test]
fn it_wakes_when_a_step_ends_and_at_no_other_time() {
    let mut timed = Timed::at(100);
    let at = |seconds| Some(Moment::after_start(Duration::from_secs(seconds)));
    for (seconds, wakes) in [(100, 120), (119, 120), (120, 150), (149, 150), (150, 180)] {
        timed.wait_until(seconds);
        assert_eq!(timed.lab.executor.next_step(), at(wakes), "after {seconds} s");
        assert_eq!(timed.lab.executor.next_deadline(), None);
    }
}

#[test]
fn each_step_opens_once_and_passes_those_before_it() {
    let mut timed = Timed::used_to_it(10 * STEP);
    assert_eq!(timed.steps(0..20), [9, 10, 11]);
    assert_eq!(timed.complete(10), 1);
    assert_eq!(timed.steps(0..20), [11], "what was before it stays armed");
    timed.adopt();
    assert_eq!(timed.steps(0..20), [11], "a reload arms it again");
    timed.wait_until(11 * STEP);
    assert_eq!(timed.steps(0..20), [11, 12]);
    assert_eq!(timed.complete(12), 1);
    assert_eq!(timed.steps(0..20), NONE, "the next one is not due yet");
}

#[test]
fn a_clock_that_is_set_back_arms_nothing_that_was_used() {
    let mut timed = Timed::used_to_it(10 * STEP);
    assert_eq!(timed.complete(11), 1);
    for steps in [1, 2, 3, 8] {
        timed.set_back(steps * STEP);
        timed.adopt();
        assert_eq!(timed.steps(0..20), NONE, "{steps} steps back");
    }
    // It goes on from there, and the door opens when the clock has caught up.
    timed.set_back(3 * STEP);
    timed.wait_until(13 * STEP);
    assert_eq!(timed.steps(0..20), NONE, "the step is 10 again");
    timed.wait_until(14 * STEP);
    assert_eq!(timed.steps(0..20), [12]);
    assert_eq!(timed.complete(12), 1);
}

#[test]
fn a_clock_that_is_set_back_is_noticed_when_the_step_would_have_ended() {
    let mut timed = Timed::used_to_it(10 * STEP);
    timed.set_back(2 * STEP);
    assert_eq!(timed.steps(0..20), [9, 10, 11], "nobody was told");
    timed.wait_until(11 * STEP);
    assert_eq!(timed.steps(0..20), [8, 9, 10], "the step is 9 again");
}
