//! Commands that a daemon has left running when it was killed.
//!
//! One that still opens a door must not go on while the next daemon closes it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

use log::{info, warn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getpgid, kill_process_group, pidfd_open};

use super::command::LEASE_VARIABLE;
use crate::state::Lease;

/// How much of a process's environment is looked at.
const LONGEST_ENVIRONMENT: u64 = 1 << 20;

/// How long a killed process may take to go, and all that are just being started to get their environments.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ends the commands that were left running for these leases, each with its process group.
///
/// What a command that has ended itself has left in the background is none of these, and goes on.
pub fn end_orphans(leases: &[Lease]) -> io::Result<()> {
    if leases.is_empty() {
        return Ok(());
    }
    let marks: Vec<Vec<u8>> =
        leases.iter().map(|lease| format!("{LEASE_VARIABLE}={}", lease.id).into_bytes()).collect();
    let deadline = Instant::now() + PATIENCE;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { continue };
        // From here on the number stands for this process alone.
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        let Some(index) =
            environment(pid, deadline).and_then(|of| marks.iter().position(|mark| holds(&of, mark)))
        else {
            continue;
        };
        // Commands lead a group of their own.
        if getpgid(Some(pid)) != Ok(pid) {
            continue;
        }
        let door = &leases[index].key.door;
        info!("{door}: a command that an earlier daemon left running is ended (process {pid})");
        if let Err(error) = kill_process_group(pid, Signal::KILL) {
            warn!("{door}: process {pid} cannot be ended: {error}");
            continue;
        }
        await_end(&pidfd)?;
    }
    Ok(())
}

/// What the process was started with, for which one that is just being started is waited for.
fn environment(pid: Pid, deadline: Instant) -> Option<Vec<u8>> {
    loop {
        let environment = read(pid, "environ")?;
        if !environment.is_empty() || !is_starting(pid) || Instant::now() >= deadline {
            return Some(environment);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether the process is just becoming another program: it has one, which has no arguments yet, not even its name.
fn is_starting(pid: Pid) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok()
        && read(pid, "cmdline").is_some_and(|arguments| arguments.is_empty())
}

fn read(pid: Pid, what: &str) -> Option<Vec<u8>> {
    let file = File::open(format!("/proc/{pid}/{what}")).ok()?;
    let mut bytes = Vec::new();
    file.take(LONGEST_ENVIRONMENT).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn holds(environment: &[u8], variable: &[u8]) -> bool {
    environment.split(|byte| *byte == 0).any(|entry| entry == variable)
}

fn await_end(pidfd: &impl std::os::fd::AsFd) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::moment::Moment;
    use crate::state::{LeaseId, LeaseKey};

    /// Waits for its standard input to end, which it never does.
    fn waiting(lease: LeaseId, group: i32) -> Child {
        let mut command = Command::new("cat");
        command.env(LEASE_VARIABLE, lease.to_string()).process_group(group);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    fn lease(id: LeaseId) -> Lease {
        Lease {
            id,
            key: LeaseKey { door: "d".into(), source: "192.0.2.2".parse().unwrap() },
            pad: None,
            stop: crate::config::Command::Shell("true".to_owned()),
            deadline: Moment::START,
        }
    }

    #[test]
    fn a_command_that_still_runs_is_ended_with_its_group_and_no_other_process() {
        let ours = LeaseId { run: u64::from(std::process::id()), number: 1 };
        let other = LeaseId { number: 11, ..ours };
        let mut leader = waiting(ours, 0);
        let mut member = waiting(ours, i32::try_from(leader.id()).unwrap());
        let mut stranger = waiting(other, 0);
        let mut background = waiting(ours, i32::try_from(stranger.id()).unwrap());
        end_orphans(&[lease(ours)]).unwrap();
        for child in [&mut leader, &mut member] {
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
        for child in [&mut stranger, &mut background] {
            assert!(child.try_wait().unwrap().is_none(), "it goes on");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
