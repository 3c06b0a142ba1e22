//! strace(1) on a running daemon: what it asks the kernel for, and calls that fail or kill.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use crate::daemon::Daemon;
use crate::net::Lab;
use crate::wait::{PATIENCE, wait_until};

/// Which threads are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    All,
    One,
}

/// Attached until it is dropped; what it sees is in the lab's file `trace`.
pub(crate) struct Tracer {
    child: Child,
}

impl Tracer {
    /// Looks at all threads of the daemon and at what they start.
    pub(crate) fn attach(lab: &Lab, daemon: &Daemon, args: &[&str]) -> Self {
        Self::look(lab, daemon.pid(), Whom::All, args)
    }

    /// Looks at the main thread alone, which strikes, records and lets run.
    pub(crate) fn attach_to_main(lab: &Lab, daemon: &Daemon, args: &[&str]) -> Self {
        Self::attach_to(lab, daemon.pid(), args)
    }

    /// Looks at this thread alone.
    pub(crate) fn attach_to(lab: &Lab, thread: u32, args: &[&str]) -> Self {
        Self::look(lab, thread, Whom::One, args)
    }

    fn look(lab: &Lab, id: u32, whom: Whom, args: &[&str]) -> Self {
        let output = File::create(lab.path("strace.err")).expect("a file for what strace says");
        let mut command = Command::new("strace");
        if whom == Whom::All {
            command.arg("-f");
        }
        command.arg("-p").arg(id.to_string()).arg("-o").arg(lab.path("trace")).args(args);
        let child = command.stdin(Stdio::null()).stderr(output).spawn().expect("strace: install it");
        let attached = || lab.read("strace.err").contains("attached");
        assert!(wait_until(PATIENCE, attached), "strace did not attach: {}", lab.read("strace.err"));
        Self { child }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Killed, not terminated: asked to let go while a command is being started, it can wait for ever.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
