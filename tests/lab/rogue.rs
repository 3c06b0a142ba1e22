//! A capture process that was taken over: what it does is deadly or fails, and what it says opens nothing that it could not
//! have opened by telling the truth.
//!
//! The daemon of these tests is `tests/lab/rogue/main.rs`, which does what a packet's port says.

mod ports;

use std::fs;
use std::net::IpAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Launch};
use crate::doors::{door, sequence};
use crate::frames::{SYN, Shot, Transport};
use crate::hardship::leased;
use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, OTHER, SERVER};
use crate::programs;
use crate::tail::Tail;
use crate::wait::wait_until;
use crate::wire::Wire;
use ports::{
    COMPLETED, CONFINED, CONNECT, CONNECT_LOCALLY, COUNTED, EVERYBODY, EXECUTE, EXPOSED, FLOOD, FUTURE,
    GARBAGE, KILL, LOST, MAPPED, NOBODY, OPENED, PAST, READ_SHADOW, SECONDS, SOCKET, STAGES, START_THREAD,
    SYNCED, TRACE, WORDS,
};

/// Who has taken the process over.
const STRANGER: &str = "192.0.2.66";

/// How soon whoever knocks is served again.
const SOON: Duration = Duration::from_secs(1);

const HITS: [Hit; 3] = [Hit::Tcp(7000), Hit::Tcp(8000), Hit::Tcp(9000)];

const KILLED: &str = "was ended by the kernel for a forbidden system call (seccomp)";

fn start(lab: &Lab, options: &str, doors: &str) -> Daemon {
    Launch { program: programs::rogue(), options, ..Launch::new(doors) }.start(lab)
}

/// Makes the capture process do what the port says.
fn make(lab: &Lab, port: u16, slot: u16) {
    Wire::with(lab, |wire| make_by(wire, port, slot));
}

fn make_by(wire: &mut Wire, port: u16, slot: u16) {
    let address = |text: &str| -> IpAddr { text.parse().expect("an address") };
    let transport = Transport::Tcp { flags: SYN, number: 1 };
    let (source, target) = (address(STRANGER), address(SERVER));
    wire.send(&[], &Shot { source, target, source_port: slot, port, transport }.packet());
}

/// Knocks until the door of all these tests has opened for this address once more, which must be soon.
#[track_caller]
fn opens_soon(lab: &Lab, daemon: &Daemon, within: Duration) -> Duration {
    let words = format!("{OTHER}: door: OPEN SESAME");
    let (before, start) = (daemon.count(&words), Instant::now());
    let opened = || {
        send(&lab.client, OTHER, SERVER, &HITS);
        thread::sleep(Duration::from_millis(10));
        daemon.count(&words) > before
    };
    assert!(wait_until(within, opened), "knocking does not work again within {within:?}");
    start.elapsed()
}

/// Each deed in a daemon of its own, and how the log says that the process ended.
fn deeds(lab: &Lab, options: &str, deeds: &[(u16, &str)]) {
    let name = SocketAddr::from_abstract_name(SOCKET).expect("a name");
    let _listens = lab.server.within(|| UnixListener::bind_addr(&name)).expect("an abstract socket");
    for (deed, end) in deeds {
        let mut daemon = start(lab, options, &door("door", &sequence("7000,8000,9000"), "syn"));
        let (mut log, first) = (daemon.tail(), daemon.capture());
        let before = daemon.count(" is lost: ");
        make(lab, *deed, 1);
        log.awaits(&format!("the capture process ({}) is lost: it {end}", first.id()), 1);
        opens_soon(lab, &daemon, SOON);
        assert!(!first.lives());
        assert!(daemon.runs(), "deed {deed} has ended the executor");
        assert_eq!(daemon.process().status("TracerPid"), "0");
        assert_eq!(daemon.count(" is lost: "), before + 1);
    }
}

#[test]
fn a_forbidden_deed_is_deadly_and_knocking_goes_on() {
    let Some(lab) = Lab::new("a_forbidden_deed_is_deadly_and_knocking_goes_on") else { return };
    let all = [READ_SHADOW, EXECUTE, CONNECT, TRACE, KILL, START_THREAD, CONNECT_LOCALLY];
    deeds(&lab, "", &all.map(|deed| (deed, KILLED)));
}

#[test]
fn a_forbidden_deed_fails_where_the_sandbox_only_logs() {
    let Some(lab) = Lab::new("a_forbidden_deed_fails_where_the_sandbox_only_logs") else { return };
    // EPERM is 1, EAGAIN 11, EACCES 13.
    let all = [
        (READ_SHADOW, "has ended with exit code 13"),
        (EXECUTE, "has ended with exit code 13"),
        (CONNECT, "has ended with exit code 13"),
        (TRACE, "has ended with exit code 1;"),
        (KILL, "has ended with exit code 1;"),
        (START_THREAD, "has ended with exit code 11"),
        (CONNECT_LOCALLY, "has ended with exit code 1;"),
    ];
    deeds(&lab, "    sandbox = log\n", &all);
}

#[test]
fn without_a_sandbox_an_unprivileged_user_still_reaches_neither_files_nor_the_executor() {
    let test = "without_a_sandbox_an_unprivileged_user_still_reaches_neither_files_nor_the_executor";
    let Some(lab) = Lab::new(test) else { return };
    let all = [
        (READ_SHADOW, "has ended with exit code 13"),
        (TRACE, "has ended with exit code 1;"),
        (KILL, "has ended with exit code 1;"),
    ];
    deeds(&lab, "    sandbox = off\n", &all);
}

/// The slots of the doors below: fixed sequences first, in the order of the doors, then the lines of the pad.
const LEASED: u16 = 1;
const PICKY: u16 = 2;
const ARMED: u16 = 5;
const AHEAD: u16 = 7;
const NEVER: u16 = 50_000;

/// A door that is closed again, one for others than who knocks, one with a pad, and the one that is knocked at.
fn doors(lab: &Lab) -> String {
    let pad = lab.path("pad");
    let lines: Vec<_> = (0..9).map(|line| format!("{},{}", 20_000 + line, 10_000 + line)).collect();
    fs::write(&pad, format!(" {}\n", lines.join("\n "))).expect("a pad");
    let picky = "
[picky]
    sequence = 7100,8100,9100
    allow    = 198.51.100.0/24
    tcpflags = syn
    command  = true
[once]
    one_time_sequences = PAD
    one_time_window    = 2
    one_time_resync    = 5
    tcpflags           = syn
    command            = true
";
    leased(lab, "leased", &sequence("7200,8200,9200"), 1)
        + &picky.replace("PAD", &pad.display().to_string())
        + &door("door", &sequence("7000,8000,9000"), "syn")
}

/// What the log says has opened for the stranger.
fn opened_by_the_stranger(daemon: &Daemon) -> usize {
    let log = daemon.log();
    log.lines().filter(|line| line.contains("OPEN SESAME") && !is_honest(line)).count()
}

fn is_honest(line: &str) -> bool {
    [format!("{CLIENT}: leased: "), format!("{OTHER}: door: "), ": watchman: ".to_owned()]
        .iter()
        .any(|words| line.contains(words))
}

#[test]
fn a_single_lie_opens_nothing_and_ends_the_liar() {
    let Some(lab) = Lab::new("a_single_lie_opens_nothing_and_ends_the_liar") else { return };
    let doors = doors(&lab);
    for (what, port, slot) in LIES {
        let daemon = start(&lab, "", &doors);
        let (mut log, first) = (daemon.tail(), daemon.capture());
        make(&lab, port, slot);
        log.awaits(&format!("the capture process ({}) is lost: it ", first.id()), 1);
        opens_soon(&lab, &daemon, SOON);
        assert_eq!(opened_by_the_stranger(&daemon), 0, "{what} has opened a door");
        assert_eq!(daemon.count("forged words"), 0, "{what}: its words are in the log");
        assert!(lab.read("pad").lines().all(|line| line.starts_with(' ')), "{what} has struck a line");
    }
}

/// What no honest process can say.
const LIES: [(&str, u16, u16); 13] = [
    ("a sequence that was never armed", COMPLETED, NEVER),
    ("the sequence 0", COMPLETED, 0),
    ("an address outside of `allow`", COMPLETED, PICKY),
    ("a configuration of the future", FUTURE, LEASED),
    ("the address of nobody", NOBODY, LEASED),
    ("the address of a group", EVERYBODY, LEASED),
    ("a mapped address", MAPPED, LEASED),
    ("a fixed sequence as a line", EXPOSED, LEASED),
    ("the end of a preparation", SYNCED, LEASED),
    ("counters that nobody has asked for", COUNTED, LEASED),
    ("a number where a flag is", GARBAGE, LEASED),
    ("words from before its confinement", WORDS, LEASED),
    ("an interface from before its confinement", OPENED, LEASED),
];

#[test]
fn a_forged_completion_of_an_armed_line_opens_once_in_the_ordinary_way() {
    let test = "a_forged_completion_of_an_armed_line_opens_once_in_the_ordinary_way";
    let Some(lab) = Lab::new(test) else { return };
    let daemon = start(&lab, "", &doors(&lab));
    let first = daemon.capture();
    let mut log = daemon.tail();
    make(&lab, COMPLETED, ARMED);
    log.awaits(&format!("{STRANGER}: once: OPEN SESAME"), 1);
    // The same again is late, as with two people who knock at once.
    for _ in 0..5 {
        make(&lab, COMPLETED, ARMED);
        log.awaits(&format!("{STRANGER}: a sequence that was used already; nothing is opened"), 1);
    }
    daemon.settle(&lab);
    assert_eq!(opened_by_the_stranger(&daemon), 1);
    assert_eq!(lab.read("pad").matches('#').count(), 1);
    assert_eq!(daemon.capture().id(), first.id(), "that is no reason to end it");
}

/// How much more memory the executor may take for a flood, in KiB: orders that wait take the most.
const MOST_MEMORY: u64 = 36 << 10;

/// What happens while a process says one thing as fast as it can.
fn flood(lab: &Lab, what: &str, port: u16, slot: u16) {
    let daemon = start(lab, "", &doors(lab));
    let mut told = Tail::new(&lab.path("told"));
    if port == COMPLETED && slot == ARMED {
        // Used up before: a replay.
        make(lab, port, slot);
        daemon.says(": once: OPEN SESAME");
    }
    let opened = opened_by_the_stranger(&daemon);
    send(&lab.client, CLIENT, SERVER, &[7200, 8200, 9200].map(Hit::Tcp));
    told.awaits(&format!("start leased {CLIENT}\n"), 1);
    let since = Instant::now();
    let peak = || -> u64 {
        let size = daemon.process().status("VmHWM");
        size.trim_end_matches(" kB").parse().expect("a size")
    };
    let (memory, lines) = (peak(), daemon.log().lines().count());
    let closed = thread::scope(|scope| {
        let closed = scope.spawn(|| told.awaits(&format!("stop leased {CLIENT}\n"), 1));
        // A process that was ended for it is followed by one that does the same.
        Wire::with(lab, |wire| {
            while since.elapsed() < Duration::from_secs(SECONDS) {
                make_by(wire, port + FLOOD, slot);
                thread::sleep(Duration::from_millis(20));
            }
        });
        closed.join().expect("who waits for the door to close")
    });
    let open = closed.duration_since(since);
    let served = opens_soon(lab, &daemon, 2 * Duration::from_secs(SECONDS));
    let seconds = since.elapsed().as_secs();
    let (memory, lines) = (peak() - memory, daemon.log().lines().count() - lines);
    eprintln!(
        "{what}: {lines} lines and {memory} KiB in {seconds} s; closed after {open:?}, served after {served:?}"
    );
    assert!(open < Duration::from_millis(2500), "{what}: the door was open for {open:?}");
    assert_eq!(opened_by_the_stranger(&daemon), opened, "{what} has opened a door");
    assert_eq!(daemon.count("forged words"), 0, "{what}: its words are in the log");
    // What follows pauses as after deaths, so that it doubles ten times at most in these seconds.
    let again = daemon.count("listening on eth0");
    assert!(again < 20, "{what}: {again} processes in {seconds} s");
    // As many as strangers can cause at once, and then some tens in a second.
    let most = 500 + 40 * usize::try_from(seconds).expect("some seconds");
    assert!(lines < most, "{what}: {lines} lines in {seconds} s");
    assert!(memory < MOST_MEMORY, "{what}: {memory} KiB");
}

#[test]
fn a_flood_of_lies_opens_nothing_and_holds_up_nobody() {
    let Some(lab) = Lab::new("a_flood_of_lies_opens_nothing_and_holds_up_nobody") else { return };
    for (what, port, slot) in LIES {
        flood(&lab, what, port, slot);
    }
}

#[test]
fn a_flood_of_what_could_be_true_opens_nothing_and_holds_up_nobody() {
    let Some(lab) = Lab::new("a_flood_of_what_could_be_true_opens_nothing_and_holds_up_nobody") else {
        return;
    };
    for (what, port, slot) in [
        ("a line that was used", COMPLETED, ARMED),
        ("an earlier configuration", PAST, LEASED),
        ("stages of a sequence", STAGES, LEASED),
        ("a line beyond the window that may have been shown", EXPOSED, AHEAD),
        ("interfaces that are lost", LOST, LEASED),
        ("the word for being confined", CONFINED, LEASED),
    ] {
        flood(&lab, what, port, slot);
    }
}
