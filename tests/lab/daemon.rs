//! A running daemon, its log, and its end.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::hits::{Hit, send};
use crate::net::{Lab, SERVER, WATCHMAN, read_if_there};
use crate::programs;
use crate::wait::{PATIENCE, wait_until};

/// A door that opens nothing: when it has answered, every packet sent before has been judged.
const WATCHMANS_DOOR: &str = "
[watchman]
    sequence = 61003,61001,61002
    tcpflags = syn
    command  = true
";
const WATCHMANS_HITS: [Hit; 3] = [Hit::Tcp(61003), Hit::Tcp(61001), Hit::Tcp(61002)];

pub(crate) struct Daemon {
    child: Child,
    config: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Starts our daemon on the server with these doors, and returns when it listens.
    pub(crate) fn start(lab: &Lab, doors: &str) -> Self {
        Self::start_program(lab, &programs::knockd(), doors)
    }

    /// The same for any program that takes knockd's arguments.
    pub(crate) fn start_program(lab: &Lab, program: &Path, doors: &str) -> Self {
        let (config, log) = (lab.path("knockd.conf"), lab.path("knockd.log"));
        write_config(&config, &log, doors);
        let already = read_if_there(&log).matches("listening on eth0").count();
        let output = File::create(lab.path("knockd.out")).expect("a file for the daemon's output");
        let mut command = Command::new(program);
        command.arg("-c").arg(&config).args(["-i", "eth0", "-v"]);
        let child = lab
            .server
            .command(&command)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("ip: install iproute2");
        let mut daemon = Self { child, config, log };
        assert!(
            wait_until(PATIENCE, || daemon.count("listening on eth0") > already || !daemon.runs())
                && daemon.runs(),
            "the daemon did not start:\n{}\n{}",
            lab.read("knockd.out"),
            daemon.log()
        );
        daemon
    }

    /// Puts other doors into the configuration file, for the next reload.
    pub(crate) fn rewrite(&self, doors: &str) {
        write_config(&self.config, &self.log, doors);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        read_if_there(&self.log)
    }

    /// How often the log says so.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Waits for the log to say so for the `times`th time.
    #[track_caller]
    pub(crate) fn says_times(&self, times: usize, text: &str) {
        assert!(
            wait_until(PATIENCE, || self.count(text) >= times),
            "the log does not say `{text}` {times} times"
        );
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        self.says_times(1, text);
    }

    /// How often this door has opened, counting every knock that was sent until now.
    #[track_caller]
    pub(crate) fn openings(&self, lab: &Lab, door: &str) -> usize {
        self.settle(lab);
        self.count(&format!(": {door}: OPEN SESAME"))
    }

    /// Waits until every packet that was sent until now has been judged.
    #[track_caller]
    pub(crate) fn settle(&self, lab: &Lab) {
        let opened = ": watchman: OPEN SESAME";
        let already = self.count(opened);
        send(&lab.client, WATCHMAN, SERVER, &WATCHMANS_HITS);
        self.says_times(already + 1, opened);
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("the state of our own child").is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("signalling our own child");
    }

    /// How it ended, or nothing if it goes on for longer than `limit`.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let mut status = None;
        wait_until(limit, || {
            status = self.child.try_wait().expect("the state of our own child");
            status.is_some()
        });
        status
    }

    /// Waits until somebody else's SIGKILL has ended it.
    #[track_caller]
    pub(crate) fn is_killed(&mut self) {
        let status = self.ends_within(PATIENCE).expect("the daemon should have been killed");
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "it ended with {status}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- {}\n{}---", self.log.display(), self.log());
        }
    }
}

fn write_config(path: &Path, log: &Path, doors: &str) {
    let mut text = String::from("[options]\n");
    writeln!(text, "    LogFile = {}", log.display()).expect("writing to a string");
    text.push_str(doors);
    text.push_str(WATCHMANS_DOOR);
    fs::write(path, text).expect("the configuration file");
}
