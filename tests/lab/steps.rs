//! Doors whose sequences are counted by the time of day.

use std::fs;
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use seqgen::counter;
use seqgen::derive::Mode;

use crate::daemon::{Daemon, Launch};
use crate::doors::door;
use crate::hits::send;
use crate::keyrings::{Keyring, init_counter};
use crate::net::{CLIENT, Lab, SERVER};
use crate::once::reload;
use crate::time_of_day::TimeOfDay;
use crate::wait::{PATIENCE, wait_until};

/// A step so long that none ends by itself while a test runs, if it begins in the midst of one.
const LONG: u32 = 3600;

/// A step that a test can wait for.
const SHORT: u32 = 2;

/// Any step of time that is far from the first.
const STEP: u64 = 500_000;

/// A door with long steps of time, and the clock that it goes by.
struct Timed {
    lab: Lab,
    key: Keyring,
    doors: String,
    time: TimeOfDay,
}

impl Timed {
    fn new(test: &str) -> Option<Self> {
        let lab = Lab::new(test)?;
        let key = Keyring::new(&lab, "ssh");
        let doors = timed_door(&key, LONG);
        let time = TimeOfDay::new(&lab);
        Some(Self { lab, key, doors, time })
    }

    /// The same, with a counter from a first start long before [`STEP`].
    fn used_before(test: &str) -> Option<Self> {
        let timed = Self::new(test)?;
        timed.set(STEP - 10);
        drop(timed.start());
        timed.set(STEP);
        Some(timed)
    }

    /// Sets the clock to the midst of a step.
    fn set(&self, step: u64) {
        let wanted = step * u64::from(LONG) + u64::from(LONG) / 2;
        let signed = |seconds: u64| i64::try_from(seconds).expect("a time of this age");
        self.time.set(&self.lab, signed(wanted) - signed(unix_time().as_secs()));
    }

    fn start(&self) -> Daemon {
        Launch { before: &self.time.before(), ..Launch::new(&self.doors) }.start(&self.lab)
    }

    /// Knocks with the sequence of each of these steps; how often the door has opened for that.
    #[track_caller]
    fn opens_for(&self, daemon: &Daemon, steps: impl IntoIterator<Item = u64>) -> usize {
        let before = daemon.openings(&self.lab, "ssh");
        for step in steps {
            knock(&self.lab, &self.key, LONG, step);
        }
        daemon.openings(&self.lab, "ssh") - before
    }
}

fn timed_door(key: &Keyring, seconds: u32) -> String {
    door("ssh", &format!("{}\n    one_time_step = {seconds}", key.trigger()), "syn")
}

fn mode(seconds: u32) -> Mode {
    Mode::Time { step: NonZeroU32::new(seconds).expect("a span of time") }
}

fn knock(lab: &Lab, key: &Keyring, seconds: u32, step: u64) {
    send(&lab.client, CLIENT, SERVER, &key.hits(mode(seconds), step, Some(CLIENT)));
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock that is set")
}

/// The step that the counter says comes next.
fn next_step(lab: &Lab, key: &Keyring, seconds: u32) -> u64 {
    let directory = lab.path("knockd.state/counters");
    counter::read(&directory.join(key.counter_name_of(mode(seconds)))).expect("a counter")
}

/// Waits until the time of day is in this step.
fn awaits_step(seconds: u32, step: u64) {
    let reached = || unix_time().as_secs() / u64::from(seconds) >= step;
    assert!(wait_until(PATIENCE, reached), "no step takes so long");
}

#[test]
fn the_present_step_and_one_either_way_open_and_none_beyond() {
    let test = "the_present_step_and_one_either_way_open_and_none_beyond";
    let Some(timed) = Timed::used_before(test) else { return };
    let daemon = timed.start();
    assert_eq!(timed.opens_for(&daemon, [STEP - 2, STEP + 2]), 0, "one of two steps off opened");
    for step in [STEP - 1, STEP, STEP + 1] {
        assert_eq!(timed.opens_for(&daemon, [step]), 1, "the one of {step}, at {STEP}");
        assert_eq!(timed.opens_for(&daemon, [step]), 0, "the one of {step} opened again");
    }
    assert_eq!(timed.opens_for(&daemon, STEP - 3..STEP + 4), 0);
}

#[test]
fn a_later_step_passes_those_before_it() {
    let Some(timed) = Timed::used_before("a_later_step_passes_those_before_it") else { return };
    let daemon = timed.start();
    assert_eq!(timed.opens_for(&daemon, [STEP + 1]), 1);
    assert_eq!(timed.opens_for(&daemon, [STEP - 1, STEP, STEP + 1]), 0, "one from before it opened");
    timed.set(STEP + 1);
    reload(&timed.lab, &daemon);
    assert_eq!(timed.opens_for(&daemon, [STEP, STEP + 1]), 0);
    assert_eq!(timed.opens_for(&daemon, [STEP + 2]), 1);
}

#[test]
fn no_step_opens_twice_whatever_becomes_of_the_daemon_and_of_its_clock() {
    let test = "no_step_opens_twice_whatever_becomes_of_the_daemon_and_of_its_clock";
    let Some(timed) = Timed::used_before(test) else { return };
    let mut daemon = timed.start();
    assert_eq!(timed.opens_for(&daemon, [STEP - 1, STEP]), 2);
    for signal in [None, Some(Signal::TERM), Some(Signal::KILL)] {
        for back in [0, 1, 2, 10, 1000] {
            timed.set(STEP - back);
            match signal {
                None => reload(&timed.lab, &daemon),
                Some(signal) => {
                    daemon.signal(signal);
                    assert!(daemon.ends_within(PATIENCE).is_some(), "it did not end");
                    drop(daemon);
                    daemon = timed.start();
                }
            }
            let shown = [STEP - back - 1, STEP - back, STEP - back + 1];
            let used = shown.into_iter().filter(|step| *step <= STEP);
            let opened = timed.opens_for(&daemon, used.chain([STEP - 1, STEP]));
            assert_eq!(opened, 0, "a used step opened: {signal:?}, the clock {back} steps back");
        }
    }
    timed.set(STEP + 1);
    reload(&timed.lab, &daemon);
    assert_eq!(timed.opens_for(&daemon, [STEP - 1, STEP]), 0);
    assert_eq!(timed.opens_for(&daemon, [STEP + 1]), 1, "the next one does not open");
}

#[test]
fn a_clock_that_was_far_ahead_is_told_of_and_waited_for() {
    let test = "a_clock_that_was_far_ahead_is_told_of_and_waited_for";
    let Some(timed) = Timed::used_before(test) else { return };
    timed.set(STEP + 20);
    let daemon = timed.start();
    assert_eq!(timed.opens_for(&daemon, [STEP + 20]), 1);
    timed.set(STEP);
    reload(&timed.lab, &daemon);
    daemon.says("were used already, or the clock was set back; it opens nothing until then");
    assert_eq!(timed.opens_for(&daemon, STEP - 1..=STEP + 20), 0, "one that may have been used opened");
    timed.set(STEP + 20);
    reload(&timed.lab, &daemon);
    assert_eq!(timed.opens_for(&daemon, [STEP + 19, STEP + 20]), 0);
    assert_eq!(timed.opens_for(&daemon, [STEP + 21]), 1);
}

#[test]
fn without_its_state_a_door_begins_behind_all_that_may_have_been_used() {
    let test = "without_its_state_a_door_begins_behind_all_that_may_have_been_used";
    let Some(timed) = Timed::used_before(test) else { return };
    let daemon = timed.start();
    assert_eq!(timed.opens_for(&daemon, [STEP - 1, STEP, STEP + 1]), 3);
    drop(daemon);
    fs::remove_dir_all(timed.lab.path("knockd.state")).expect("the state directory");
    let daemon = timed.start();
    assert_eq!(timed.opens_for(&daemon, STEP - 3..=STEP + 3), 0, "one that was used opened");
    assert_eq!(next_step(&timed.lab, &timed.key, LONG), STEP + 2);
    timed.set(STEP + 1);
    reload(&timed.lab, &daemon);
    assert_eq!(timed.opens_for(&daemon, STEP - 1..=STEP + 1), 0, "one that was used opened");
    assert_eq!(timed.opens_for(&daemon, [STEP + 2]), 1, "it does not open by itself");
}

#[test]
fn nobody_sets_a_counter_of_time() {
    let Some(timed) = Timed::new("nobody_sets_a_counter_of_time") else { return };
    let output = init_counter(&timed.lab, &Launch::new(&timed.doors), "ssh=5");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("it counts time, which nobody sets"), "{said}");
}

/// With the machine's own clock, and nothing that tells the daemon to look.
#[test]
fn a_door_opens_by_itself_two_steps_after_its_first_start_and_with_each_step_from_then_on() {
    let test = "a_door_opens_by_itself_two_steps_after_its_first_start_and_with_each_step_from_then_on";
    let Some(lab) = Lab::new(test) else { return };
    let key = Keyring::new(&lab, "ssh");
    let now = || unix_time().as_secs() / u64::from(SHORT);
    let before = now();
    let daemon = Daemon::start(&lab, &timed_door(&key, SHORT));
    let first = next_step(&lab, &key, SHORT);
    assert!((before + 2..=now() + 2).contains(&first), "it does not begin two steps later: {first}");
    // Before the window has reached it.
    for step in first - 3..first {
        knock(&lab, &key, SHORT, step);
    }
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "one that may have been used opened");
    for (opened, step) in (first..first + 3).enumerate() {
        awaits_step(SHORT, step);
        daemon.arms(&lab);
        knock(&lab, &key, SHORT, step);
        assert_eq!(daemon.openings(&lab, "ssh"), opened + 1, "the step {step}");
        knock(&lab, &key, SHORT, step);
        assert_eq!(daemon.openings(&lab, "ssh"), opened + 1, "the step {step} opened twice");
    }
}
