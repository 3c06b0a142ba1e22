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
use crate::host::Host;
use crate::net::{Lab, SERVER, WATCHMAN, read_if_there};
use crate::own_run;
use crate::procfs::Process;
use crate::programs;
use crate::tail::Tail;
use crate::wait::{PATIENCE, wait_until};

/// A door that opens nothing: when it has answered, every packet sent before has been judged.
const WATCHMANS_DOOR: &str = "
[watchman]
    sequence = 61003,61001,61002
    tcpflags = syn
    command  = true
";
const WATCHMANS_HITS: [Hit; 3] = [Hit::Tcp(61003), Hit::Tcp(61001), Hit::Tcp(61002)];

/// How a daemon is to be started.
#[derive(Clone)]
pub(crate) struct Launch<'a> {
    pub(crate) program: PathBuf,
    /// Its files are called so, with various endings.
    pub(crate) name: &'a str,
    /// Further lines of `[options]`.
    pub(crate) options: &'a str,
    pub(crate) doors: &'a str,
    pub(crate) args: &'a [&'a str],
    /// Shell commands that go before, in a mount namespace that ends with the daemon.
    pub(crate) before: &'a str,
    /// How long the start may take.
    pub(crate) patience: Duration,
    /// The host that it runs on, and its address, where that is not the lab's server.
    pub(crate) on: Option<(&'a Host, &'static str)>,
}

impl<'a> Launch<'a> {
    /// Our daemon, on eth0.
    pub(crate) fn new(doors: &'a str) -> Self {
        Self {
            program: programs::knockd(),
            name: "knockd",
            options: "",
            doors,
            args: &["-i", "eth0", "-v"],
            before: "",
            patience: PATIENCE,
            on: None,
        }
    }

    /// Writes the configuration, and returns the command that runs the daemon.
    pub(crate) fn command(&self, lab: &Lab) -> Command {
        let config = lab.path(&format!("{}.conf", self.name));
        write_config(&config, &lab.path(&format!("{}.log", self.name)), &self.options(lab), self.doors);
        let mut command = Command::new("sh");
        let before = format!("{}\n{}\nexec \"$@\"", own_run::commands(lab), self.before);
        command.arg("-c").arg(before).arg("sh");
        command.arg(&self.program).arg("-c").arg(config).args(self.args);
        let host = self.on.map_or(&lab.server, |(host, _)| host);
        let mut command = host.command(&command);
        command.stdin(Stdio::null());
        command
    }

    /// All lines of `[options]` but one: our daemon keeps its state with the lab, and with it from start to start.
    fn options(&self, lab: &Lab) -> String {
        if !programs::is_ours(&self.program) {
            return self.options.to_owned();
        }
        format!("    state_dir = {}\n{}", lab.path(&format!("{}.state", self.name)).display(), self.options)
    }

    /// Starts it, and returns when it listens wherever it can.
    pub(crate) fn start(&self, lab: &Lab) -> Daemon {
        let log = lab.path(&format!("{}.log", self.name));
        let already = read_if_there(&log).matches("starting up").count();
        let output = format!("{}.out", self.name);
        let file = File::create(lab.path(&output)).expect("a file for the daemon's output");
        let child = self
            .command(lab)
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .expect("ip: install iproute2");
        let config = lab.path(&format!("{}.conf", self.name));
        let address = self.on.map_or(SERVER, |(_, address)| address);
        let mut daemon = Daemon { child, config, log, options: self.options(lab), address };
        assert!(
            wait_until(self.patience, || daemon.count("starting up") > already || !daemon.runs())
                && daemon.runs(),
            "the daemon did not start:\n{}\n{}",
            lab.read(&output),
            daemon.log()
        );
        daemon
    }
}

pub(crate) struct Daemon {
    child: Child,
    config: PathBuf,
    log: PathBuf,
    options: String,
    address: &'static str,
}

impl Daemon {
    /// Starts our daemon on the server with these doors, and returns when it listens.
    pub(crate) fn start(lab: &Lab, doors: &str) -> Self {
        Launch::new(doors).start(lab)
    }

    /// The same for any program that takes knockd's arguments.
    pub(crate) fn start_program(lab: &Lab, program: &Path, doors: &str) -> Self {
        Launch { program: program.to_owned(), ..Launch::new(doors) }.start(lab)
    }

    /// Puts other doors into the configuration file, for the next reload.
    pub(crate) fn rewrite(&self, doors: &str) {
        write_config(&self.config, &self.log, &self.options, doors);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The executor, the process that was started.
    pub(crate) fn process(&self) -> Process {
        Process::of(self.pid())
    }

    /// The process that captures packets for it.
    #[track_caller]
    pub(crate) fn capture(&self) -> Process {
        self.process().capture()
    }

    pub(crate) fn log(&self) -> String {
        read_if_there(&self.log)
    }

    /// What is logged from now on.
    pub(crate) fn tail(&self) -> Tail {
        Tail::new(&self.log)
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
        send(&lab.client, WATCHMAN, self.address, &WATCHMANS_HITS);
        self.says_times(already + 1, opened);
    }

    /// Waits until every line that it has said to know is armed.
    #[track_caller]
    pub(crate) fn arms(&self, lab: &Lab) {
        // What the capture process is to match can be on its way when the first of them is told.
        self.settle(lab);
        self.settle(lab);
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("the state of our own child").is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("signalling our own child");
    }

    /// Holds up both processes, as a busy machine does, while something is done.
    pub(crate) fn held_up<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        let both = [self.process(), self.capture()];
        for process in &both {
            process.signal(Signal::STOP);
        }
        let done = meanwhile();
        for process in &both {
            process.signal(Signal::CONT);
        }
        done
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

fn write_config(path: &Path, log: &Path, options: &str, doors: &str) {
    let mut text = String::from("[options]\n");
    writeln!(text, "    LogFile = {}", log.display()).expect("writing to a string");
    text.push_str(options);
    text.push_str(doors);
    text.push_str(WATCHMANS_DOOR);
    fs::write(path, text).expect("the configuration file");
}
