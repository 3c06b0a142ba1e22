//! `UseSyslog`: lines into a real socket, whatever becomes of who reads them.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::daemon::{Daemon, Launch};
use crate::frames::{SYN, Shot, Transport};
use crate::net::{CLIENT, CLIENT_6, Lab, SERVER, SERVER_6};
use crate::wait::{PATIENCE, wait_until};
use crate::wire::Wire;

/// What syslogd would read: `/dev/log` of the daemon's own `/dev`.
struct Syslogd {
    socket: UnixDatagram,
}

impl Syslogd {
    fn start(lab: &Lab) -> Self {
        let path = lab.path("devlog");
        // An earlier one may have left it.
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("the log socket");
        socket.set_nonblocking(true).expect("a non-blocking socket");
        Self { socket }
    }

    /// Every datagram that has arrived.
    fn read(&self) -> Vec<String> {
        let mut datagrams = Vec::new();
        let mut buffer = [0; 8192];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            datagrams.push(String::from_utf8(buffer[..length].to_vec()).expect("UTF-8"));
        }
        datagrams
    }

    /// Reads until somebody says so, and returns everything that was read.
    #[track_caller]
    fn hears(&self, text: &str) -> Vec<String> {
        let mut heard = Vec::new();
        let found = wait_until(PATIENCE, || {
            heard.extend(self.read());
            heard.iter().any(|line| line.contains(text))
        });
        assert!(found, "nobody said `{text}`: {heard:#?}");
        heard
    }
}

/// Shell commands that make a `/dev` where `log` is the socket of [`Syslogd`].
fn own_dev(lab: &Lab) -> String {
    format!(
        "set -e; mount -t tmpfs dev /dev; mknod -m 666 /dev/null c 1 3; ln -s {} /dev/log",
        lab.path("devlog").display()
    )
}

/// Starts the daemon with a `/dev` of its own.
fn start(lab: &Lab, doors: &str) -> Daemon {
    let before = own_dev(lab);
    let options = "    UseSyslog\n";
    Launch { options, before: &before, args: &["-i", "eth0"], ..Launch::new(doors) }.start(lab)
}

/// The second door's only hit makes lines but, over IPv6, runs nothing.
const DOORS: &str = "
[door]
    sequence = 7000,8000,9000
    tcpflags = syn
    command  = printf 'one\\033[2J\\rtwo\\nthree\\n' >&2; exit 3
[chatter]
    sequence  = 6000,5000
    tcpflags  = syn
    command   = true
    command_6 =
";

fn knock(lab: &Lab) {
    lab.knock(&[SERVER, "7000", "8000", "9000"]);
}

#[test]
fn lines_arrive_with_the_facility_daemon_and_one_in_each_datagram() {
    let Some(lab) = Lab::new("lines_arrive_with_the_facility_daemon_and_one_in_each_datagram") else {
        return;
    };
    let syslogd = Syslogd::start(&lab);
    let daemon = start(&lab, DOORS);
    knock(&lab);
    daemon.settle(&lab);
    daemon.says("door: command says: ");
    let logged = daemon.log();
    let words: Vec<_> =
        logged.lines().filter_map(|line| line.split_once("] ")).map(|(_, words)| words).collect();
    let mut heard = Vec::new();
    let arrived = |heard: &[String], words: &str| heard.iter().any(|line| line.ends_with(words));
    wait_until(PATIENCE, || {
        heard.extend(syslogd.read());
        words.iter().all(|words| arrived(&heard, words))
    });
    for words in words {
        assert!(arrived(&heard, words), "`{words}` went to the file only");
    }
    // RFC 3164, section 4.1.1: facility 3 (system daemons) times 8, plus the severity.
    for line in &heard {
        let (priority, _) = line.strip_prefix('<').and_then(|line| line.split_once('>')).expect("a priority");
        let priority: u8 = priority.parse().expect("a number");
        assert_eq!(priority / 8, 3, "the facility of {line}");
        assert!(!line.chars().any(char::is_control), "a control character in {line:?}");
        assert!(line.contains(&format!(" knockd[{}]: ", daemon.pid())), "{line}");
    }
    let opened = format!("]: {CLIENT}: door: OPEN SESAME");
    let opening = heard.iter().find(|line| line.ends_with(&opened)).expect("the opening");
    assert!(opening.starts_with("<30>"), "informational: {opening}");
    let escaped = r"door: command says: one\u{1b}[2J\rtwo";
    assert!(heard.iter().any(|line| line.contains(escaped)), "{heard:#?}");
}

#[test]
fn a_syslogd_that_comes_back_is_found_again() {
    let Some(lab) = Lab::new("a_syslogd_that_comes_back_is_found_again") else { return };
    let syslogd = Syslogd::start(&lab);
    let daemon = start(&lab, DOORS);
    knock(&lab);
    syslogd.hears(": door: OPEN SESAME");

    drop(syslogd);
    fs::remove_file(lab.path("devlog")).expect("the socket's file");
    knock(&lab);
    daemon.settle(&lab);
    assert_eq!(daemon.count(": door: OPEN SESAME"), 2, "a door without syslogd");

    let syslogd = Syslogd::start(&lab);
    knock(&lab);
    let heard = syslogd.hears(": door: OPEN SESAME");
    assert!(heard.iter().any(|line| line.contains("log lines were lost")), "{heard:#?}");
}

#[test]
fn a_syslogd_that_starts_after_the_daemon_is_found() {
    let Some(lab) = Lab::new("a_syslogd_that_starts_after_the_daemon_is_found") else { return };
    let daemon = start(&lab, DOORS);
    knock(&lab);
    daemon.says(": door: OPEN SESAME");
    let syslogd = Syslogd::start(&lab);
    knock(&lab);
    syslogd.hears(": door: OPEN SESAME");
}

/// More lines than the daemon's queue and any socket's queue hold together.
const FLOOD: u16 = 2500;

fn flood(lab: &Lab, daemon: &Daemon, round: u32) {
    let (source, target) = (CLIENT_6.parse().expect("an address"), SERVER_6.parse().expect("an address"));
    Wire::with(lab, |wire| {
        for number in 0..FLOOD {
            let transport = Transport::Tcp { flags: SYN, number: round };
            for port in [6000, 5000] {
                let shot = Shot { source, target, source_port: 20_000 + number, port, transport };
                wire.send(&[], &shot.packet());
            }
        }
    });
    daemon.settle(lab);
}

#[test]
fn a_syslogd_that_never_reads_holds_up_no_door() {
    let Some(lab) = Lab::new("a_syslogd_that_never_reads_holds_up_no_door") else { return };
    let syslogd = Syslogd::start(&lab);
    let mut daemon = start(&lab, DOORS);
    flood(&lab, &daemon, 1);
    assert_eq!(daemon.count(": chatter: OPEN SESAME"), usize::from(FLOOD));

    let start = Instant::now();
    knock(&lab);
    daemon.says(": door: OPEN SESAME");
    assert!(start.elapsed() < Duration::from_secs(2), "the door took {:?}", start.elapsed());
    assert!(daemon.runs());

    // Now somebody reads, and is told how much is missing.
    let mut heard = Vec::new();
    let told = |line: &String| line.contains("log lines were lost");
    assert!(
        wait_until(PATIENCE, || {
            heard.extend(syslogd.read());
            if !heard.iter().any(told) {
                knock(&lab);
            }
            heard.iter().any(told)
        }),
        "nobody was told of {} lines that are missing",
        daemon.log().lines().count() - heard.len()
    );
    let notice = heard.iter().find(|line| told(line)).expect("the notice");
    let lost = notice
        .split("]: ")
        .nth(1)
        .and_then(|words| words.trim_start_matches("warning: ").split(' ').next()?.parse::<usize>().ok());
    assert!(lost.is_some_and(|lost| lost > 100), "{notice}");
    daemon.signal(Signal::TERM);
    assert!(daemon.ends_within(Duration::from_secs(2)).is_some(), "it should end within two seconds");
}

#[test]
fn a_daemon_in_the_background_without_a_log_file_logs_to_syslog() {
    let Some(lab) = Lab::new("a_daemon_in_the_background_without_a_log_file_logs_to_syslog") else { return };
    let (syslogd, before, pidfile) = (Syslogd::start(&lab), own_dev(&lab), lab.path("background.pid"));
    let args = &["-i", "eth0", "-d", "-p", pidfile.to_str().expect("a path in UTF-8")];
    let launch = Launch { before: &before, args, ..Launch::new(DOORS) };
    let mut command = launch.command(&lab);
    fs::write(lab.path("knockd.conf"), DOORS).expect("a configuration without LogFile");
    let output = command.output().expect("ip: install iproute2");
    assert!(output.status.success(), "{output:?}");
    knock(&lab);
    syslogd.hears(&format!("{CLIENT}: door: OPEN SESAME"));
    assert!(!lab.path("knockd.log").exists());
    let pid = fs::read_to_string(&pidfile).expect("the pidfile");
    let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("a pid");
    kill_process(pid, Signal::TERM).expect("signalling our own daemon");
    assert!(wait_until(PATIENCE, || !pidfile.exists()), "it does not end");
    syslogd.hears("shutting down");
}
