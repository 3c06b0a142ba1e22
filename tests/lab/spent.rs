//! Spent lines: no way of bringing an old copy of a pad back revives one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use fs2::FileExt;
use rustix::process::Signal;

use crate::copies::{Copies, WAYS, copy, editor};
use crate::daemon::Daemon;
use crate::doors::{door, pad};
use crate::net::Lab;
use crate::once::{knock_line, knock_next, reload, replay};
use crate::pads::Pads;
use crate::programs;
use crate::wait::PATIENCE;

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
        let (old, sign) = copies.next(&pads.server);
        daemon = bring(&lab, daemon, &door, &mut || way(&pads.server, &old));
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
        let (old, sign) = copies.next(&pads.server);
        copy(&pads.server, &old);
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
    for (round, restart) in [false, false, true, true].into_iter().enumerate() {
        let (doors, path) = move_it(&pads, &door, round + 1);
        let (old, sign) = copies.next(&path);
        if restart {
            stop(daemon);
            fs::write(&path, &old).expect("a pad");
            daemon = Daemon::start(&lab, &doors);
        } else {
            fs::write(&path, &old).expect("a pad");
            daemon.rewrite(&doors);
            reload(&lab, &daemon);
        }
        daemon.says(&sign);
        replay(&lab, &pads, 0..round + 2);
        let opened = |daemon: &Daemon| daemon.count("OPEN SESAME") - daemon.count("watchman: OPEN SESAME");
        daemon.settle(&lab);
        assert_eq!(opened(&daemon), round + 1, "round {round}: a used line opened");
        knock_next(&lab, &pads);
        daemon.settle(&lab);
        assert_eq!(opened(&daemon), round + 2, "round {round}: the next line did not open");
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
    // The fourth begins with a digit.
    let digits = copies.text.replacen(pads.line(3), pads.line(3).trim(), 1);
    copies.text = digits;
    fs::write(&pads.server, copies.text(Copies::MOST)).expect("the pad");
    // By the client on this very file; by hand with a `#` put before the line, and with one put over its blank; as
    // knockd 0.8 does, over the first digit.
    client(&pads.server);
    let mut struck = fs::read_to_string(&pads.server).expect("the pad");
    for (line, to) in [
        (pads.line(1), format!("#{}", pads.line(1))),
        (pads.line(2), format!("#{}", &pads.line(2)[1..])),
        (pads.line(3).trim(), format!("#{}", &pads.line(3).trim()[1..])),
    ] {
        let by_hand = struck.replacen(&format!("\n{line}\n"), &format!("\n{to}\n"), 1);
        assert_ne!(by_hand, struck);
        struck = by_hand;
    }
    fs::write(&pads.server, struck).expect("the pad");

    let mut daemon = Daemon::start(&lab, &door);
    // Struck while the daemon runs.
    client(&pads.server);
    reload(&lab, &daemon);
    for restart in [false, true] {
        let (old, sign) = copies.next(&pads.server);
        if restart {
            stop(daemon);
            copy(&pads.server, &old);
            daemon = Daemon::start(&lab, &door);
        } else {
            editor(&pads.server, &old);
        }
        daemon.says(&sign);
        replay(&lab, &pads, 0..5);
        assert_eq!(daemon.openings(&lab, "ssh"), 0, "a line that others have struck opened: {restart}");
    }
    knock_line(&lab, &pads, 5);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the next line did not open");
}
