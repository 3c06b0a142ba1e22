//! A network of a test's own: nothing that is done or sent there reaches anybody.

use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use nix::sched::{CloneFlags, unshare};

use crate::support::LONG;

/// Runs `test` on a thread with an empty network namespace and private mounts, both of which end with it and
/// the processes that it started.
///
/// Needs root; without it the test is skipped, loudly, or fails where `KNOCK_LAB=required`.
pub(crate) fn in_lab(name: &str, test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| match unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS) {
            Ok(()) => {
                sh("mount --make-rprivate / && ip link set lo up");
                test();
            }
            Err(error) if std::env::var("KNOCK_LAB").is_ok_and(|value| value == "required") => {
                panic!("{name} needs a network namespace: {error}");
            }
            Err(error) => {
                // Not eprintln, which is captured; and in one piece, as other tests write too.
                let message = format!("SKIPPED (needs root): {name}: {error}\n");
                let _ = std::io::stderr().write_all(message.as_bytes());
            }
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Runs commands of a shell, which must all succeed.
pub(crate) fn sh(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Lets names stand for addresses, in the form of hosts(5), for this lab only.
pub(crate) fn hosts(text: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    sh(&format!("mount --bind {} /etc/hosts", file.path().display()));
}

/// A cable between the interfaces `name`0, which has the address, and `name`1, both here and plugged in.
pub(crate) fn cable(name: &str, address: &str) {
    sh(&format!(
        "ip link add {name}0 type veth peer name {name}1
         ip link set {name}0 addrgenmode none
         ip link set {name}1 addrgenmode none
         ip addr add {address} dev {name}0 {}
         ip link set {name}0 up",
        if address.contains(':') { "nodad" } else { "" }
    ));
    plug(name);
}

/// Plugs the cable in at its far end.
pub(crate) fn plug(name: &str) {
    sh(&format!("ip link set {name}1 up"));
    await_state(name, |state| state == "UP");
}

/// Pulls the cable out at its far end.
pub(crate) fn unplug(name: &str) {
    sh(&format!("ip link set {name}1 down"));
    await_state(name, |state| state.ends_with("DOWN"));
}

/// Waits until the near end has noticed, which the kernel lets it do up to a second later.
fn await_state(name: &str, wanted: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + LONG;
    loop {
        let shown =
            Command::new("ip").args(["-o", "link", "show", "dev", &format!("{name}0")]).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        if shown.split(" state ").nth(1).and_then(|rest| rest.split(' ').next()).is_some_and(&wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{shown}");
        std::thread::yield_now();
    }
}
