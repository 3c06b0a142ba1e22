//! What the daemon tells the service manager that has started it; here the test is the manager.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};

use crate::both::Both;
use crate::daemon::{Daemon, Launch};
use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, SERVER};
use crate::wait::{PATIENCE, wait_until};

const DOOR: &str = "
[door]
    sequence = 7000,8000,9000
    tcpflags = syn
    command  = true
";

/// What the manager asks to hear within; the daemon is to take half of it.
const LIMIT: Duration = Duration::from_millis(200);

/// A manager that listens on a socket in the file system, or on an abstract one.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn at_path(lab: &Lab) -> Self {
        let path = lab.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        Self::of(socket, path.display().to_string())
    }

    fn abstract_one(lab: &Lab) -> Self {
        let address = SocketAddr::from_abstract_name("knock/notify").expect("an address");
        let socket = lab.server.within(|| UnixDatagram::bind_addr(&address).expect("a socket"));
        Self::of(socket, "@knock/notify".to_owned())
    }

    fn of(socket: UnixDatagram, name: String) -> Self {
        Self { socket, name }
    }

    /// Starts the daemon, with further variables in its environment.
    fn start(&self, lab: &Lab, variables: &str, doors: &str) -> Daemon {
        self.launch(lab, variables, &Launch::new(doors))
    }

    fn launch(&self, lab: &Lab, variables: &str, launch: &Launch<'_>) -> Daemon {
        let before = format!("export NOTIFY_SOCKET={} {variables}", self.name);
        Launch { before: &before, ..launch.clone() }.start(lab)
    }

    /// The next message.
    #[track_caller]
    fn hears(&self) -> String {
        self.hears_within(PATIENCE).expect("the daemon should have said something")
    }

    #[track_caller]
    fn hears_this(&self, message: &str) {
        assert_eq!(self.hears(), message);
    }

    /// The next message, if one comes in so long.
    #[track_caller]
    fn hears_within(&self, time: Duration) -> Option<String> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(left)).expect("a socket option");
            let mut buffer = [0; 4096];
            match self.socket.recv(&mut buffer) {
                Ok(length) => return Some(String::from_utf8(buffer[..length].to_vec()).expect("UTF-8")),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                // A wait with a limit is not taken up again by the system when whoever waits is frozen and thawed.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("the manager's socket: {error}"),
            }
        }
    }

    /// That the daemon reads its configuration again, since which time of the monotonic clock.
    #[track_caller]
    fn hears_of_a_reload(&self) -> Duration {
        let said = self.hears();
        let since =
            said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.strip_suffix('\n'));
        Duration::from_micros(since.and_then(|since| since.parse().ok()).expect(&said))
    }
}

fn monotonic() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().expect("a clock that has started")
}

fn tells_all(lab: &Lab, manager: &Manager, signal: Signal) {
    let mut daemon = manager.start(lab, "", DOOR);
    // The watchman's is the other one.
    manager.hears_this("READY=1\nSTATUS=2 doors on eth0\n");
    let before = monotonic();
    daemon.rewrite(&format!("{DOOR}{}", DOOR.replace("[door]", "[other]").replace('7', "6")));
    daemon.signal(Signal::HUP);
    let since = manager.hears_of_a_reload();
    // As coarse as what is said.
    assert!(since + Duration::from_micros(1) > before && since < monotonic(), "{since:?}");
    manager.hears_this("READY=1\nSTATUS=3 doors on eth0\n");

    daemon.rewrite("[door]\nsequence = 70000\n");
    daemon.signal(Signal::HUP);
    manager.hears_of_a_reload();
    manager.hears_this("READY=1\nSTATUS=3 doors on eth0; the last reload failed, and the log says why\n");

    daemon.signal(signal);
    manager.hears_this("STOPPING=1\n");
    assert!(daemon.ends_within(PATIENCE).is_some_and(|status| status.success()));
    assert_eq!(manager.hears_within(Duration::from_millis(1)), None);
}

#[test]
fn the_manager_is_told_of_the_start_of_reloads_and_of_the_end() {
    let Some(lab) = Lab::new("the_manager_is_told_of_the_start_of_reloads_and_of_the_end") else { return };
    tells_all(&lab, &Manager::at_path(&lab), Signal::TERM);
    tells_all(&lab, &Manager::abstract_one(&lab), Signal::USR1);
}

#[test]
fn a_daemon_that_is_said_to_be_ready_hears_knocks() {
    let Some(lab) = Lab::new("a_daemon_that_is_said_to_be_ready_hears_knocks") else { return };
    let manager = Manager::at_path(&lab);
    let daemon = manager.start(&lab, "", DOOR);
    assert!(manager.hears().starts_with("READY=1\n"));
    lab.knock(&[SERVER, "7000", "8000", "9000"]);
    assert_eq!(daemon.openings(&lab, "door"), 1);
}

#[test]
fn a_capture_process_that_hangs_is_replaced() {
    let Some(lab) = Lab::new("a_capture_process_that_hangs_is_replaced") else { return };
    let manager = Manager::at_path(&lab);
    let daemon = manager.start(&lab, &format!("WATCHDOG_USEC={}", LIMIT.as_micros()), DOOR);
    let capture = daemon.capture();
    capture.signal(Signal::STOP);
    let lost = format!("the capture process ({}) is lost: it does not answer; it was ended", capture.id());
    // It has ten seconds to answer.
    assert!(wait_until(2 * PATIENCE, || daemon.count(&lost) == 1), "nobody notices");
    daemon.says("capturing goes on in process");
    send(&lab.client, CLIENT, SERVER, &[7000, 8000, 9000].map(Hit::Tcp));
    assert_eq!(daemon.openings(&lab, "door"), 1);
    assert!(!capture.lives());
}

#[test]
fn signs_of_life_come_in_half_the_time_and_stop_with_a_hung_daemon() {
    let test = "signs_of_life_come_in_half_the_time_and_stop_with_a_hung_daemon";
    let Some(lab) = Lab::new(test) else { return };
    let manager = Manager::at_path(&lab);
    let daemon = manager.start(&lab, &format!("WATCHDOG_USEC={}", LIMIT.as_micros()), DOOR);
    assert!(manager.hears().starts_with("READY=1\n"));
    manager.hears_this("WATCHDOG=1\n");
    let start = Instant::now();
    for _ in 0..10 {
        manager.hears_this("WATCHDOG=1\n");
    }
    let took = start.elapsed();
    assert!(took < 10 * LIMIT, "they came in {took:?}");
    assert!(took > 9 * LIMIT / 2, "too many: they came in {took:?}");

    daemon.signal(Signal::STOP);
    // What was under way may still come.
    assert!(
        wait_until(PATIENCE, || manager.hears_within(2 * LIMIT).is_none()),
        "a stopped daemon shows signs of life"
    );
    daemon.signal(Signal::CONT);
    manager.hears_this("WATCHDOG=1\n");
    assert_eq!(daemon.openings(&lab, "door"), 0, "it goes on");
}

#[test]
fn where_no_signs_of_life_are_asked_for_none_are_given_and_nothing_wakes() {
    let test = "where_no_signs_of_life_are_asked_for_none_are_given_and_nothing_wakes";
    let Some(lab) = Lab::new(test) else { return };
    let manager = Manager::at_path(&lab);
    // The second one asks another process for them.
    for variables in ["", "WATCHDOG_USEC=200000 WATCHDOG_PID=1"] {
        // On a cable there is always somebody who says something.
        let launch = Launch { args: &["-i", "lo"], ..Launch::new(DOOR) };
        let daemon = manager.launch(&lab, variables, &launch);
        assert!(manager.hears().starts_with("READY=1\n"));
        let process = Both::of(&daemon);
        process.falls_asleep();
        let before = process.effort().wake_ups;
        assert_eq!(manager.hears_within(Duration::from_secs(1)), None, "{variables}");
        assert_eq!(process.effort().wake_ups, before, "{variables}");
    }
}

fn children(parent: u32) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).expect("a directory in /proc");
    let of = |thread: io::Result<fs::DirEntry>| {
        fs::read_to_string(thread.expect("an entry").path().join("children")).expect("a file in /proc")
    };
    threads.flat_map(|thread| of(thread).split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn neither_commands_nor_the_reader_of_packets_can_speak_to_the_manager() {
    let test = "neither_commands_nor_the_reader_of_packets_can_speak_to_the_manager";
    let Some(lab) = Lab::new(test) else { return };
    let manager = Manager::at_path(&lab);
    let door = DOOR.replace("true", &format!("env >{0}.new; mv {0}.new {0}", lab.path("env").display()));
    let daemon = manager.start(&lab, "WATCHDOG_USEC=10000000 WATCHDOG_PID=", &door);
    assert!(manager.hears().starts_with("READY=1\n"));
    let children = children(daemon.pid());
    assert_eq!(children.len(), 1, "one process reads packets: {children:?}");
    let environment = fs::read(format!("/proc/{}/environ", children[0])).expect("a file in /proc");
    let environment = String::from_utf8(environment).expect("UTF-8");
    assert!(!environment.contains("NOTIFY") && !environment.contains("WATCHDOG"), "{environment}");

    lab.knock(&[SERVER, "7000", "8000", "9000"]);
    assert!(wait_until(PATIENCE, || lab.path("env").exists()));
    let env = lab.read("env");
    assert!(env.contains("KNOCK_DOOR=door") && !env.contains("NOTIFY") && !env.contains("WATCHDOG"), "{env}");
}
