//! Spent lines: no way of bringing an old copy of a pad back revives one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use fs2::FileExt;
use rustix::process::Signal;

use crate::daemon::Daemon;
use crate::doors::{door, pad};
use crate::net::Lab;
use crate::once::{knock_line, knock_next, reload, replay};
use crate::pads::Pads;
use crate::programs;
use crate::wait::PATIENCE;

/// How an old copy comes back.
type Way = fn(path: &Path, text: &str);

const WAYS: [(&str, Way); 6] = [
    ("an editor", editor),
    ("over the old text", in_place),
    ("a copy", copy),
    ("a copy that takes its time", slow_copy),
    ("a backup that is moved", backup),
    ("deleted and made again", again),
];

fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Writes another file and renames it over the pad, as editors do.
fn editor(path: &Path, text: &str) {
    fs::write(beside(path), text).expect("a new file");
    fs::rename(beside(path), path).expect("a rename");
}

/// The same inode and the same length.
fn in_place(path: &Path, text: &str) {
    let mut file = File::options().write(true).open(path).expect("the pad");
    assert_eq!(file.metadata().expect("the pad").len(), text.len() as u64);
    file.write_all(text.as_bytes()).expect("the pad");
}

/// The same inode, as `cp` and `scp` do.
fn copy(path: &Path, text: &str) {
    fs::write(path, text).expect("the pad");
}

/// The same in two pieces, the first of which ends within a line.
fn slow_copy(path: &Path, text: &str) {
    let (first, rest) = text.split_at(text.len() / 2 + 3);
    let mut file = File::create(path).expect("the pad");
    file.write_all(first.as_bytes()).expect("the pad");
    file.sync_all().expect("the pad");
    file.write_all(rest.as_bytes()).expect("the pad");
}

/// Moves a file over the pad that is as old as the pad was when it was new.
fn backup(path: &Path, text: &str) {
    fs::write(beside(path), text).expect("a new file");
    let file = File::options().write(true).open(beside(path)).expect("the new file");
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("its time");
    fs::rename(beside(path), path).expect("a rename");
}

fn again(path: &Path, text: &str) {
    fs::remove_file(path).expect("the pad");
    fs::write(path, text).expect("a new pad");
}

/// A pad whose old copies can be told apart: each has another line that is no sequence, of which the log complains.
struct Copies {
    text: String,
    lines: usize,
    next: usize,
}

impl Copies {
    const MOST: usize = 24;

    /// Adds to the pad's files what the copies need.
    fn of(pads: &Pads) -> Copies {
        let text = fs::read_to_string(&pads.server).expect("the pad");
        let copies = Copies { lines: text.lines().count(), text, next: 0 };
        fs::write(&pads.server, copies.text(Copies::MOST)).expect("the pad");
        copies
    }

    fn text(&self, bad: usize) -> String {
        let end = (0..Copies::MOST).map(|line| if line == bad { " zz\n" } else { "#zz\n" });
        self.text.clone() + &end.collect::<String>()
    }

    /// The pad as it was, and how the log shows that the daemon has read this very copy.
    fn next(&mut self, path: &Path) -> (String, String) {
        let text = self.text(self.next);
        self.next += 1;
        (text, format!("{}:{}:", path.display(), self.lines + self.next))
    }
}

fn started(test: &str, lines: usize) -> Option<(Lab, Pads, Copies, String)> {
    let lab = Lab::new(test)?;
    let pads = Pads::generate(&lab, "ssh", lines, &[]);
    let copies = Copies::of(&pads);
    let door = door("ssh", &pad(&pads.server), "syn");
    Some((lab, pads, copies, door))
}

/// Ends the daemon in an orderly way.
#[track_caller]
fn stop(mut daemon: Daemon) {
    daemon.signal(Signal::TERM);
    assert!(daemon.ends_within(PATIENCE).expect("the daemon should end").success());
}

/// Uses a line up and skips the one before it; brings an old copy back in each way; knocks with all lines that were
/// used or skipped so far.
fn bring_back(test: &str, mut bring: impl FnMut(&Lab, Daemon, &str, &mut dyn FnMut()) -> Daemon) {
    let Some((lab, pads, mut copies, door)) = started(test, 2 * WAYS.len() + 6) else { return };
    let mut daemon = Daemon::start(&lab, &door);
    for (round, (name, way)) in WAYS.iter().enumerate() {
        let used = 2 * (round + 1);
        pads.lose(used - 1);
        knock_next(&lab, &pads);
        assert_eq!(daemon.openings(&lab, "ssh"), round + 1, "{name}: the next unused line did not open");
        let (text, sign) = copies.next(&pads.server);
        daemon = bring(&lab, daemon, &door, &mut || way(&pads.server, &text));
        daemon.says(&sign);
        replay(&lab, &pads, 0..used);
        assert_eq!(daemon.openings(&lab, "ssh"), round + 1, "{name}: a line that was used or skipped opened");
    }
    knock_line(&lab, &pads, 2 * WAYS.len());
    assert_eq!(daemon.openings(&lab, "ssh"), WAYS.len() + 1, "the next unused line did not open");
}

#[test]
fn an_old_copy_revives_no_line() {
    bring_back("an_old_copy_revives_no_line", |_, daemon, _, bring| {
        bring();
        daemon
    });
}

#[test]
fn an_old_copy_and_a_reload_revive_no_line() {
    bring_back("an_old_copy_and_a_reload_revive_no_line", |lab, daemon, _, bring| {
        bring();
        reload(lab, &daemon);
        daemon
    });
}

#[test]
fn an_old_copy_and_a_crash_revive_no_line() {
    bring_back("an_old_copy_and_a_crash_revive_no_line", |lab, daemon, door, bring| {
        bring();
        drop(daemon);
        Daemon::start(lab, door)
    });
}

#[test]
fn an_old_copy_that_comes_while_the_daemon_is_down_revives_no_line() {
    let test = "an_old_copy_that_comes_while_the_daemon_is_down_revives_no_line";
    bring_back(test, |lab, daemon, door, bring| {
        stop(daemon);
        bring();
        Daemon::start(lab, door)
    });
}

/// Lets a strike fail, and shows that the line stays used when the pad is as it was.
fn strike_fails<T>(
    test: &str,
    complaint: &str,
    fail: impl FnOnce(&Lab, &Pads, &Daemon) -> T,
    mend: impl FnOnce(T, &Pads, &Daemon),
) {
    let Some((lab, pads, mut copies, door)) = started(test, 8) else { return };
    let mut daemon = Daemon::start(&lab, &door);
    let failing = fail(&lab, &pads, &daemon);
    pads.lose(1);
    knock_next(&lab, &pads);
    daemon.says(&format!("ssh: right sequence, but not opened: {}: {complaint}", pads.server.display()));
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "a line that could not be struck opened the door");
    mend(failing, &pads, &daemon);

    for restart in [false, true] {
        let (text, sign) = copies.next(&pads.server);
        copy(&pads.server, &text);
        if restart {
            stop(daemon);
            daemon = Daemon::start(&lab, &door);
        } else {
            reload(&lab, &daemon);
        }
        daemon.says(&sign);
        replay(&lab, &pads, 0..2);
        assert_eq!(
            daemon.openings(&lab, "ssh"),
            0,
            "a line that could not be struck opened later: {restart}"
        );
    }
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the next line did not open");
}

#[test]
fn lines_of_a_pad_that_was_gone_stay_used() {
    let gone = |_: &Lab, pads: &Pads, daemon: &Daemon| {
        fs::remove_file(&pads.server).expect("the pad");
        daemon.says("ssh: the door stays shut: ");
    };
    let test = "lines_of_a_pad_that_was_gone_stay_used";
    strike_fails(test, "there is no such file", gone, |(), _, _| {});
}

#[test]
fn lines_of_a_pad_that_somebody_held_locked_stay_used() {
    let lock = |_: &Lab, pads: &Pads, _: &Daemon| {
        let stranger = File::open(&pads.server).expect("the pad");
        FileExt::lock_exclusive(&stranger).expect("a lock that nobody has");
        stranger
    };
    let test = "lines_of_a_pad_that_somebody_held_locked_stay_used";
    strike_fails(test, "somebody else holds the lock", lock, |stranger, _, _| drop(stranger));
}

#[test]
fn lines_of_a_pad_that_was_read_only_stay_used() {
    let in_its_mounts = |daemon: &Daemon, script: &str, path: &Path| {
        let mut command = Command::new("nsenter");
        command.args(["-t", &daemon.pid().to_string(), "-m", "sh", "-ec", script, "sh"]).arg(path);
        assert!(command.status().expect("nsenter: install util-linux").success(), "{script}");
    };
    let mount = |_: &Lab, pads: &Pads, daemon: &Daemon| {
        let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"";
        in_its_mounts(daemon, script, &pads.server);
    };
    let test = "lines_of_a_pad_that_was_read_only_stay_used";
    strike_fails(test, "on a read-only file system", mount, |(), pads, daemon| {
        in_its_mounts(daemon, "umount \"$1\"", &pads.server);
    });
}

/// Moves what a line could be remembered for, the name of its door or the place of its pad, while the daemon runs and
/// while it does not, forth and back.
fn moved(test: &str, move_it: impl Fn(&Pads, &str, usize) -> (String, PathBuf)) {
    let Some((lab, pads, mut copies, door)) = started(test, 12) else { return };
    let mut daemon = Daemon::start(&lab, &door);
    pads.lose(1);
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    let mut used = 2;
    for (round, restart) in [false, false, true, true].into_iter().enumerate() {
        let (doors, path) = move_it(&pads, &door, round + 1);
        let (text, sign) = copies.next(&path);
        if restart {
            stop(daemon);
            fs::write(&path, &text).expect("a pad");
            daemon = Daemon::start(&lab, &doors);
        } else {
            fs::write(&path, &text).expect("a pad");
            daemon.rewrite(&doors);
            reload(&lab, &daemon);
        }
        daemon.says(&sign);
        replay(&lab, &pads, 0..used);
        let opened = |daemon: &Daemon| daemon.count("OPEN SESAME") - daemon.count("watchman: OPEN SESAME");
        daemon.settle(&lab);
        assert_eq!(opened(&daemon), round + 1, "round {round}: a used line opened");
        knock_next(&lab, &pads);
        daemon.settle(&lab);
        assert_eq!(opened(&daemon), round + 2, "round {round}: the next line did not open");
        used += 1;
    }
}

#[test]
fn another_name_for_the_door_revives_no_line() {
    moved("another_name_for_the_door_revives_no_line", |pads, door, round| {
        let name = if round % 2 == 1 { "[renamed]" } else { "[ssh]" };
        (door.replace("[ssh]", name), pads.server.clone())
    });
}

#[test]
fn another_place_for_the_pad_revives_no_line() {
    moved("another_place_for_the_pad_revives_no_line", |pads, door, round| {
        let path = if round % 2 == 1 { pads.server.with_extension("moved") } else { pads.server.clone() };
        (door.replace(pads.server.to_str().expect("a path in UTF-8"), path.to_str().expect("the same")), path)
    });
}

/// Strikes made by others, which the daemon sees only in the file.
#[test]
fn an_old_copy_revives_no_line_that_others_have_struck() {
    let test = "an_old_copy_revives_no_line_that_others_have_struck";
    let Some((lab, pads, mut copies, door)) = started(test, 9) else { return };
    let client = |pad: &Path| {
        lab.client
            .succeeds(Command::new(programs::knock()).args(["-d", "1", "-f"]).arg(pad).arg("127.0.0.1"));
    };
    // By the client on this very file; by hand with a `#` put before the line, and with one put over its blank; as
    // knockd 0.8 does, over the first digit.
    let original =
        copies.text.replacen(&format!("{}\n", pads.line(3)), &format!("{}\n", pads.line(3).trim()), 1);
    copies.text.clone_from(&original);
    fs::write(&pads.server, copies.text(Copies::MOST)).expect("the pad");
    client(&pads.server);
    let text = fs::read_to_string(&pads.server).expect("the pad");
    let by_hand = |line: &str, to: &str, text: &str| {
        let struck = text.replacen(&format!("\n{line}\n"), &format!("\n{to}\n"), 1);
        assert_ne!(struck, text);
        struck
    };
    let text = by_hand(pads.line(1), &format!("#{}", pads.line(1)), &text);
    let text = by_hand(pads.line(2), &format!("#{}", &pads.line(2)[1..]), &text);
    let text = by_hand(pads.line(3).trim(), &format!("#{}", &pads.line(3).trim()[1..]), &text);
    fs::write(&pads.server, text).expect("the pad");

    let mut daemon = Daemon::start(&lab, &door);
    // Struck while the daemon runs.
    client(&pads.server);
    reload(&lab, &daemon);
    for restart in [false, true] {
        let (text, sign) = copies.next(&pads.server);
        if restart {
            stop(daemon);
            copy(&pads.server, &text);
            daemon = Daemon::start(&lab, &door);
        } else {
            editor(&pads.server, &text);
        }
        daemon.says(&sign);
        replay(&lab, &pads, 0..5);
        assert_eq!(daemon.openings(&lab, "ssh"), 0, "a line that others have struck opened: {restart}");
    }
    knock_line(&lab, &pads, 5);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the next line did not open");
}
