//! Capture handles that fail.

use std::process::Command;
use std::thread;

use rustix::process::Signal;

use super::{IDLE, OPENED, hit, start};
use crate::net::Lab;
use crate::procfs::Process;
use crate::wait::{PATIENCE, wait_until};

#[test]
fn a_handle_that_fails_is_opened_again_and_never_spins() {
    let Some(lab) = Lab::new("a_handle_that_fails_is_opened_again_and_never_spins") else { return };
    let daemon = start(&lab, "eth0");
    let process = Process::of(daemon.pid());
    let trace = lab.path("trace");
    let mut strace = Command::new("strace");
    strace.arg("-o").arg(&trace).args(["-p", &process.thread("capture").to_string()]);
    strace.args(["-e", "trace=poll,ppoll", "-e", "inject=poll,ppoll:error=ENOMEM"]);
    let mut strace = strace.spawn().expect("strace: install it");
    // Attaching wakes the thread, whose next call is the first one to fail.
    daemon.says("capturing on eth0: ");
    thread::sleep(IDLE);
    let calls = lab.read("trace").lines().count();
    let failures = daemon.count("trying again and again");
    Process::of(strace.id()).signal(Signal::TERM);
    strace.wait().expect("strace's end");
    eprintln!("{calls} calls, {failures} failures");
    assert!((1..=100).contains(&calls), "{calls} calls in {IDLE:?}");
    assert!((1..=8).contains(&failures), "{failures} failures in {IDLE:?}");
    let recovers = || {
        hit(&lab, &[7000, 8000, 9000]);
        daemon.count(OPENED) >= 1
    };
    assert!(wait_until(PATIENCE, recovers), "it is deaf");
}
