//! A machine on which nothing can be written any more: the disk is full, the log's directory is gone.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process;

use rustix::process::Signal;

use crate::daemon::{Daemon, Launch};
use crate::doors::sequence;
use crate::net::{CLIENT, Lab, SERVER};
use crate::once::{knock_line, knock_next};
use crate::pads::Pads;
use crate::tail::Tail;
use crate::wait::PATIENCE;

pub(crate) const STATIC: &str = "7000,8000,9000";

pub(crate) fn knock_static(lab: &Lab) {
    lab.knock(&["-d", "1", SERVER, "7000", "8000", "9000"]);
}

/// A door that tells of its commands in a file, and is closed after so many seconds.
pub(crate) fn leased(lab: &Lab, name: &str, trigger: &str, seconds: u32) -> String {
    let told = lab.path("told");
    let tell = |what: &str| format!("echo {what} $KNOCK_DOOR $KNOCK_IP >>{}", told.display());
    format!(
        "\n[{name}]\n    {trigger}\n    tcpflags = syn\n    start_command = {}\n    cmd_timeout = {seconds}\n    \
         stop_command = {}\n",
        tell("start"),
        tell("stop")
    )
}

/// A full disk with all that a daemon writes on it: its state, a pad, and its log.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Starts the daemon with such a disk of its own, which is gone with the last process that sees it.
    fn start(lab: &Lab, pads: &Pads, doors: impl Fn(&Path) -> String) -> (Self, Daemon) {
        let (disk, state) = (lab.path("disk"), lab.path("knockd.state"));
        fs::create_dir(&disk).expect("a mount point");
        fs::create_dir(&state).expect("a mount point");
        fs::set_permissions(&state, Permissions::from_mode(0o700)).expect("its mode");
        // The log is found through this process, from inside and outside of its mounts.
        let before = format!(
            "set -e; mount -t tmpfs -o size=512k none {disk}; cp -p {pad} {disk}/pad; mkdir -m 700 {disk}/state; \
             mount --bind {disk}/state {state}; ln -s /proc/$$/root{disk}/log {log}",
            disk = disk.display(),
            pad = pads.server.display(),
            state = state.display(),
            log = lab.path("knockd.log").display(),
        );
        let daemon = Launch { before: &before, ..Launch::new(&doors(&disk)) }.start(lab);
        let path = PathBuf::from(format!("/proc/{}/root{}", daemon.pid(), disk.display()));
        assert!(path.join("state/leases").exists(), "the state is not on the small disk");
        (Self { path }, daemon)
    }

    /// Writes until not a byte more fits, not even into what was given to the log already.
    fn fill(&self) {
        for name in ["filler", "log"] {
            let mut file =
                File::options().append(true).create(true).open(self.path.join(name)).expect("a file");
            for size in [1 << 16, 1 << 12, 1] {
                while file.write(&vec![b'\n'; size]).is_ok() {}
            }
        }
    }
}

#[test]
fn a_full_disk_with_the_log_on_it_opens_and_closes_doors() {
    let Some(lab) = Lab::new("a_full_disk_with_the_log_on_it_opens_and_closes_doors") else { return };
    let pads = Pads::generate(&lab, "ssh", 12, &[]);
    let (disk, mut daemon) = SmallDisk::start(&lab, &pads, |disk| {
        let once = format!("one_time_sequences = {}", disk.join("pad").display());
        leased(&lab, "ssh", &once, 1) + &leased(&lab, "fixed", &sequence(STATIC), 600)
    });
    let mut told = Tail::new(&lab.path("told"));
    let mut said = Tail::new(&lab.path("knockd.out"));
    disk.fill();
    let log = daemon.log();
    for line in 0..3 {
        knock_next(&lab, &pads);
        told.awaits(&format!("start ssh {CLIENT}\n"), 1);
        told.awaits(&format!("stop ssh {CLIENT}\n"), 1);
        fs::copy(disk.path.join("pad"), &pads.server).expect("the daemon's pad");
        pads.server_has_struck(line + 1);
    }
    // A used line opens nothing: the door beside it is the next thing that happens.
    knock_line(&lab, &pads, 0);
    knock_static(&lab);
    assert!(told.awaits_within(PATIENCE, "fixed", 1).is_some(), "the other door did not open");
    assert_eq!(lab.read("told").matches("start ssh").count(), 3, "a used line opened on a full disk");
    daemon.signal(Signal::HUP);
    said.awaits("re-reading config file", 1);
    said.awaits("nothing has changed", 1);
    assert!(daemon.runs());
    assert_eq!(daemon.log(), log, "the log's disk was not full");

    fs::remove_file(disk.path.join("filler")).expect("the filler");
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the log is not written again");
    told.awaits(&format!("stop ssh {CLIENT}\n"), 1);
    daemon.signal(Signal::TERM);
    assert!(daemon.ends_within(PATIENCE).expect("the daemon should end").success());
    told.awaits(&format!("stop fixed {CLIENT}\n"), 1);
}

#[test]
fn a_door_opened_on_a_full_disk_is_closed_after_a_crash() {
    let Some(lab) = Lab::new("a_door_opened_on_a_full_disk_is_closed_after_a_crash") else { return };
    let pads = Pads::generate(&lab, "ssh", 3, &[]);
    let doors = |disk: &Path| {
        let once = format!("one_time_sequences = {}", disk.join("pad").display());
        leased(&lab, "ssh", &once, 2)
    };
    let (disk, daemon) = SmallDisk::start(&lab, &pads, doors);
    let mounts = File::open(format!("/proc/{}/ns/mnt", daemon.pid())).expect("the daemon's mounts");
    let mut told = Tail::new(&lab.path("told"));
    disk.fill();
    knock_next(&lab, &pads);
    told.awaits(&format!("start ssh {CLIENT}\n"), 1);
    drop(daemon);

    // Another name, for a log that has room.
    let state = lab.path("again.state");
    fs::create_dir(&state).expect("a mount point");
    let before = format!(
        "exec nsenter --mount=/proc/{}/fd/{} sh -ec 'mount --bind {} {}; exec \"$@\"' sh \"$@\"",
        process::id(),
        mounts.as_raw_fd(),
        lab.path("knockd.state").display(),
        state.display(),
    );
    let doors = doors(&lab.path("disk"));
    let daemon = Launch { name: "again", before: &before, ..Launch::new(&doors) }.start(&lab);
    told.awaits(&format!("stop ssh {CLIENT}\n"), 1);
    knock_line(&lab, &pads, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "a line that was used on a full disk opened after a crash");
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the next line did not open");
    told.awaits(&format!("stop ssh {CLIENT}\n"), 1);
}

#[test]
fn a_log_directory_that_is_gone_is_told_of_and_keeps_nobody_out() {
    let test = "a_log_directory_that_is_gone_is_told_of_and_keeps_nobody_out";
    let Some(lab) = Lab::new(test) else { return };
    let logs = lab.path("logs");
    fs::create_dir(&logs).expect("a directory");
    symlink(logs.join("log"), lab.path("knockd.log")).expect("a link");
    let doors = leased(&lab, "fixed", &sequence(STATIC), 1);
    // Without -v, so that only what is meant for the administrator reaches the terminal.
    let mut daemon = Launch { args: &["-i", "eth0"], ..Launch::new(&doors) }.start(&lab);
    let (mut told, mut said) = (Tail::new(&lab.path("told")), Tail::new(&lab.path("knockd.out")));
    let mut opens = || {
        knock_static(&lab);
        told.awaits(&format!("start fixed {CLIENT}\n"), 1);
        told.awaits(&format!("stop fixed {CLIENT}\n"), 1);
    };
    opens();
    fs::remove_dir_all(&logs).expect("the directory");
    opens();
    daemon.signal(Signal::HUP);
    said.awaits("the log file ", 1);
    said.awaits(" cannot be opened: No such file or directory", 1);
    said.awaits("; the daemon goes on as before\n", 1);
    opens();
    assert!(daemon.runs());
    fs::create_dir(&logs).expect("a directory");
    daemon.signal(Signal::HUP);
    daemon.says("reloaded: ");
    opens();
    assert_eq!(daemon.openings(&lab, "fixed"), 1, "it does not log to the new file");
}
