//! Strike, then run: shown by the system calls, and by a disk that fails.

use std::collections::HashMap;
use std::process::Command;

use rustix::process::Signal;

use crate::daemon::{Daemon, Launch};
use crate::doors;
use crate::keyrings::{Keyring, begins};
use crate::net::{CLIENT, Lab, SERVER};
use crate::pads::Pads;
use crate::programs;
use crate::tracer::Tracer;
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

/// What strace(1) is to show; each sync takes its time, so that what does not wait for it is seen.
const SHOWN: [&str; 5] =
    ["-y", "-e", "trace=pwrite64,fdatasync,execve", "-e", "inject=fdatasync:delay_enter=50000"];

/// What the daemon has done to which file, and when it began to run a command.
fn deeds(trace: &str) -> Vec<String> {
    let mut deeds = Vec::new();
    let mut begun = HashMap::new();
    // A call whose line has no end yet may still be under way.
    for line in trace.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let (thread, call) = line.split_once(' ').expect("a thread and its call");
        let deed = match call.trim_start() {
            call if call.starts_with("execve(\"/bin/sh\"") => {
                deeds.push("run".to_owned());
                continue;
            }
            call if call.starts_with("pwrite64(") && call.contains("\"#\", 1, ") => {
                format!("strike {}", file(call))
            }
            call if call.starts_with("pwrite64(") => format!("record {}", file(call)),
            call if call.starts_with("fdatasync(") => format!("sync {}", file(call)),
            call if call.contains(" resumed>") => {
                deeds.extend(begun.remove(thread));
                continue;
            }
            _ => continue,
        };
        if call.ends_with("<unfinished ...>") {
            begun.insert(thread, deed);
        } else {
            deeds.push(deed);
        }
    }
    deeds
}

/// The name of the file that a call's descriptor stands for.
fn file(line: &str) -> &str {
    let path = line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(path, _)| path);
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[test]
fn a_line_is_spent_and_struck_on_the_disk_before_the_command_is_started() {
    let test = "a_line_is_spent_and_struck_on_the_disk_before_the_command_is_started";
    let Some(lab) = Lab::new(test) else { return };
    let pads = Pads::generate(&lab, "ssh", 5, &[]);
    let daemon = Daemon::start(&lab, &door(&pads));
    let tracer = Tracer::attach(&lab, &daemon, &SHOWN);
    knock_next(&lab, &pads);
    let ran = || deeds(&lab.read("trace")).contains(&"run".to_owned());
    assert!(wait_until(PATIENCE, ran), "{}", lab.read("trace"));
    drop(tracer);
    let trace = lab.read("trace");
    let expected = ["record spent", "sync spent", "strike ssh.server", "sync ssh.server", "run"];
    assert_eq!(deeds(&trace), expected, "{trace}");
}

#[test]
fn that_a_door_is_to_be_closed_is_on_the_disk_before_it_opens_and_until_it_is_closed() {
    let test = "that_a_door_is_to_be_closed_is_on_the_disk_before_it_opens_and_until_it_is_closed";
    let Some(lab) = Lab::new(test) else { return };
    let pads = Pads::generate(&lab, "ssh", 5, &[]);
    let closing = "    cmd_timeout = 0\n    stop_command = true\n";
    let daemon = Daemon::start(&lab, &(door(&pads) + closing));
    let tracer = Tracer::attach(&lab, &daemon, &SHOWN);
    knock_next(&lab, &pads);
    let written = || deeds(&lab.read("trace")).iter().filter(|deed| deed.starts_with("record")).count();
    assert!(wait_until(PATIENCE, || written() == 3), "{}", lab.read("trace"));
    drop(tracer);
    let trace = lab.read("trace");
    let expected = [
        "record spent",
        "sync spent",
        "strike ssh.server",
        "sync ssh.server",
        "record leases",
        "sync leases",
        "run",
        "run",
        "record leases",
    ];
    assert_eq!(deeds(&trace), expected, "{trace}");
}

#[test]
fn lines_that_were_skipped_cost_one_sync_together() {
    let Some(lab) = Lab::new("lines_that_were_skipped_cost_one_sync_together") else { return };
    let pads = Pads::generate(&lab, "ssh", 5, &[]);
    let daemon = Daemon::start(&lab, &door(&pads));
    let tracer = Tracer::attach(&lab, &daemon, &SHOWN);
    pads.lose(2);
    knock_next(&lab, &pads);
    let ran = || deeds(&lab.read("trace")).contains(&"run".to_owned());
    assert!(wait_until(PATIENCE, ran), "{}", lab.read("trace"));
    drop(tracer);
    let trace = lab.read("trace");
    let strike = "strike ssh.server";
    let expected = ["record spent", "sync spent", strike, strike, strike, "sync ssh.server", "run"];
    assert_eq!(deeds(&trace), expected, "{trace}");
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

/// A key, and a door for it whose counter is at 0.
fn with_key(lab: &Lab) -> (Keyring, String) {
    let key = Keyring::new(lab, "ssh");
    let doors = doors::door("ssh", &key.trigger(), "syn");
    begins(lab, &doors, "ssh=0");
    (key, doors)
}

#[test]
fn a_counter_is_moved_twice_on_the_disk_before_the_command_is_started() {
    let Some(lab) = Lab::new("a_counter_is_moved_twice_on_the_disk_before_the_command_is_started") else {
        return;
    };
    let (key, doors) = with_key(&lab);
    let counter = key.counter_name();
    let daemon = Daemon::start(&lab, &doors);
    // One is next, and one further on, which passes those before it.
    for number in [0, 3] {
        let tracer = Tracer::attach(&lab, &daemon, &SHOWN);
        key.knock(&lab.client, CLIENT, number);
        let ran = || deeds(&lab.read("trace")).contains(&"run".to_owned());
        assert!(wait_until(PATIENCE, ran), "{}", lab.read("trace"));
        drop(tracer);
        let trace = lab.read("trace");
        let (record, sync) = (format!("record {counter}"), format!("sync {counter}"));
        let expected = [record.as_str(), &sync, &record, &sync, "run"];
        assert_eq!(deeds(&trace), expected, "{trace}");
    }
}

#[test]
fn a_counter_that_may_not_survive_a_crash_opens_nothing() {
    // The last of them can write down nowhere that the sequence was shown.
    for (failing, remembers) in [("1", true), ("2", true), ("1+", false)] {
        let Some(lab) = Lab::new("a_counter_that_may_not_survive_a_crash_opens_nothing") else { return };
        let (key, doors) = with_key(&lab);
        let mut daemon = Daemon::start(&lab, &doors);
        let inject = format!("inject=fdatasync:error=EIO:when={failing}");
        let tracer = Tracer::attach(&lab, &daemon, &["-e", "trace=fdatasync", "-e", &inject]);
        key.knock(&lab.client, CLIENT, 0);
        daemon.says("right sequence, but not opened: ");
        daemon.says("the counter could not be made durable");
        assert_eq!(daemon.count("nor can it be remembered"), usize::from(!remembers), "{}", daemon.log());
        assert_eq!(daemon.openings(&lab, "ssh"), 0, "{failing}");
        drop(tracer);
        for killed in [false, true] {
            if killed {
                daemon.signal(Signal::KILL);
                daemon.is_killed();
                drop(daemon);
                daemon = Daemon::start(&lab, &doors);
            }
            key.knock(&lab.client, CLIENT, 0);
            assert_eq!(daemon.openings(&lab, "ssh"), 0, "{failing}: the sequence was seen on the wire");
        }
        key.knock(&lab.client, CLIENT, 1);
        assert_eq!(daemon.openings(&lab, "ssh"), 1, "{failing}: the next one is as good as ever");
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
fn commands_inherit_no_descriptor_of_the_daemons_nor_one_that_it_was_given() {
    let test = "commands_inherit_no_descriptor_of_the_daemons_nor_one_that_it_was_given";
    let Some(lab) = Lab::new(test) else { return };
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
    let _daemon = Launch { before: "exec 7</etc/hostname", ..Launch::new(&door) }.start(&lab);
    lab.knock(&[SERVER, "7000"]);
    assert!(wait_until(PATIENCE, || list.exists()), "the command did not run");
    // The last one is that of the directory which ls reads.
    assert_eq!(lab.read("descriptors"), "0\n1\n2\n3\n");
}
