//! Commands by the hundred, commands that hang, and commands that talk: neither the daemon nor the log minds.

use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, Ipv6Addr};
use std::process::Command;

use rustix::process::Signal;

use crate::daemon::{Daemon, Launch};
use crate::doors::{door_with, sequence};
use crate::frames::{SYN, Shot, Transport};
use crate::net::{Lab, SERVER, SERVER_6};
use crate::wait::{PATIENCE, wait_until};
use crate::wire::Wire;

/// How many commands run at once.
const AT_ONCE: usize = 64;

fn stranger(number: usize) -> IpAddr {
    let number = u128::try_from(number).expect("a small number");
    IpAddr::V6(Ipv6Addr::from(0x2001_0db8_00ff_0000_0000_0000_0000_0001 + number))
}

/// Knocks once at a door of two hits from each of so many addresses.
fn strangers_knock(lab: &Lab, ports: [u16; 2], count: usize) {
    Wire::with(lab, |wire| {
        for number in 0..count {
            let target = SERVER_6.parse().expect("an address");
            let transport = Transport::Tcp { flags: SYN, number: 1 };
            for port in ports {
                let shot = Shot { source: stranger(number), target, source_port: 40_000, port, transport };
                wire.send(&[], &shot.packet());
            }
        }
    });
}

#[test]
fn a_bounded_number_of_commands_runs_at_once_and_the_others_follow_in_order() {
    let test = "a_bounded_number_of_commands_runs_at_once_and_the_others_follow_in_order";
    let Some(lab) = Lab::new(test) else { return };
    let count = 200;
    let gate = lab.path("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().expect("mkfifo").success());
    // One byte in the gate lets one command through, whichever.
    let command = format!(
        "echo %IP% >>{begun}; head -c 1 {gate} >/dev/null; echo %IP% >>{ended}",
        begun = lab.path("begun").display(),
        gate = gate.display(),
        ended = lab.path("ended").display()
    );
    let daemon = Daemon::start(&lab, &door_with("slow", &sequence("7000,6000"), "syn", &command));
    let mut gate = File::options().read(true).write(true).open(&gate).expect("the gate");
    strangers_knock(&lab, [7000, 6000], count);
    // The doors of others are judged all the while, even if their commands have to wait as well.
    assert_eq!(daemon.openings(&lab, "slow"), count);
    let begun = |lines: usize| wait_until(PATIENCE, || lab.read("begun").lines().count() >= lines);
    assert!(begun(AT_ONCE), "{}", lab.read("begun"));
    for number in AT_ONCE..count {
        assert_eq!(lab.read("begun").lines().count(), number, "more run at once than may");
        gate.write_all(b"x").expect("opening the gate");
        assert!(begun(number + 1), "the next command does not begin");
    }
    gate.write_all(&[b'x'; AT_ONCE]).expect("opening the gate");
    assert!(wait_until(PATIENCE, || lab.read("ended").lines().count() == count), "{}", lab.read("ended"));

    let order: Vec<IpAddr> =
        lab.read("begun").lines().map(|line| line.parse().expect("an address")).collect();
    let mut expected: Vec<_> = (0..count).map(stranger).collect();
    assert_eq!(order[AT_ONCE..], expected[AT_ONCE..], "they do not run in their order");
    let mut first = order[..AT_ONCE].to_vec();
    first.sort_unstable();
    expected.truncate(AT_ONCE);
    assert_eq!(first, expected);
    assert_eq!(daemon.count("64 commands are running; others have to wait for their turn"), 1);
}

/// A door whose command hangs, together with a process in the background; both leave their process ids.
fn hanging_door(lab: &Lab) -> String {
    let command = format!("echo $$ >{0}; sleep 600 & echo $! >>{0}; wait", lab.path("pids").display());
    door_with("hung", &sequence("7000,8000,9000"), "syn", &command)
}

fn its_processes_are_ended(lab: &Lab, daemon: &Daemon) {
    lab.knock(&[SERVER, "7000", "8000", "9000"]);
    daemon.says("hung: command ran for too long and was killed");
    let pids = lab.read("pids");
    assert_eq!(pids.lines().count(), 2, "{pids}");
    let gone = |pid: &str| {
        // Whoever adopts it reaps it, sooner or later.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    assert!(wait_until(PATIENCE, || pids.lines().all(gone)), "processes of the command live on: {pids}");
}

#[test]
fn a_command_that_hangs_is_ended_with_its_group_after_command_timeout() {
    let test = "a_command_that_hangs_is_ended_with_its_group_after_command_timeout";
    let Some(lab) = Lab::new(test) else { return };
    let door = hanging_door(&lab);
    let daemon = Launch { options: "    command_timeout = 1\n", ..Launch::new(&door) }.start(&lab);
    its_processes_are_ended(&lab, &daemon);
}

#[test]
fn a_reload_brings_another_command_timeout() {
    let Some(lab) = Lab::new("a_reload_brings_another_command_timeout") else { return };
    let door = hanging_door(&lab);
    let daemon = Launch { options: "    command_timeout = 600\n", ..Launch::new(&door) }.start(&lab);
    let config = lab.path("knockd.conf");
    fs::write(&config, lab.read("knockd.conf").replace("= 600", "= 1")).expect("the configuration");
    daemon.signal(Signal::HUP);
    daemon.says("re-reading config file");
    // The line comes before the reading; the second knock after it meets what was read.
    daemon.settle(&lab);
    daemon.settle(&lab);
    its_processes_are_ended(&lab, &daemon);
}

#[test]
fn the_log_takes_the_first_lines_of_what_a_command_says() {
    let Some(lab) = Lab::new("the_log_takes_the_first_lines_of_what_a_command_says") else { return };
    let lines = door_with(
        "lines",
        &sequence("7000,8000,9000"),
        "syn",
        "for i in 1 2 3 4 5 6 7; do echo line $i; echo; done; echo last >&2",
    );
    let long =
        door_with("long", &sequence("7001,8001,9001"), "syn", "head -c 100000 /dev/zero | tr '\\000' x");
    let daemon = Daemon::start(&lab, &(lines + &long));
    lab.knock(&[SERVER, "7000", "8000", "9000"]);
    daemon.says("lines: command says: [and 22 more bytes]\n");
    for number in 1..=5 {
        daemon.says(&format!("lines: command says: line {number}\n"));
    }
    assert_eq!(daemon.count("lines: command says: "), 6);
    lab.knock(&[SERVER, "7001", "8001", "9001"]);
    daemon.says(&format!("long: command says: {}\n", "x".repeat(2048)));
    daemon.says("long: command says: [and 97952 more bytes]\n");
    assert_eq!(daemon.count("long: command says: "), 2);
}

#[test]
fn what_commands_leave_running_costs_the_daemon_no_threads() {
    let Some(lab) = Lab::new("what_commands_leave_running_costs_the_daemon_no_threads") else { return };
    let count = 100;
    let door = door_with("leaving", &sequence("7000,6000"), "syn", "sleep 600 & echo started");
    let daemon = Daemon::start(&lab, &door);
    let threads = || fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("its threads").count();
    daemon.settle(&lab);
    let before = threads();
    strangers_knock(&lab, [7000, 6000], count);
    daemon.says_times(count, "leaving: command says: started");
    // One more empties the pipes.
    assert!(wait_until(PATIENCE, || threads() <= before + 1), "{} threads, {before} before", threads());
}

#[test]
fn commands_have_a_directory_a_file_mask_and_an_environment_of_their_own() {
    let test = "commands_have_a_directory_a_file_mask_and_an_environment_of_their_own";
    let Some(lab) = Lab::new(test) else { return };
    let given = lab.path("given");
    let command = format!(
        "{{ pwd; umask; tr '\\0' '\\n' </proc/$$/environ; }} >{0}.new; mv {0}.new {0}",
        given.display()
    );
    let door = door_with("d", &sequence("7000"), "syn", &command);
    let before = "cd /tmp; umask 0; export LD_LIBRARY_PATH=/nonexistent SECRET=x";
    let daemon = Launch { before, ..Launch::new(&door) }.start(&lab);
    lab.knock(&[SERVER, "7000"]);
    assert!(wait_until(PATIENCE, || given.exists()), "{}", daemon.log());
    let expected = "/
0077
KNOCK_DOOR=d
KNOCK_FAMILY=ipv4
KNOCK_IP=192.0.2.2
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
";
    assert_eq!(lab.read("given"), expected);
}
