//! Strike, then run: shown by the system calls, and by a disk that fails.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::daemon::Daemon;
use crate::net::{Lab, SERVER};
use crate::pads::Pads;
use crate::programs;
use crate::wait::{PATIENCE, wait_until};

fn door(pads: &Pads) -> String {
    format!(
        "
[ssh]
    one_time_sequences = {}
    tcpflags           = syn
    start_command      = true
",
        pads.server.display()
    )
}

fn knock_next(lab: &Lab, pads: &Pads) {
    lab.knock(&["-f", pads.client.to_str().expect("a path in UTF-8"), SERVER]);
}

/// strace(1) on a running daemon, until it is dropped.
struct Tracer {
    child: Child,
}

impl Tracer {
    fn attach(lab: &Lab, daemon: &Daemon, args: &[&str]) -> Tracer {
        let output = fs::File::create(lab.path("strace.err")).expect("a file for what strace says");
        let mut command = Command::new("strace");
        command.arg("-f").arg("-p").arg(daemon.pid().to_string()).arg("-o").arg(lab.path("trace")).args(args);
        let child = command.stdin(Stdio::null()).stderr(output).spawn().expect("strace: install it");
        let attached = || lab.read("strace.err").contains("attached");
        assert!(wait_until(PATIENCE, attached), "strace did not attach: {}", lab.read("strace.err"));
        Tracer { child }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Killed, not terminated: asked to let go while a command is being started, it can wait for ever.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the daemon did to its disk, and when it ran a command.
fn deeds(trace: &str) -> Vec<&'static str> {
    let deed = |line: &str| match line {
        _ if line.contains("pwrite64(") && line.contains("\"#\", 1, ") => Some("strike"),
        _ if line.contains("pwrite64(") => Some("record"),
        _ if line.contains("fdatasync(") => Some("sync"),
        _ if line.contains("execve(\"/bin/sh\"") => Some("run"),
        _ => None,
    };
    trace.lines().filter_map(deed).collect()
}

#[test]
fn a_line_is_spent_and_struck_on_the_disk_before_the_command_is_started() {
    let test = "a_line_is_spent_and_struck_on_the_disk_before_the_command_is_started";
    let Some(lab) = Lab::new(test) else { return };
    let pads = Pads::generate(&lab, "ssh", 5, &[]);
    let daemon = Daemon::start(&lab, &door(&pads));
    let tracer = Tracer::attach(&lab, &daemon, &["-e", "trace=pwrite64,fdatasync,execve"]);
    knock_next(&lab, &pads);
    daemon.says(": ssh: OPEN SESAME");
    assert!(wait_until(PATIENCE, || lab.read("trace").contains("/bin/sh")), "{}", lab.read("trace"));
    drop(tracer);
    let trace = lab.read("trace");
    assert_eq!(deeds(&trace), ["record", "sync", "strike", "sync", "run"], "{trace}");
}

#[test]
fn lines_that_were_skipped_cost_one_sync_together() {
    let Some(lab) = Lab::new("lines_that_were_skipped_cost_one_sync_together") else { return };
    let pads = Pads::generate(&lab, "ssh", 5, &[]);
    let daemon = Daemon::start(&lab, &door(&pads));
    let tracer = Tracer::attach(&lab, &daemon, &["-e", "trace=pwrite64,fdatasync"]);
    pads.lose(2);
    knock_next(&lab, &pads);
    daemon.says(": ssh: OPEN SESAME");
    drop(tracer);
    let trace = lab.read("trace");
    assert_eq!(deeds(&trace), ["record", "sync", "strike", "strike", "strike", "sync"], "{trace}");
    pads.server_has_struck(3);
}

#[test]
fn a_record_or_strike_that_may_not_survive_a_crash_opens_nothing() {
    for (failing, complaint) in [("1", "cannot be remembered"), ("2", "right sequence, but not opened")] {
        let test = format!("a_record_or_strike_that_may_not_survive_a_crash_opens_nothing_{failing}");
        let Some(lab) = Lab::new(&test) else { return };
        let pads = Pads::generate(&lab, "ssh", 5, &[]);
        let daemon = Daemon::start(&lab, &door(&pads));
        let inject = format!("inject=fdatasync:error=EIO:when={failing}");
        let tracer = Tracer::attach(&lab, &daemon, &["-e", "trace=fdatasync", "-e", &inject]);
        knock_next(&lab, &pads);
        daemon.says(complaint);
        assert_eq!(daemon.openings(&lab, "ssh"), 0);
        drop(tracer);
        lab.knock(&[&["-d", "10", SERVER], &pads.ports(0)[..]].concat());
        assert_eq!(daemon.openings(&lab, "ssh"), 0, "the line was seen on the wire");
        knock_next(&lab, &pads);
        assert_eq!(daemon.openings(&lab, "ssh"), 1, "the next line is as good as ever");
    }
}

#[test]
fn a_client_whose_strike_may_not_survive_a_crash_sends_nothing() {
    let Some(lab) = Lab::new("a_client_whose_strike_may_not_survive_a_crash_sends_nothing") else { return };
    let pads = Pads::generate(&lab, "ssh", 5, &[]);
    let daemon = Daemon::start(&lab, &door(&pads));
    let mut command = Command::new("strace");
    command.arg("-o").arg(lab.path("trace")).args([
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:error=EIO",
    ]);
    command.arg(programs::knock()).arg("-f").arg(&pads.client).arg(SERVER);
    let output = lab.client.run(&command);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("durable"), "{output:?}");
    assert_eq!(daemon.openings(&lab, "ssh"), 0);
    assert_eq!(daemon.count(": ssh: Stage"), 0, "a hit was sent");
}

#[test]
fn commands_inherit_no_descriptor_of_the_daemons() {
    let Some(lab) = Lab::new("commands_inherit_no_descriptor_of_the_daemons") else { return };
    let list = lab.path("descriptors");
    let door = format!(
        "
[ssh]
    sequence      = 7000
    tcpflags      = syn
    start_command = ls /proc/self/fd >{0}.new; mv {0}.new {0}
",
        list.display()
    );
    let _daemon = Daemon::start(&lab, &door);
    lab.knock(&[SERVER, "7000"]);
    assert!(wait_until(PATIENCE, || list.exists()), "the command did not run");
    // What the tests themselves were given is passed on; nothing is added to it.
    let ours = lab.server.succeeds(Command::new("ls").arg("/proc/self/fd").stderr(Stdio::null()));
    assert_eq!(lab.read("descriptors"), ours);
}
