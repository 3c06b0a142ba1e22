//! Pads that run dry, grow, are replaced, go and come back while the daemon runs.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use seqgen::pad::SETTLED;

use crate::both::Both;
use crate::daemon::Daemon;
use crate::doors::door;
use crate::net::{Lab, SERVER};
use crate::once::{knock_line, knock_next, reload};
use crate::pads::Pads;
use crate::people::{directory, of_directory, person};
use crate::programs;
use crate::tail::Tail;

/// How soon a change is to be noticed.
const SOON: Duration = Duration::from_secs(2);

fn started(lab: &Lab) -> (Daemon, Tail) {
    let daemon = Daemon::start(lab, &door("ssh", &of_directory(lab), "syn"));
    let log = daemon.tail();
    (daemon, log)
}

/// Waits for the daemon to say how many lines a pad has, which it says only when they are few, and to arm them.
#[track_caller]
fn has_left(lab: &Lab, (daemon, log): (&Daemon, &mut Tail), pad: &Path, left: usize) {
    let pad = pad.display();
    let words = match left {
        0 => format!("ssh: no sequence left in {pad}\n"),
        1 => format!("ssh: 1 sequence left in {pad}: it is time to append more\n"),
        _ => format!("ssh: {left} sequences left in {pad}: it is time to append more\n"),
    };
    assert!(log.awaits_within(SOON, &words, 1).is_some(), "not said in time: {words}");
    daemon.arms(lab);
}

/// Knocks with a line that opens, and waits until the daemon has done all that follows.
#[track_caller]
fn opens(lab: &Lab, (daemon, log): (&Daemon, &mut Tail), name: &str, pads: &Pads, line: usize) {
    knock_line(lab, pads, line);
    log.awaits(&format!("ssh: OPEN SESAME ({name})\n"), 1);
    daemon.settle(lab);
}

fn append(pad: &Path, text: &str) {
    let mut file = File::options().append(true).open(pad).expect("the pad");
    file.write_all(text.as_bytes()).expect("the pad");
}

#[test]
fn a_pad_that_runs_dry_warns_sleeps_and_is_woken_by_new_lines() {
    let test = "a_pad_that_runs_dry_warns_sleeps_and_is_woken_by_new_lines";
    let Some(lab) = Lab::new(test) else { return };
    let [alice, bob] = [("alice", 7), ("bob", 20)].map(|(name, lines)| person(&lab, name, lines));
    let (daemon, mut log) = started(&lab);
    for line in 0..7 {
        knock_next(&lab, &alice);
        log.awaits("ssh: OPEN SESAME (alice)\n", 1);
        if line > 0 {
            has_left(&lab, (&daemon, &mut log), &alice.server, 6 - line);
        }
    }
    daemon.settle(&lab);
    assert_eq!(daemon.count("left in"), 6, "one warning for each number of lines that are left");
    opens(&lab, (&daemon, &mut log), "bob", &bob, 0);

    let mut seqgen = Command::new(programs::seqgen());
    lab.server.succeeds(seqgen.args(["-n", "2", "--append"]).arg(&alice.server));
    has_left(&lab, (&daemon, &mut log), &alice.server, 2);
    let appended = fs::read_to_string(&alice.server).expect("the pad");
    for (line, left) in appended.lines().skip(7).zip([1, 0]) {
        let ports: Vec<_> = line.trim().split(',').collect();
        lab.knock(&[&["-d", "1", SERVER], &ports[..]].concat());
        log.awaits("ssh: OPEN SESAME (alice)\n", 1);
        has_left(&lab, (&daemon, &mut log), &alice.server, left);
    }
    let more = ["1000", "3000", "2000", "5000", "4000"];
    append(&alice.server, &format!(" {}\n", more.join(",")));
    has_left(&lab, (&daemon, &mut log), &alice.server, 1);
    lab.knock(&[&["-d", "1", SERVER], &more[..]].concat());
    log.awaits("ssh: OPEN SESAME (alice)\n", 1);
    opens(&lab, (&daemon, &mut log), "bob", &bob, 1);
    for line in 0..7 {
        knock_line(&lab, &alice, line);
    }
    daemon.settle(&lab);
    assert_eq!(daemon.count("OPEN SESAME (alice)"), 10, "a used line opened");
}

/// Appends text without a newline and knocks what it looks like, until that was done before the pad could pass for
/// settled.
fn half_lines_open_nothing(lab: &Lab, daemon: &Daemon, pad: &Path) {
    for attempt in 0..10 {
        let ports = ["1000", "3000", "2000", "5000", &format!("40{attempt}")].map(str::to_owned);
        let ports: Vec<_> = ports.iter().map(String::as_str).collect();
        let start = Instant::now();
        append(pad, &format!(" {}", ports.join(",")));
        let mut opened = 0;
        while start.elapsed() < SETTLED / 2 {
            lab.knock(&[&["-d", "1", SERVER], &ports[..]].concat());
            opened = daemon.openings(lab, "ssh");
        }
        let in_time = start.elapsed() < SETTLED;
        // It was the beginning of another port.
        append(pad, "9\n");
        if in_time {
            assert_eq!(opened, 0, "half a line opened the door");
            return;
        }
    }
    panic!("this machine is too slow to tell");
}

#[test]
fn half_a_line_is_armed_when_it_is_whole_or_has_settled() {
    let Some(lab) = Lab::new("half_a_line_is_armed_when_it_is_whole_or_has_settled") else { return };
    let alice = person(&lab, "alice", 1);
    let (daemon, mut log) = started(&lab);
    half_lines_open_nothing(&lab, &daemon, &alice.server);
    has_left(&lab, (&daemon, &mut log), &alice.server, 2);
    lab.knock(&["-d", "1", SERVER, "1000", "3000", "2000", "5000", "4009"]);
    log.awaits("ssh: OPEN SESAME (alice)\n", 1);

    let start = Instant::now();
    append(&alice.server, " 1001,3001,2001,5001,4001");
    log.awaits("ssh: 1 sequence left in ", 1);
    // The file's time is as coarse as the kernel's ticks.
    assert!(start.elapsed() > SETTLED.mul_f32(0.99), "armed after {:?}", start.elapsed());
    daemon.arms(&lab);
    lab.knock(&["-d", "1", SERVER, "1001", "3001", "2001", "5001", "4001"]);
    log.awaits("ssh: OPEN SESAME (alice)\n", 1);
    let text = fs::read_to_string(&alice.server).expect("the pad");
    assert!(text.ends_with("\n#1001,3001,2001,5001,4001"), "{text}");
}

#[test]
fn pads_that_come_are_replaced_go_and_come_back_are_noticed() {
    let Some(lab) = Lab::new("pads_that_come_are_replaced_go_and_come_back_are_noticed") else { return };
    let [alice, bob] = ["alice", "bob"].map(|name| person(&lab, name, 20));
    let (daemon, mut log) = started(&lab);
    let carol = person(&lab, "carol", 5);
    has_left(&lab, (&daemon, &mut log), &carol.server, 5);
    opens(&lab, (&daemon, &mut log), "carol", &carol, 0);

    let replaced = Pads::generate(&lab, "replaced", 4, &[]).served_at(alice.server.clone());
    has_left(&lab, (&daemon, &mut log), &alice.server, 4);
    knock_line(&lab, &alice, 0);
    daemon.settle(&lab);
    assert_eq!(daemon.count("OPEN SESAME (alice)"), 0, "a line of a pad that was replaced opened");
    opens(&lab, (&daemon, &mut log), "alice", &replaced, 0);
    replaced.server_has_struck(1);

    let away = lab.path("away");
    fs::rename(&alice.server, &away).expect("a rename");
    let gone = format!("ssh: this pad is waited for: {}: there is no such file", alice.server.display());
    assert!(log.awaits_within(SOON, &gone, 1).is_some(), "nobody misses the pad");
    opens(&lab, (&daemon, &mut log), "bob", &bob, 0);
    // Something else happens in the directory.
    let dave = person(&lab, "dave", 3);
    has_left(&lab, (&daemon, &mut log), &dave.server, 3);
    fs::rename(&away, &alice.server).expect("a rename");
    let back = format!("ssh: {} can be read again, sequences: 3\n", alice.server.display());
    assert!(log.awaits_within(SOON, &back, 1).is_some(), "nobody has seen the pad come back");
    daemon.arms(&lab);
    opens(&lab, (&daemon, &mut log), "alice", &replaced, 1);
    knock_line(&lab, &replaced, 0);
    daemon.settle(&lab);
    assert_eq!(daemon.count("OPEN SESAME (alice)"), 2, "a used line came back with the pad");
    assert_eq!(daemon.count("this pad is waited for"), 1, "a missing pad is to be reported once");
}

#[test]
fn pads_that_are_mounted_over_are_taken_up_with_a_reload() {
    let Some(lab) = Lab::new("pads_that_are_mounted_over_are_taken_up_with_a_reload") else { return };
    let alice = person(&lab, "alice", 9);
    let below = lab.path("below");
    fs::create_dir(&below).expect("a directory");
    let later = Pads::generate(&lab, "later", 4, &[]).served_at(below.join("alice.pad"));
    let (daemon, mut log) = started(&lab);
    opens(&lab, (&daemon, &mut log), "alice", &alice, 0);
    // It looks at the pad once more when it hears of its own strike.
    Both::of(&daemon).falls_asleep();
    let mut mount = Command::new("nsenter");
    mount.args(["-t", &daemon.pid().to_string(), "-m", "mount", "--bind"]).args([&below, &directory(&lab)]);
    assert!(mount.status().expect("nsenter: install util-linux").success());

    knock_line(&lab, &later, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "inotify has seen a mount, so that this shows nothing");
    reload(&lab, &daemon);
    has_left(&lab, (&daemon, &mut log), &alice.server, 4);
    opens(&lab, (&daemon, &mut log), "alice", &later, 1);
    later.server_has_struck(2);
    knock_line(&lab, &alice, 1);
    assert_eq!(daemon.openings(&lab, "ssh"), 2, "a line of the pad below the mount opened");
    alice.server_has_struck(1);
}
