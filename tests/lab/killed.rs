//! A daemon that is killed at any instant of a knock: what was used stays used, what was opened is closed.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::calls::{Call, between_hit_and_end, for_each};
use crate::daemon::Daemon;
use crate::journal::Journal;
use crate::net::{CLIENT, Lab, OTHER};
use crate::shuffle::Chance;
use crate::tracer::Tracer;
use crate::wait::{PATIENCE, wait_until};

/// Kills the daemon as it makes this call, starts it again, and checks all that must hold then; whether it was killed.
fn kill_at(lab: &Lab, number: usize, call: &Call) -> bool {
    let Call { name, occurrence, .. } = call;
    let journal = Journal::new(lab, &format!("{number}-{name}-{occurrence}"), 4, 0);
    let mut daemon = journal.start();
    let unused = journal.spent();
    journal.begin(&daemon, 0);
    let inject = format!("inject={name}:signal=SIGKILL:when={occurrence}");
    let tracer = Tracer::attach_to_main(lab, &daemon, &["-e", &format!("trace={name}"), "-e", &inject]);
    journal.complete(0);
    let mut killed = false;
    let over = || {
        killed = !daemon.runs();
        killed || (journal.text().contains("stop") && journal.is_closed())
    };
    assert!(wait_until(PATIENCE, over), "{call:?}: neither killed nor done");
    drop(tracer);
    drop(daemon);
    let used = journal.spent() != unused || journal.struck() > 0;

    let daemon = journal.start();
    journal.awaits_closed();
    journal.is_in_order();
    let before = journal.starts(CLIENT);
    assert!(before == 0 || used, "{call:?}: a command ran for a line that was not used up");
    journal.knock(CLIENT, 0);
    let opened = openings_by(&daemon, lab, CLIENT);
    journal.awaits_closed();
    assert!(opened <= 1, "{call:?}: a line opened twice");
    assert!(!used || journal.starts(CLIENT) == before, "{call:?}: a used line is live");

    journal.knock(OTHER, 1);
    assert_eq!(openings_by(&daemon, lab, OTHER), 1, "{call:?}: the next line does not open");
    journal.awaits_closed();
    journal.is_in_order();
    assert_eq!(journal.starts(OTHER), 1, "{call:?}");
    killed
}

/// How often the log says that this address has opened the door, in this run of the daemon and those before.
fn openings_by(daemon: &Daemon, lab: &Lab, source: &str) -> usize {
    daemon.settle(lab);
    daemon.count(&format!("{source}: once: OPEN SESAME"))
}

#[test]
fn a_daemon_killed_at_any_system_call_reuses_nothing_and_leaves_nothing_open() {
    let test = "a_daemon_killed_at_any_system_call_reuses_nothing_and_leaves_nothing_open";
    let Some(lab) = Lab::new(test) else { return };
    let calls = between_hit_and_end(&lab);
    let killed = for_each(test, &calls, kill_at);
    // What comes after the start of the command depends on what ends first, and the last time that was asked for.
    let certain = calls.iter().position(|call| call.name == "clone3").expect("the command's thread");
    for (call, killed) in calls.iter().zip(killed).take(certain + 1) {
        assert!(killed, "{call:?} was not made");
    }
}

#[test]
fn a_command_that_was_about_to_start_as_the_daemon_was_killed_is_ended() {
    let test = "a_command_that_was_about_to_start_as_the_daemon_was_killed_is_ended";
    let Some(lab) = Lab::new(test) else { return };
    let journal = Journal::new(&lab, "about", 4, 0);
    let mut daemon = journal.start();
    journal.begin(&daemon, 0);
    // Held up when the process is there, and is not the command yet.
    let tracer =
        Tracer::attach(&lab, &daemon, &["-e", "trace=execve", "-e", "inject=execve:delay_enter=300000"]);
    let before = daemon.process().children().len();
    journal.complete(0);
    assert!(
        wait_until(PATIENCE, || daemon.process().children().len() > before),
        "the command is not started"
    );
    daemon.signal(Signal::KILL);
    daemon.is_killed();
    assert!(!journal.is_closed());
    let daemon = journal.start();
    journal.awaits_closed();
    drop(tracer);
    journal.knock(OTHER, 1);
    assert_eq!(openings_by(&daemon, &lab, OTHER), 1);
    journal.awaits_closed();
    journal.is_in_order();
}

/// How many knocks each lab makes, every second of which a killed daemon gets.
const KNOCKS: usize = 100;

/// Knocks at a daemon that is killed at some instant, and at the one that comes next.
fn knock_and_kill(lab: &Lab, number: usize) -> usize {
    let journal = Journal::new(lab, &format!("random-{number}"), KNOCKS, 0);
    let mut chance = Chance::new(number as u64);
    let mut daemon = journal.start();
    let mut whole = Duration::from_millis(20);
    for line in (0..KNOCKS).step_by(2) {
        journal.knock(CLIENT, line);
        // No event: any instant.
        thread::sleep(whole * u32::try_from(chance.below(100)).expect("a percentage") / 100);
        daemon.signal(Signal::KILL);
        daemon.is_killed();
        daemon = journal.start();
        journal.awaits_closed();
        journal.is_in_order();
        let before = journal.starts(CLIENT);
        let start = Instant::now();
        journal.knock(CLIENT, line + 1);
        assert!(wait_until(PATIENCE, || journal.starts(CLIENT) > before), "line {} is lost", line + 1);
        journal.awaits_closed();
        whole = start.elapsed();
        assert_eq!(journal.starts(CLIENT), before + 1);
    }
    let opened = journal.starts(CLIENT);
    for line in 0..KNOCKS {
        journal.knock(OTHER, line);
    }
    daemon.settle(lab);
    journal.awaits_closed();
    assert_eq!(journal.starts(OTHER), 0, "a used line is live");
    journal.is_in_order();
    opened
}

#[test]
fn a_daemon_killed_at_random_instants_loses_no_knock_but_the_one_in_flight() {
    let test = "a_daemon_killed_at_random_instants_loses_no_knock_but_the_one_in_flight";
    let Some(_lab) = Lab::new(test) else { return };
    let opened = for_each(test, &[(); 3], |lab, number, ()| knock_and_kill(lab, number));
    let (opened, knocks) = (opened.iter().sum::<usize>(), opened.len() * KNOCKS);
    assert!(
        knocks / 2 < opened && opened < knocks,
        "{opened}: some in flight should have opened, and some not"
    );
}
