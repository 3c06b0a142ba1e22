//! Starting processes that confine themselves, and seeing how they end.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;

use crate::child::ROLE;

/// SIGSYS: what seccomp kills with.
pub(crate) const SIGSYS: i32 = 31;

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Ended {
    status: ExitStatus,
    said: String,
    complained: String,
}

/// Runs such a process to its end.
pub(crate) fn confined(plan: &[&str]) -> Ended {
    ended(assert_cmd::Command::new(std::env::current_exe().unwrap()).arg(ROLE).args(plan))
}

/// The same, and its last system call.
pub(crate) fn traced(plan: &[&str]) -> (Ended, String) {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut command = assert_cmd::Command::new("strace");
    let program = std::env::current_exe().unwrap();
    let ended = ended(command.arg("-o").arg(trace.path()).arg(program).arg(ROLE).args(plan));
    let calls = std::fs::read_to_string(trace.path()).unwrap();
    let last = calls.lines().rfind(|line| !line.starts_with("+++")).unwrap_or_default().to_owned();
    (ended, last)
}

fn ended(command: &mut assert_cmd::Command) -> Ended {
    let output = command.env("RUST_BACKTRACE", "full").timeout(PATIENCE).output().unwrap();
    Ended {
        status: output.status,
        said: String::from_utf8(output.stdout).unwrap(),
        complained: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ended {
    /// All of it, for the message of a failed test.
    pub(crate) fn whole(&self) -> String {
        format!("{}\n{}{}", self.status, self.said, self.complained)
    }

    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// What it said of this.
    pub(crate) fn said_of(&self, what: &str) -> Option<&str> {
        self.said.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(": "))
    }

    pub(crate) fn complained(&self) -> &str {
        &self.complained
    }
}

/// A process that is confined, and waits until its standard input ends.
pub(crate) struct Waiting {
    child: Child,
    input: Option<ChildStdin>,
}

impl Waiting {
    pub(crate) fn start(plan: &[&str]) -> Waiting {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(ROLE).args(plan).arg("wait").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let waits = said.lines().map_while(Result::ok).any(|line| line.starts_with("wait"));
        let input = child.stdin.take();
        let waiting = Waiting { child, input };
        assert!(waits, "it does not wait");
        waiting
    }

    /// A path of it in /proc.
    pub(crate) fn proc(&self, name: &str) -> std::path::PathBuf {
        format!("/proc/{}/{name}", self.child.id()).into()
    }

    /// Of a line in its status, all that follows the name.
    pub(crate) fn status(&self, name: &str) -> String {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// A test that needs root; without root it is skipped, and says so.
pub(crate) fn as_root(name: &'static str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        if rustix::process::geteuid().is_root() {
            test();
            return Ok(());
        }
        if std::env::var_os("KNOCK_LAB").is_some_and(|wish| wish == "required") {
            return Err("needs root".into());
        }
        eprintln!("SKIPPED (needs root): {name}");
        Ok(())
    })
}
