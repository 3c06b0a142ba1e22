//! Capture handles that fail.

use std::process::Command;
use std::thread;

use rustix::process::Signal;

use super::{DOOR, IDLE, OPENED, hit};
use crate::daemon::Launch;
use crate::net::Lab;
use crate::procfs::Process;
use crate::wait::{PATIENCE, wait_until};

#[test]
fn a_handle_that_fails_is_opened_again_and_never_spins() {
    let Some(lab) = Lab::new("a_handle_that_fails_is_opened_again_and_never_spins") else { return };
    // strace lets a call fail by making another one of it, which the sandbox would not allow.
    let daemon = Launch { options: "    sandbox = off\n", ..Launch::new(DOOR) }.start(&lab);
    let first = daemon.capture();
    let trace = lab.path("trace");
    let mut strace = Command::new("strace");
    strace.arg("-o").arg(&trace).args(["-p", &first.id().to_string()]);
    strace.args(["-e", "trace=poll,ppoll", "-e", "inject=poll,ppoll:error=ENOMEM"]);
    let mut strace = strace.spawn().expect("strace: install it");
    // Attaching wakes the process, whose next call is the first one to fail.
    daemon.says("capturing on eth0: ");
    // The one that takes over is not looked at; the first one has ended.
    let before = daemon.process().effort();
    thread::sleep(IDLE);
    let wake_ups = daemon.process().effort().wake_ups - before.wake_ups;
    let calls = lab.read("trace").lines().count();
    let failures = daemon.count("trying again and again");
    Process::of(strace.id()).signal(Signal::TERM);
    strace.wait().expect("strace's end");
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
