//! Using up lines of a pad: what the executor does between a report and the next armed line.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use knockd::message::{Generation, Order, Report, Sighting, SlotId};
use knockd::moment::Moment;
use knockd::open::{Executor, Job, Mode, Outside};
use knockd::state::State;

use crate::reading::{configuration, write_pad};

/// How many lines the pads have.
pub(crate) const PADS: [u32; 6] = [10, 100, 1000, 10_000, 100_000, 1_000_000];

/// How many lines are counted as they are used, after a first one.
const COUNTED: u32 = 3;

/// What this work is called.
pub(crate) fn name(lines: u32) -> String {
    format!("a used line, by lines of the pad: {lines}")
}

/// Which slots are armed, by which configuration.
#[derive(Clone, Default)]
struct Armed(Rc<RefCell<(Generation, BTreeSet<SlotId>)>>);

impl Armed {
    /// A knock with the first armed line.
    fn knock(&self, number: u32) -> Sighting {
        let (generation, slots) = &*self.0.borrow();
        let slot = *slots.first().expect("an armed line");
        let source = Ipv4Addr::from(0xc612_0000 + number).into();
        Sighting { generation: *generation, report: Report::Completed { slot, source } }
    }
}

impl Outside for Armed {
    fn order(&mut self, order: Order) {
        let (generation, slots) = &mut *self.0.borrow_mut();
        match order {
            Order::Adopt(plan) => {
                *generation = plan.generation;
                *slots = plan.slots.iter().map(|slot| slot.id).collect();
            }
            Order::Arm(slot) => drop(slots.insert(slot.id)),
            Order::Disarm(slot) => drop(slots.remove(&slot)),
            Order::ArmBound(_) | Order::Watch(_) | Order::Stop => {}
        }
    }

    fn run(&mut self, _job: Job) {}
}

/// Uses up a line; valgrind knows this by its name.
#[inline(never)]
fn strike(executor: &mut Executor<Armed>, sighting: Sighting, now: Moment) {
    executor.report(sighting, now);
}

/// Uses lines of a pad that has so many.
pub(crate) fn play(lines: u32) {
    let directory = tempfile::tempdir().expect("a directory");
    let pad = directory.path().join("pad");
    write_pad(&pad, lines);
    let config = configuration(&pad);
    let (state, _) = State::open(&directory.path().join("state"), "boot").expect("a state directory");
    let armed = Armed::default();
    let mut executor = Executor::new(armed.clone(), Mode::Earnest, state);
    let at = |minutes: u32| Moment::after_start(Duration::from_secs(60) * minutes);
    executor.adopt(config, at(0));
    executor.report(armed.knock(0), at(1));
    for number in 1..=COUNTED {
        strike(&mut executor, armed.knock(number), at(number + 1));
    }
    let text = fs::read_to_string(&pad).expect("the pad");
    let used = text.lines().filter(|line| line.starts_with('#')).count();
    assert_eq!(used, 1 + COUNTED as usize, "lines that were used");
    println!("{COUNTED} lines");
}
