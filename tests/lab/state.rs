//! The state directory: one daemon's own, and only where it is needed.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::daemon::{Daemon, Launch};
use crate::doors::{door, pad, sequence};
use crate::net::{Lab, SERVER};
use crate::once::{knock_line, knock_next, reload};
use crate::pads::Pads;
use crate::wait::{PATIENCE, wait_until};

const STATIC: &str = "7000,8000,9000";

fn once_door(lab: &Lab) -> (Pads, String) {
    let pads = Pads::generate(lab, "ssh", 9, &[]);
    let door = door("ssh", &pad(&pads.server), "syn");
    (pads, door)
}

fn state_dir(lab: &Lab) -> PathBuf {
    lab.path("knockd.state")
}

/// Checks that a daemon with these doors does not start, and says this.
#[track_caller]
fn refuses(lab: &Lab, doors: &str, words: &str) {
    let said = File::create(lab.path("said")).expect("a file for what it says");
    let mut command = Launch::new(doors).command(lab);
    let mut daemon = command.stderr(said).spawn().expect("ip: install iproute2");
    let mut status = None;
    wait_until(PATIENCE, || {
        status = daemon.try_wait().expect("the state of our own child");
        status.is_some()
    });
    if status.is_none() {
        daemon.kill().expect("our own child");
        daemon.wait().expect("its end");
    }
    let said = lab.read("said");
    assert_eq!(status.and_then(|status| status.code()), Some(1), "{said}");
    let words = words.replace("DIR", state_dir(lab).to_str().expect("a path in UTF-8"));
    assert!(said.contains(&words), "not `{words}` but:\n{said}");
}

#[track_caller]
fn make_state_dir(lab: &Lab, mode: u32) {
    fs::create_dir(state_dir(lab)).expect("a new directory");
    fs::set_permissions(state_dir(lab), Permissions::from_mode(mode)).expect("its mode");
}

#[test]
fn a_state_directory_that_is_not_ours_alone_is_refused() {
    let Some(lab) = Lab::new("a_state_directory_that_is_not_ours_alone_is_refused") else { return };
    let (_, doors) = once_door(&lab);
    let path = state_dir(&lab);
    for mode in [0o755, 0o710, 0o701] {
        make_state_dir(&lab, mode);
        let words = format!("the state directory DIR is open to others (mode {mode:04o}): run chmod 700 DIR");
        refuses(&lab, &doors, &words);
        fs::remove_dir(&path).expect("nothing was put into it");
    }
    make_state_dir(&lab, 0o700);
    chown(&path, Some(12_345), None).expect("another owner");
    refuses(
        &lab,
        &doors,
        "the state directory DIR belongs to user 12345, but knockd runs as user 0: run chown 0 DIR",
    );
    fs::remove_dir(&path).expect("nothing was put into it");

    let real = lab.path("real");
    fs::create_dir(&real).expect("a directory");
    fs::set_permissions(&real, Permissions::from_mode(0o700)).expect("its mode");
    symlink(&real, &path).expect("a link");
    refuses(&lab, &doors, "the state directory DIR is a symbolic link; move that away");
    assert_eq!(fs::read_dir(&real).expect("a directory").count(), 0, "the link was followed");
    fs::remove_file(&path).expect("the link");

    fs::write(&path, "").expect("a file");
    refuses(&lab, &doors, "the state directory DIR is not a directory; move that away");
    fs::remove_file(&path).expect("the file");
    drop(Daemon::start(&lab, &doors));
    let mode = fs::metadata(&path).expect("the daemon should have made it").permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn a_reload_that_would_need_an_unusable_state_directory_changes_nothing() {
    let test = "a_reload_that_would_need_an_unusable_state_directory_changes_nothing";
    let Some(lab) = Lab::new(test) else { return };
    make_state_dir(&lab, 0o755);
    let (pads, once) = once_door(&lab);
    let fixed = door("fixed", &sequence(STATIC), "syn");
    let daemon = Daemon::start(&lab, &fixed);
    daemon.rewrite(&(fixed + &once));
    reload(&lab, &daemon);
    daemon.says("is open to others (mode 0755)");
    daemon.says("; the daemon goes on as before");
    knock_line(&lab, &pads, 0);
    lab.knock(&[SERVER, "7000", "8000", "9000"]);
    assert_eq!((daemon.openings(&lab, "ssh"), daemon.openings(&lab, "fixed")), (0, 1));

    fs::set_permissions(state_dir(&lab), Permissions::from_mode(0o700)).expect("its mode");
    reload(&lab, &daemon);
    knock_line(&lab, &pads, 1);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the new door does not open");
}

#[test]
fn a_second_daemon_needs_a_state_directory_of_its_own() {
    let Some(lab) = Lab::new("a_second_daemon_needs_a_state_directory_of_its_own") else { return };
    let (pads, doors) = once_door(&lab);
    let mut daemon = Daemon::start(&lab, &doors);
    refuses(
        &lab,
        &doors,
        "the state directory DIR is used by another knockd: give this one a state_dir of its own",
    );
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the first daemon was disturbed");
    assert!(daemon.runs());
    drop(daemon);
    drop(Daemon::start(&lab, &doors));
}

#[test]
fn static_doors_need_no_state_directory_and_make_none() {
    let Some(lab) = Lab::new("static_doors_need_no_state_directory_and_make_none") else { return };
    let doors = door("fixed", &sequence(STATIC), "syn");
    let opens = |daemon: &Daemon| {
        let already = daemon.openings(&lab, "fixed");
        lab.knock(&[SERVER, "7000", "8000", "9000"]);
        assert_eq!(daemon.openings(&lab, "fixed"), already + 1);
    };
    let daemon = Daemon::start(&lab, &doors);
    opens(&daemon);
    reload(&lab, &daemon);
    assert!(!state_dir(&lab).exists(), "a state directory was made");
    drop(daemon);
    make_state_dir(&lab, 0o777);
    opens(&Daemon::start(&lab, &doors));
    assert_eq!(fs::read_dir(state_dir(&lab)).expect("the directory").count(), 0, "the directory was used");
}

#[test]
fn a_damaged_record_of_spent_lines_is_refused() {
    let Some(lab) = Lab::new("a_damaged_record_of_spent_lines_is_refused") else { return };
    let (pads, doors) = once_door(&lab);
    let daemon = Daemon::start(&lab, &doors);
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    drop(daemon);
    let path = state_dir(&lab).join("spent");
    let whole = fs::read(&path).expect("the record");
    for (offset, what) in [
        (0, "is damaged (it does not begin as a record of spent lines does): move it away"),
        (12, "has format 0, and this knockd knows only format 1: use the knockd that wrote it"),
        (20, "is damaged (its checksum is wrong): move it away"),
        (50, "is damaged (its checksum is wrong): move it away"),
    ] {
        let mut bytes = whole.clone();
        bytes[offset] ^= 1;
        fs::write(&path, bytes).expect("the record");
        refuses(&lab, &doors, &format!("DIR/spent {what}"));
    }
    fs::write(&path, &whole[..40]).expect("the record");
    refuses(&lab, &doors, "DIR/spent is damaged (it is too short): move it away");

    fs::write(&path, whole).expect("the record");
    let daemon = Daemon::start(&lab, &doors);
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 2, "the next line did not open");
}

/// Writes until not a byte more fits.
fn fill(path: &Path) {
    let mut file = File::create(path).expect("a file");
    for size in [1 << 16, 1 << 12, 1] {
        while file.write(&vec![b'x'; size]).is_ok() {}
    }
    fs::write(path.with_extension("more"), "x").expect_err("the disk should be full");
}

#[test]
fn a_full_disk_shuts_nobody_out() {
    let Some(lab) = Lab::new("a_full_disk_shuts_nobody_out") else { return };
    let pads = Pads::generate(&lab, "ssh", 9, &[]);
    let (disk, state) = (lab.path("disk"), state_dir(&lab));
    fs::create_dir(&disk).expect("a mount point");
    make_state_dir(&lab, 0o700);
    // Seen by the daemon and what it starts alone, and gone with it.
    let before = format!(
        "set -e; mount -t tmpfs -o size=1m none {disk}; cp -p {pad} {disk}/pad; mkdir -m 700 {disk}/state; \
         mount --bind {disk}/state {state}; set +e",
        disk = disk.display(),
        pad = pads.server.display(),
        state = state.display()
    );
    let doors = door("ssh", &pad(&disk.join("pad")), "syn");
    let daemon = Launch { before: &before, ..Launch::new(&doors) }.start(&lab);
    let disk = PathBuf::from(format!("/proc/{}/root{}", daemon.pid(), disk.display()));
    assert!(disk.join("state/spent").exists(), "the state is not on the small disk");
    fill(&disk.join("filler"));
    for line in 0..3 {
        knock_next(&lab, &pads);
        assert_eq!(daemon.openings(&lab, "ssh"), line + 1, "line {line} did not open on a full disk");
        fs::copy(disk.join("pad"), &pads.server).expect("the daemon's pad");
        pads.server_has_struck(line + 1);
    }
    knock_line(&lab, &pads, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 3, "a used line opened on a full disk");
}
