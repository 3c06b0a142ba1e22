//! Becoming a daemon, without leaving the caller in the dark about whether it works.
//!
//! The program starts itself again as the process that stays.  The caller's process waits until that one listens, or
//! has failed and said why on the terminal, and ends with the same exit code.

use std::fs::OpenOptions;
use std::io::{self, Read, stdin};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitStatus};

use rustix::process::setsid;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// What the daemon says on its standard input, a socket, when it listens.
const READY: &[u8] = b"ready";

/// Starts the process that stays, and waits until it listens; its exit status if it never does.
pub(super) fn start_daemon() -> io::Result<Option<ExitStatus>> {
    let (mut ours, theirs) = UnixStream::pair()?;
    ours.shutdown(Shutdown::Write)?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .arg("--detached")
        .stdin(OwnedFd::from(theirs))
        .spawn()?;
    let mut said = Vec::new();
    // Ends when the daemon has let go of its end, or has itself ended.
    ours.read_to_end(&mut said)?;
    if said == READY { Ok(None) } else { child.wait().map(Some) }
}

/// Leaves the caller's session, for the process that stays.
pub(super) fn leave_session() -> io::Result<()> {
    // It fails for a process that leads a group already; that one is not of our making, and needs no session.
    let _ = setsid();
    std::env::set_current_dir("/")
}

/// Tells the waiting process that all is well, and lets go of the terminal.
pub(super) fn let_go() -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    rustix::io::write(stdin(), READY)?;
    dup2_stdin(&null)?;
    Ok(())
}
