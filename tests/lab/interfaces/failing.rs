//! Capture handles that fail.

use std::process::{Child, Command};
use std::thread;

use rustix::process::Signal;

use super::{DOOR, IDLE, OPENED, hit, on};
use crate::daemon::{Daemon, Launch};
use crate::net::Lab;
use crate::procfs::Process;
use crate::wait::{PATIENCE, wait_until};

/// A daemon, and strace that lets calls of its capture process fail, into a file of the lab.
fn with_failing_calls(lab: &Lab, calls: &str, how: &str) -> (Daemon, Child) {
    // strace lets a call fail by making another one of it, which the sandbox would not allow.
    let daemon = Launch { options: "    sandbox = off\n", args: &["-v"], ..Launch::new(DOOR) }.start(lab);
    let mut strace = Command::new("strace");
    strace.arg("-o").arg(lab.path("trace")).args(["-p", &daemon.capture().id().to_string()]);
    strace.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{how}")]);
    let strace = strace.spawn().expect("strace: install it");
    (daemon, strace)
}

/// Lets the capture process look for packets where there are none, which is when libpcap asks the kernel for errors.
fn wake(lab: &Lab, host_part: usize) {
    on(&lab.server, &["address", "replace", &format!("192.0.2.{}/24", 100 + host_part), "dev", "eth0"]);
}

fn injected(lab: &Lab) -> usize {
    lab.read("trace").matches("(INJECTED)").count()
}

fn end(mut strace: Child) {
    Process::of(strace.id()).signal(Signal::TERM);
    strace.wait().expect("strace's end");
}

#[test]
fn a_passing_error_of_libpcap_costs_nothing() {
    let Some(lab) = Lab::new("a_passing_error_of_libpcap_costs_nothing") else { return };
    // The loop itself waits with ppoll, libpcap with poll.
    let (daemon, strace) = with_failing_calls(&lab, "poll", "error=ENOMEM:when=1..4");
    let mut wakes = 0;
    let have_failed = || {
        wakes += 1;
        wake(&lab, wakes % 100);
        injected(&lab) == 4
    };
    assert!(wait_until(PATIENCE, have_failed), "libpcap's calls do not fail");
    hit(&lab, &[7000, 8000, 9000]);
    daemon.says(OPENED);
    end(strace);
    assert_eq!((daemon.count("listening on"), daemon.count("error")), (1, 0));
}

#[test]
fn a_handle_of_which_libpcap_reports_errors_without_end_is_opened_again() {
    let Some(lab) = Lab::new("a_handle_of_which_libpcap_reports_errors_without_end_is_opened_again") else {
        return;
    };
    let (daemon, strace) = with_failing_calls(&lab, "poll", "error=ENOMEM");
    let mut wakes = 0;
    let reported = || {
        wakes += 1;
        wake(&lab, wakes % 100);
        daemon.count("capturing on eth0: libpcap reports an error") == 1
    };
    assert!(wait_until(PATIENCE, reported), "nothing is said");
    daemon.says_times(2, "listening on eth0");
    end(strace);
    let opened = || {
        hit(&lab, &[7000, 8000, 9000]);
        daemon.count(OPENED) >= 1
    };
    assert!(wait_until(PATIENCE, opened), "it is deaf");
    let failures = injected(&lab);
    assert!((2..=100).contains(&failures), "{failures} errors before it was given up");
}

#[test]
fn a_handle_that_fails_is_opened_again_and_never_spins() {
    let Some(lab) = Lab::new("a_handle_that_fails_is_opened_again_and_never_spins") else { return };
    let (daemon, strace) = with_failing_calls(&lab, "poll,ppoll", "error=ENOMEM");
    let first = daemon.capture();
    // Attaching wakes the process, whose next call is the first one to fail.
    daemon.says("capturing on eth0: ");
    // The one that takes over is not looked at; the first one has ended.
    let before = daemon.process().effort();
    thread::sleep(IDLE);
    let wake_ups = daemon.process().effort().wake_ups - before.wake_ups;
    let calls = lab.read("trace").lines().count();
    let failures = daemon.count("trying again and again");
    end(strace);
    eprintln!("{calls} calls, {failures} failures, {wake_ups} wake-ups");
    assert!((1..=100).contains(&calls), "{calls} calls in {IDLE:?}");
    assert!((1..=8).contains(&failures), "{failures} failures in {IDLE:?}");
    assert!(wake_ups <= 100, "the executor woke up {wake_ups} times in {IDLE:?}");
    assert!(!first.lives(), "a process without interfaces is left");
    let recovers = || {
        hit(&lab, &[7000, 8000, 9000]);
        daemon.count(OPENED) >= 1
    };
    assert!(wait_until(PATIENCE, recovers), "it is deaf");
}
