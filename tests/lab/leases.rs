//! Open doors outlive their daemon, and are closed by the next one.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::Signal;

use crate::daemon::{Daemon, Launch};
use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, OTHER, SERVER};
use crate::noted::{
    START, STOP, comes_to_note, door, end, is_forgotten, kill, knock, noting_door, opens, record, recorded,
    state,
};
use crate::tracer::Tracer;
use crate::wait::{PATIENCE, wait_until};

/// As the daemon would see it after the machine was started again.
fn another_boot(lab: &Lab) -> String {
    let id = lab.path("boot_id");
    fs::write(&id, "00000000-1111-2222-3333-444444444444\n").expect("another boot's id");
    format!("mount --bind {} /proc/sys/kernel/random/boot_id || exit", id.display())
}

fn start_in_another_boot(lab: &Lab, doors: &str) -> Daemon {
    Launch { before: &another_boot(lab), ..Launch::new(doors) }.start(lab)
}

#[test]
fn a_killed_daemons_door_is_closed_by_the_next_in_the_time_that_was_left() {
    let test = "a_killed_daemons_door_is_closed_by_the_next_in_the_time_that_was_left";
    let Some(lab) = Lab::new(test) else { return };
    let doors = noting_door(&lab, "cmd_timeout = 3");
    let before = Instant::now();
    let daemon = Daemon::start(&lab, &doors);
    opens(&lab, CLIENT, &[START]);
    kill(daemon);
    let recorded = record(&lab);
    let daemon = Daemon::start(&lab, &doors);
    daemon.says(&format!("{CLIENT}: door: left open by an earlier run, is closed"));
    if before.elapsed() < Duration::from_secs(3) {
        assert_eq!(record(&lab), recorded, "the deadline has changed");
    }
    comes_to_note(&lab, &[START, STOP]);
    assert!(before.elapsed() >= Duration::from_secs(3), "closed after {:?}", before.elapsed());
    is_forgotten(&lab);
}

#[test]
fn a_killed_daemons_door_whose_time_is_over_is_closed_at_once() {
    let Some(lab) = Lab::new("a_killed_daemons_door_whose_time_is_over_is_closed_at_once") else { return };
    let doors = noting_door(&lab, "cmd_timeout = 1");
    let daemon = Daemon::start(&lab, &doors);
    knock(&lab, CLIENT);
    daemon.says(": door: OPEN SESAME");
    comes_to_note(&lab, &[START]);
    kill(daemon);
    let killed = Instant::now();
    assert!(wait_until(PATIENCE, || killed.elapsed() > Duration::from_secs(1)));
    let daemon = Daemon::start(&lab, &doors);
    daemon.says(&format!("{CLIENT}: door: left open by an earlier run, is closed\n"));
    comes_to_note(&lab, &[START, STOP]);
    is_forgotten(&lab);
}

#[test]
fn a_door_from_before_a_reboot_is_closed_at_once() {
    let Some(lab) = Lab::new("a_door_from_before_a_reboot_is_closed_at_once") else { return };
    let doors = noting_door(&lab, "cmd_timeout = 600");
    let daemon = Daemon::start(&lab, &doors);
    opens(&lab, CLIENT, &[START]);
    kill(daemon);
    let daemon = Daemon::start(&lab, &doors);
    daemon.says("left open by an earlier run, is closed in 5");
    daemon.settle(&lab);
    comes_to_note(&lab, &[START]);
    kill(daemon);
    let _daemon = start_in_another_boot(&lab, &doors);
    comes_to_note(&lab, &[START, STOP]);
    is_forgotten(&lab);
}

#[test]
fn a_door_that_was_left_open_on_purpose_is_closed_by_the_next_start_in_its_time() {
    let test = "a_door_that_was_left_open_on_purpose_is_closed_by_the_next_start_in_its_time";
    let Some(lab) = Lab::new(test) else { return };
    let doors = noting_door(&lab, "cmd_timeout = 2");
    let before = Instant::now();
    let mut daemon = Daemon::start(&lab, &doors);
    opens(&lab, CLIENT, &[START]);
    end(&mut daemon, Signal::USR1);
    daemon.says("doors that are open stay open until the next start");
    assert_eq!((lab.read("note"), recorded(&lab)), (format!("{START}\n"), 1));
    let _daemon = Daemon::start(&lab, &doors);
    comes_to_note(&lab, &[START, STOP]);
    assert!(before.elapsed() >= Duration::from_secs(2), "closed after {:?}", before.elapsed());
}

#[test]
fn an_orderly_end_closes_and_leaves_nothing_to_the_next_start() {
    let Some(lab) = Lab::new("an_orderly_end_closes_and_leaves_nothing_to_the_next_start") else { return };
    let doors = noting_door(&lab, "cmd_timeout = 600");
    let mut daemon = Daemon::start(&lab, &doors);
    opens(&lab, CLIENT, &[START]);
    end(&mut daemon, Signal::TERM);
    assert_eq!((lab.read("note"), recorded(&lab)), (format!("{START}\n{STOP}\n"), 0));
    let mut daemon = start_in_another_boot(&lab, &doors);
    end(&mut daemon, Signal::TERM);
    comes_to_note(&lab, &[START, STOP]);
}

#[test]
fn a_start_command_that_outlived_its_daemon_is_ended_before_the_stop_command_runs() {
    let test = "a_start_command_that_outlived_its_daemon_is_ended_before_the_stop_command_runs";
    let Some(lab) = Lab::new(test) else { return };
    let fifo = lab.path("fifo");
    lab.server.succeeds(Command::new("mkfifo").arg(&fifo));
    let waits = "echo begin >>note; read word <fifo; echo late >>note";
    let doors = door(&lab, waits, "echo stop >>note", "cmd_timeout = 0");
    let daemon = Daemon::start(&lab, &doors);
    opens(&lab, CLIENT, &["begin"]);
    kill(daemon);
    let daemon = Daemon::start(&lab, &doors);
    daemon.says("door: a command that an earlier daemon left running is ended (process ");
    comes_to_note(&lab, &["begin", "stop"]);
    // Nobody waits for a word any more.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let nobody = File::options().write(true).custom_flags(nonblock).open(&fifo).expect_err("nobody reads");
    assert_eq!(nobody.raw_os_error(), Some(Errno::NXIO.raw_os_error()));
    is_forgotten(&lab);
    comes_to_note(&lab, &["begin", "stop"]);
}

#[test]
fn two_daemons_never_touch_each_others_leases() {
    let Some(lab) = Lab::new("two_daemons_never_touch_each_others_leases") else { return };
    let doors = |note: &str, port: &str| {
        let (start, stop) = (format!("echo start >>{note}"), format!("echo stop >>{note}"));
        door(&lab, &start, &stop, "cmd_timeout = 600").replace("7000,8000", port)
    };
    let (here, there) = (doors("here", "7000,8000"), doors("there", "9000,9500"));
    let launch = |name, doors| Launch { name, ..Launch::new(doors) };
    let first = launch("first", &here).start(&lab);
    let mut second = launch("second", &there).start(&lab);
    knock(&lab, CLIENT);
    send(&lab.client, CLIENT, SERVER, &[Hit::Tcp(9000), Hit::Tcp(9500)]);
    let both = |here: &str, there: &str| {
        wait_until(PATIENCE, || lab.read("here") == here && lab.read("there") == there)
    };
    assert!(both("start\n", "start\n"));

    // With the other's state directory, in a boot in which it would close what is in there.
    let boot = another_boot(&lab);
    let output = Launch { before: &boot, ..launch("second", &there) }.command(&lab).output().expect("ip");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("is used by another knockd: give this one a state_dir of its own"), "{said}");

    kill(first);
    let first = Launch { before: &boot, ..launch("first", &here) }.start(&lab);
    assert!(both("start\nstop\n", "start\n"), "{} and {}", lab.read("here"), lab.read("there"));
    first.settle(&lab);
    end(&mut second, Signal::TERM);
    assert!(both("start\nstop\n", "start\nstop\n"));
}

#[test]
fn a_door_that_is_not_configured_any_more_is_closed() {
    let Some(lab) = Lab::new("a_door_that_is_not_configured_any_more_is_closed") else { return };
    let daemon = Daemon::start(&lab, &noting_door(&lab, "cmd_timeout = 1"));
    opens(&lab, CLIENT, &[START]);
    kill(daemon);
    // Another door that needs the state directory.
    let other = noting_door(&lab, "cmd_timeout = 1").replace("[door]", "[other]").replace("7000", "7001");
    let _daemon = Daemon::start(&lab, &other);
    comes_to_note(&lab, &[START, STOP]);
    is_forgotten(&lab);
}

#[test]
fn a_damaged_record_of_leases_is_loud_and_kept_and_harms_no_other() {
    let Some(lab) = Lab::new("a_damaged_record_of_leases_is_loud_and_kept_and_harms_no_other") else {
        return;
    };
    let doors = noting_door(&lab, "cmd_timeout = 600");
    let daemon = Daemon::start(&lab, &doors);
    opens(&lab, CLIENT, &[START]);
    opens(&lab, OTHER, &[START, "start 192.0.2.3"]);
    kill(daemon);
    let mut bytes = record(&lab);
    // Within the first record's checksum.
    bytes[20] ^= 0x10;
    fs::write(state(&lab, "leases"), &bytes).expect("the record of leases");
    let mut daemon = start_in_another_boot(&lab, &doors);
    daemon.says("1 record(s) of open doors are damaged: look whether your firewall has doors open that nothing will close");
    comes_to_note(&lab, &[START, "start 192.0.2.3", "stop 192.0.2.3"]);
    let kept = fs::read(state(&lab, "leases.damaged")).expect("the damaged record should be kept");
    assert_eq!(kept, bytes[..kept.len()]);
    assert!(String::from_utf8_lossy(&kept).contains(&format!("address = \"{CLIENT}\"")));
    is_forgotten(&lab);
    assert_eq!(daemon.openings(&lab, "door"), 2);
    opens(&lab, CLIENT, &[START, "start 192.0.2.3", "stop 192.0.2.3", START]);
    assert!(daemon.runs());
}

#[test]
fn a_state_directory_that_cannot_be_written_is_refused_at_the_start() {
    let Some(lab) = Lab::new("a_state_directory_that_cannot_be_written_is_refused_at_the_start") else {
        return;
    };
    let doors = noting_door(&lab, "cmd_timeout = 600");
    drop(Daemon::start(&lab, &doors));
    let path = lab.path("knockd.state");
    let before = format!("mount --bind {0} {0} && mount -o remount,bind,ro {0} || exit", path.display());
    let output = Launch { before: &before, ..Launch::new(&doors) }.command(&lab).output().expect("ip");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let words = format!(
        "the state directory {} cannot be locked: Read-only file system (os error 30); name one that knockd can use \
         with state_dir",
        path.display()
    );
    assert!(said.contains(&words), "{said}");
}

#[test]
fn a_door_whose_lease_cannot_be_recorded_stays_shut() {
    for (call, error, number) in [
        ("pwrite64", "EIO", "os error 5"),
        ("pwrite64", "ENOSPC", "os error 28"),
        ("fdatasync", "EIO", "os error 5"),
        ("fdatasync", "ENOSPC", "os error 28"),
    ] {
        let Some(lab) = Lab::new("a_door_whose_lease_cannot_be_recorded_stays_shut") else { return };
        let mut daemon = Daemon::start(&lab, &noting_door(&lab, "cmd_timeout = 600"));
        let inject = format!("inject={call}:error={error}");
        let tracer = Tracer::attach_to_main(&lab, &daemon, &["-e", &format!("trace={call}"), "-e", &inject]);
        knock(&lab, CLIENT);
        daemon.says(&format!(
            "{CLIENT}: door: right sequence, but not opened: that the door has to be closed again cannot be recorded in \
             the state directory: "
        ));
        daemon.says(number);
        assert_eq!(daemon.openings(&lab, "door"), 0);
        assert_eq!(daemon.count("door: running command"), 0);
        drop(tracer);
        opens(&lab, CLIENT, &[START]);
        assert_eq!((daemon.openings(&lab, "door"), recorded(&lab)), (1, 1));
        end(&mut daemon, Signal::TERM);
        comes_to_note(&lab, &[START, STOP]);
    }
}
