//! Capture processes that die, hang, or are told to end by others: the executor goes on, and so do the leases.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::daemon::Daemon;
use crate::doors::door;
use crate::frames::{SYN, Shot, Transport};
use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, OTHER, SERVER};
use crate::tracer::Tracer;
use crate::wait::{PATIENCE, wait_until};
use crate::wire::Wire;

/// How often in a row the process is killed.
const DEATHS: usize = 20;

/// How many lines the pad has.
const LINES: usize = 400;

/// How long a door is open, and how much later it may close on a busy machine.
const OPEN: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_millis(1500);

/// How soon whoever knocks is served again.
const SOON: Duration = Duration::from_secs(1);

fn line(number: usize) -> [u16; 2] {
    let number = u16::try_from(number).expect("a small number");
    [20_000 + number, 10_000 + number]
}

/// A pad whose door writes down when it was opened and closed, and for which line.
fn doors(lab: &Lab) -> String {
    let directory = lab.path("pads");
    fs::create_dir(&directory).expect("a new directory");
    let pad = directory.join("pad");
    let mut text = String::new();
    for number in 0..LINES {
        let [first, last] = line(number);
        writeln!(text, " {first},{last}").expect("writing to a string");
    }
    fs::write(&pad, text).expect("a pad");
    let note =
        |what: &str| format!("echo {what} $KNOCK_LEASE $(date +%s%N) >>{}", lab.path("journal").display());
    format!(
        "
[once]
    one_time_sequences = {}
    tcpflags           = syn
    start_command      = {}
    cmd_timeout        = {}
    stop_command       = {}
",
        pad.display(),
        note("start"),
        OPEN.as_secs(),
        note("stop")
    )
}

fn knock(lab: &Lab, source: &str, number: usize) {
    send(&lab.client, source, SERVER, &line(number).map(Hit::Tcp));
}

/// Packets that have nothing to do with any door, some thousands in a second, until they are to stop.
fn make_noise(lab: &Lab, stop: &AtomicBool) {
    Wire::with(lab, |wire| {
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..20 {
                number += 1;
                let shot = Shot {
                    source: "192.0.2.77".parse().expect("an address"),
                    target: SERVER.parse().expect("an address"),
                    source_port: 40_000,
                    port: 30_000 + u16::try_from(number % 20_000).expect("a port"),
                    transport: Transport::Tcp { flags: SYN, number },
                };
                wire.send(&[], &shot.packet());
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
}

/// Checks that every lease was closed, and when: after its time, or before that to be renewed by another knock.
#[track_caller]
fn every_lease_was_closed_in_time(journal: &str) {
    let mut opened: HashMap<&str, u64> = HashMap::new();
    let mut closed = 0;
    let mut entries = journal.lines().peekable();
    while let Some(entry) = entries.next() {
        let words: Vec<_> = entry.split(' ').collect();
        let [what, lease, at] = words[..] else { panic!("a torn line `{entry}`") };
        let at: u64 = at.parse().expect("nanoseconds");
        if what == "start" {
            assert_eq!(opened.insert(lease, at), None, "a lease that began twice:\n{journal}");
            continue;
        }
        let open = Duration::from_nanos(at - opened[lease]);
        let is_renewed = entries.peek().is_some_and(|next| next.starts_with("start"));
        assert!(open * 2 > OPEN || is_renewed, "{lease} was open for {open:?}:\n{journal}");
        assert!(open < OPEN + LATE, "{lease} was open for {open:?}:\n{journal}");
        closed += 1;
    }
    assert_eq!(closed, opened.len(), "a lease was lost:\n{journal}");
}

#[test]
fn a_capture_process_killed_twenty_times_under_load_loses_no_lease() {
    let test = "a_capture_process_killed_twenty_times_under_load_loses_no_lease";
    let Some(lab) = Lab::new(test) else { return };
    let again = door("again", "sequence = 7000,8000,9000", "syn");
    let daemon = Daemon::start(&lab, &(doors(&lab) + &again));
    let executor = daemon.process();
    let stop = AtomicBool::new(false);
    let last = thread::scope(|scope| {
        scope.spawn(|| make_noise(&lab, &stop));
        // Whoever knocks in vain does so again.
        let knocking = scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) && number < LINES - 10 {
                let opened = || {
                    knock(&lab, CLIENT, number);
                    thread::sleep(Duration::from_millis(30));
                    daemon.count(": once: OPEN SESAME") > number
                };
                assert!(wait_until(PATIENCE, opened), "nobody gets in any more");
                number += 1;
            }
            number
        });
        let is_served = |words: &str| {
            let opened = || {
                send(&lab.client, OTHER, SERVER, &[7000, 8000, 9000].map(Hit::Tcp));
                thread::sleep(Duration::from_millis(10));
                daemon.count(words) > 0
            };
            wait_until(SOON, opened)
        };
        let mut killed = 0;
        for round in 0..DEATHS {
            let another = || executor.captures().pop().filter(|capture| capture.id() != killed);
            assert!(wait_until(PATIENCE, || another().is_some()), "no other process is started");
            let capture = another().expect("a process that nobody else ends");
            // Every other one dies as it starts.
            if round % 2 == 0 && round > 0 {
                daemon.says(&format!("capturing goes on in process {}", capture.id()));
            }
            killed = capture.id();
            capture.signal(Signal::KILL);
        }
        let (start, before) = (Instant::now(), daemon.count(": again: OPEN SESAME"));
        assert_eq!(before, 0);
        assert!(is_served(": again: OPEN SESAME"), "after the last death nobody gets in");
        eprintln!("served again {:?} after the last of {DEATHS} deaths", start.elapsed());
        stop.store(true, Ordering::Relaxed);
        knocking.join().expect("who knocks")
    });
    daemon.settle(&lab);
    assert_eq!(daemon.count(": once: OPEN SESAME"), last, "a line has opened twice, or never");
    assert!(last > 0, "nobody got in meanwhile");

    for number in 0..last {
        knock(&lab, OTHER, number);
    }
    assert_eq!(daemon.openings(&lab, "once"), last, "a used line has opened");
    let is_closed = || {
        let journal = lab.read("journal");
        let count = |word| journal.lines().filter(|line| line.starts_with(word)).count();
        executor.children().len() == 1 && count("start") > 0 && count("start") == count("stop")
    };
    assert!(wait_until(PATIENCE, is_closed), "a command or a process was left behind");
    every_lease_was_closed_in_time(&lab.read("journal"));
    let deaths = daemon.count(" is lost: it was ended by signal 9");
    assert!((5..=DEATHS).contains(&deaths), "{deaths} deaths were told of");
}

#[test]
fn a_capture_process_ends_with_its_executor() {
    let Some(lab) = Lab::new("a_capture_process_ends_with_its_executor") else { return };
    for held in [false, true] {
        let mut daemon = Daemon::start(&lab, &door("door", "sequence = 7000,8000,9000", "syn"));
        let capture = daemon.capture();
        if held {
            capture.signal(Signal::STOP);
        }
        daemon.signal(Signal::KILL);
        daemon.is_killed();
        assert!(wait_until(SOON, || !capture.lives()), "it has outlived its executor; held up: {held}");
    }
}

#[test]
fn a_capture_process_that_hangs_holds_up_neither_reload_nor_end() {
    let Some(lab) = Lab::new("a_capture_process_that_hangs_holds_up_neither_reload_nor_end") else { return };
    let mut daemon = Daemon::start(&lab, &door("door", "sequence = 7000,8000,9000", "syn"));
    let capture = daemon.capture();
    capture.signal(Signal::STOP);
    let mut log = daemon.tail();
    for _ in 0..3 {
        daemon.signal(Signal::HUP);
        log.awaits("nothing has changed", 1);
    }
    daemon.rewrite(&door("other", "sequence = 7001,8001,9001", "syn"));
    daemon.signal(Signal::HUP);
    log.awaits("reloaded: ", 1);
    // What it was told meanwhile it takes in when it goes on.
    capture.signal(Signal::CONT);
    daemon.settle(&lab);
    daemon.settle(&lab);
    send(&lab.client, CLIENT, SERVER, &[7001, 8001, 9001].map(Hit::Tcp));
    assert_eq!(daemon.openings(&lab, "other"), 1);
    capture.signal(Signal::STOP);
    daemon.signal(Signal::TERM);
    assert!(daemon.ends_within(Duration::from_secs(2)).expect("the daemon should end").success());
    assert!(!capture.lives(), "the process that hangs is left");
}

#[test]
fn reloads_and_moves_of_the_window_change_neither_process_nor_filter() {
    let test = "reloads_and_moves_of_the_window_change_neither_process_nor_filter";
    let Some(lab) = Lab::new(test) else { return };
    let once = doors(&lab);
    let daemon = Daemon::start(&lab, &once);
    let capture = daemon.capture();
    let tracer = Tracer::attach_to(&lab, capture.id(), &["-e", "trace=setsockopt"]);
    for number in 0..6 {
        let [first, last] = line(number);
        send(&lab.client, CLIENT, SERVER, &[Hit::Tcp(first)]);
        daemon.says_times(number + 1, ": once: Stage 1");
        if number % 2 == 0 {
            let more = once.clone() + &door(&format!("door{number}"), "sequence = 7000,8000,9000", "syn");
            daemon.rewrite(&more);
            let mut log = daemon.tail();
            daemon.signal(Signal::HUP);
            log.awaits("reloaded: ", 1);
        }
        send(&lab.client, CLIENT, SERVER, &[Hit::Tcp(last)]);
        assert_eq!(daemon.openings(&lab, "once"), number + 1, "the attempt did not outlive the reload");
    }
    assert_eq!(daemon.capture().id(), capture.id(), "another process was started");
    drop(tracer);
    assert_eq!(lab.read("trace"), "", "the filter was changed");
}

/// Ctrl-C, `killall knockd` and a service manager that signals every process mean the executor.
#[test]
fn signals_do_not_end_the_capture_process() {
    let Some(lab) = Lab::new("signals_do_not_end_the_capture_process") else { return };
    let daemon = Daemon::start(&lab, &door("door", "sequence = 7000,8000,9000", "syn"));
    let capture = daemon.capture();
    let group = i32::try_from(capture.id()).ok().and_then(Pid::from_raw).expect("a pid");
    for signal in [Signal::HUP, Signal::INT, Signal::TERM, Signal::USR1, Signal::USR2] {
        capture.signal(signal);
        kill_process_group(group, signal).expect("it leads a group of its own");
        send(&lab.client, CLIENT, SERVER, &[7000, 8000, 9000].map(Hit::Tcp));
        daemon.settle(&lab);
    }
    assert_eq!(daemon.openings(&lab, "door"), 5);
    assert_eq!(daemon.capture().id(), capture.id(), "another process was started");
    assert_eq!(daemon.count(" is lost: "), 0);
}
