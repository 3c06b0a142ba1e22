//! One-time sequences: which line is taken, that it is struck before its first hit, and that nothing is struck
//! in vain.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::support::{Catcher, KNOCK, Pad, Ran, Running, knock};

/// The announcements of the line that [`Pad::of`] puts at index `i`.
fn announced(verb: &str, i: u16) -> String {
    [1001, 1301, 1601].map(|base| format!("{verb} udp 127.0.0.1:{}\n", base + i)).concat()
}

fn struck(line: &str) -> String {
    format!("#{}", &line[1..])
}

#[test]
fn takes_the_lines_one_after_the_other() {
    let pad = Pad::of(20);
    for (i, flag) in [(0, "-f"), (1, "--file"), (2, "-f")] {
        let out = knock(["-v", flag, pad.arg(), "127.0.0.1"]).quietly();
        assert_eq!(out, announced("hitting", i));
        let expected =
            (0..20).map(|j| if j <= i { struck(&Pad::line(j)) } else { Pad::line(j) }).collect::<String>();
        assert_eq!(pad.text(), expected);
    }
}

#[test]
fn passes_over_struck_lines_comments_and_bad_lines() {
    let pad = Pad::new(
        "# my pad\n#1001:udp,1002:udp\n\n 1003,70000\n 7 000\n 1004:udp,1005:udp\n 1006,x\n 1007,1008\n",
    );
    let ran = pad.knock("-v 127.0.0.1");
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.out, "hitting udp 127.0.0.1:1004\nhitting udp 127.0.0.1:1005\n");
    let path = pad.arg();
    assert_eq!(
        ran.err,
        format!(
            "knock: {path}:4:7: port 70000 is out of range (1-65535); skipping this line\n\
             knock: {path}:5:2: `7 000` is not a port number; skipping this line\n\
             knock: {path}:7:7: `x` is not a port number; skipping this line\n\
             knock: 1 sequence left in {path}\n"
        )
    );
    assert!(pad.text().contains("\n#1004:udp,1005:udp\n 1006,x\n 1007,1008\n"), "{}", pad.text());
}

#[test]
fn the_line_is_struck_when_the_first_hit_arrives() {
    let catcher = Catcher::new();
    let line = format!(" {}:udp,1:udp,2:udp\n", catcher.port());
    let pad = Pad::new(line.clone() + &Pad::line(0));
    // The hits after the first are far away, so that a late strike is seen.
    let _running = Running::start(&["-d", "60000", "-f", pad.arg(), "127.0.0.1"]);
    catcher.hit();
    assert_eq!(pad.text(), struck(&line) + &Pad::line(0));
}

#[test]
fn the_lock_is_released_when_the_first_hit_arrives() {
    let catcher = Catcher::new();
    let pad = Pad::new(format!(" {}:udp,1:udp\n", catcher.port()));
    let _running = Running::start(&["-d", "60000", "-f", pad.arg(), "127.0.0.1"]);
    catcher.hit();
    fs2::FileExt::try_lock_exclusive(&File::open(pad.path()).unwrap()).unwrap();
}

/// A pad whose line would hit `catcher`.
fn pad_for(catcher: &Catcher) -> String {
    format!(" {0}:udp,{0}:udp\n", catcher.port())
}

#[cfg(unix)]
#[test]
fn nothing_is_sent_when_the_strike_fails() {
    let catcher = Catcher::new();
    let pad = Pad::new(pad_for(&catcher));
    // No file may grow beyond 0 bytes, and being told so is not deadly: every write to a file fails with EFBIG.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" -v -f \"$1\" 127.0.0.1", KNOCK, pad.arg()])
        .stdin(Stdio::null());
    crate::support::finish(command).refused(1, "a line could not be struck");
    catcher.assert_nothing();
    assert_eq!(pad.text(), pad_for(&catcher));
}

#[cfg(unix)]
#[test]
fn nothing_is_sent_when_the_pad_cannot_be_written() {
    let catcher = Catcher::new();
    let somebody = crate::support::Unprivileged::new();
    let pad = somebody.pad(&pad_for(&catcher), 0o400);
    let path = pad.to_str().unwrap();
    somebody.knock(["-v", "-f", path, "127.0.0.1"]).refused(1, &format!("knock: {path}: permission denied"));
    catcher.assert_nothing();
    assert_eq!(fs::read_to_string(&pad).unwrap(), pad_for(&catcher));
}

#[test]
fn a_pad_that_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    knock(["-v", "-f", path, "127.0.0.1"])
        .refused(1, &format!("knock: {path}: not a regular file but a directory"));
    let absent = folder.path().join("seqs");
    let path = absent.to_str().unwrap();
    knock(["-v", "-f", path, "127.0.0.1"]).refused(1, &format!("knock: {path}: there is no such file"));
    assert!(!absent.exists());
}

#[test]
fn a_host_that_cannot_be_reached_strikes_nothing() {
    let pad = Pad::of(3);
    for (host, message) in [
        ("nosuch.invalid", "cannot find the address of `nosuch.invalid`"),
        ("0.0.0.0", "unspecified address"),
        ("ff02::1", "multicast address"),
        ("fe80::1", "needs its interface"),
        ("-6 127.0.0.1", "has no IPv6 address"),
    ] {
        pad.knock(&format!("-v {host}")).refused(1, message);
        assert_eq!(pad.text(), Pad::of(3).text());
    }
}

#[test]
fn a_pad_that_stays_locked_is_given_up() {
    let catcher = Catcher::new();
    let pad = Pad::new(pad_for(&catcher));
    let holder = File::open(pad.path()).unwrap();
    fs2::FileExt::lock_exclusive(&holder).unwrap();
    pad.knock("-v 127.0.0.1").refused(1, "somebody else holds the lock on this file");
    catcher.assert_nothing();
    assert_eq!(pad.text(), pad_for(&catcher));
}

#[cfg(target_os = "linux")]
#[test]
fn a_pad_that_is_locked_for_a_moment_is_waited_for() {
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

    let pad = Pad::of(20);
    let holder = File::open(pad.path()).unwrap();
    fs2::FileExt::lock_exclusive(&holder).unwrap();
    let events = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    events.add_watch(pad.path(), AddWatchFlags::IN_OPEN | AddWatchFlags::IN_CLOSE_WRITE).unwrap();
    let mut child = Command::new(KNOCK)
        .args(["-v", "-f", pad.arg(), "127.0.0.1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Seen twice, it has found the pad locked once and tries again.
    let mut opened = 0;
    while opened < 2 {
        match events.read_events() {
            Ok(events) => opened += events.iter().filter(|e| e.mask.contains(AddWatchFlags::IN_OPEN)).count(),
            Err(_) => assert_eq!(child.try_wait().unwrap(), None, "the client gave up at once"),
        }
        std::thread::yield_now();
    }
    fs2::FileExt::unlock(&holder).unwrap();
    assert_eq!(Ran::from(child.wait_with_output().unwrap()).quietly(), announced("hitting", 0));
}

#[test]
fn twenty_at_once_take_twenty_lines() {
    let pad = Pad::of(31);
    let children: Vec<_> = (0..20)
        .map(|_| {
            Command::new(KNOCK)
                .args(["-v", "-d", "1", "-f", pad.arg(), "127.0.0.1"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let sent: BTreeSet<String> =
        children.into_iter().map(|child| Ran::from(child.wait_with_output().unwrap()).quietly()).collect();
    assert_eq!(sent, (0..20).map(|i| announced("hitting", i)).collect());
    let expected =
        (0..31).map(|i| if i < 20 { struck(&Pad::line(i)) } else { Pad::line(i) }).collect::<String>();
    assert_eq!(pad.text(), expected);
}

#[test]
fn says_how_many_are_left_when_fewer_than_ten() {
    let pad = Pad::of(11);
    assert_eq!(pad.knock("127.0.0.1").quietly(), "");
    for left in (1..=9).rev() {
        let ran = pad.knock("127.0.0.1");
        let noun = if left == 1 { "sequence" } else { "sequences" };
        assert_eq!((ran.code, ran.err), (Some(0), format!("knock: {left} {noun} left in {}\n", pad.arg())));
    }
    let ran = pad.knock("-v 127.0.0.1");
    assert_eq!((ran.code, ran.out), (Some(0), announced("hitting", 10)));
    let last = format!("knock: 0 sequences left in {}; make a new pad before the next knock\n", pad.arg());
    assert_eq!(ran.err, last);
}

#[test]
fn a_used_up_pad_ends_with_3() {
    for text in ["", "# a note\n\n", "#1,2,3\n#000,2\n"] {
        let pad = Pad::new(text);
        let message = format!("knock: no sequence is left in {}: make a new pad", pad.arg());
        pad.knock("-v 127.0.0.1").refused(3, &message);
        pad.knock("--dry-run 127.0.0.1").refused(3, &message);
        assert_eq!(pad.text(), text);
    }
}

#[test]
fn a_line_that_was_used_once_is_never_taken_again() {
    let pad = Pad::new("#1001:udp,1002:udp\n 1001:udp,1002:udp\n");
    pad.knock("-v 127.0.0.1").refused(3, "no sequence is left");
}

#[test]
fn an_unfinished_last_line_waits_until_it_is_settled() {
    let text = " 1001:udp,1002:udp";
    let pad = Pad::new(text);
    let touch = |age: Duration| {
        let file = File::options().write(true).open(pad.path()).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    touch(Duration::ZERO);
    pad.knock("-v 127.0.0.1").refused(3, "its last line, which has no newline at its end");
    assert_eq!(pad.text(), text);
    touch(Duration::from_secs(60));
    assert_eq!(pad.knock("-v 127.0.0.1").out, "hitting udp 127.0.0.1:1001\nhitting udp 127.0.0.1:1002\n");
    assert_eq!(pad.text(), struck(text));
}

#[cfg(unix)]
#[test]
fn a_pad_that_others_can_read_is_warned_of() {
    let pad = Pad::of(30);
    for mode in [0o640, 0o604] {
        pad.chmod(mode);
        let ran = pad.knock("127.0.0.1");
        let path = pad.arg();
        assert_eq!(ran.code, Some(0));
        assert_eq!(
            ran.err,
            format!(
                "knock: warning: others than you can read {path}, and knock with it; mend it with: chmod 600 {path}\n"
            )
        );
    }
    pad.chmod(0o600);
    pad.knock("127.0.0.1").quietly();
}

#[test]
fn dry_run_shows_the_next_line_and_strikes_nothing() {
    let catcher = Catcher::new();
    let pad = Pad::new(pad_for(&catcher) + &Pad::line(0));
    for _ in 0..2 {
        let ran = pad.knock("-v --dry-run 127.0.0.1");
        assert_eq!(ran.code, Some(0));
        assert_eq!(ran.out, format!("would hit udp 127.0.0.1:{}\n", catcher.port()).repeat(2));
        assert_eq!(ran.err, format!("knock: 2 sequences left in {}\n", pad.arg()));
    }
    catcher.assert_nothing();
    assert_eq!(pad.text(), pad_for(&catcher) + &Pad::line(0));
    let ten = Pad::of(10);
    assert_eq!(ten.knock("--dry-run 127.0.0.1").quietly(), announced("would hit", 0));
}

#[cfg(unix)]
#[test]
fn dry_run_needs_neither_lock_nor_permission_to_write() {
    let somebody = crate::support::Unprivileged::new();
    let path = somebody.pad(&Pad::of(20).text(), 0o400);
    let holder = File::open(&path).unwrap();
    fs2::FileExt::lock_exclusive(&holder).unwrap();
    let out = somebody.knock(["--dry-run", "-f", path.to_str().unwrap(), "127.0.0.1"]).quietly();
    assert_eq!(out, announced("would hit", 0));
}
