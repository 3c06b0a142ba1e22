//! One host of a lab: a network namespace, and what is done inside.

use std::fs::File;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::panic;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::net::ip;

/// A silent firewall shows only by waiting; the cable itself takes well under a millisecond.
const NO_ANSWER: Duration = Duration::from_millis(250);

pub(crate) struct Host {
    name: String,
}

impl Host {
    pub(crate) fn new(name: String) -> Self {
        ip(&["netns", "add", &name]);
        Self { name }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Gives `eth0` its addresses and brings it up.
    pub(crate) fn configure(&self, addresses: &[&str], address_6: &str) {
        let ip = |args: &[&str]| ip(&[&["-n", self.name()], args].concat());
        ip(&["link", "set", "lo", "up"]);
        for address in addresses {
            ip(&["address", "add", &format!("{address}/24"), "dev", "eth0"]);
        }
        ip(&["address", "add", &format!("{address_6}/64"), "dev", "eth0", "nodad"]);
        ip(&["link", "set", "eth0", "up"]);
    }

    /// Does something on this host, in a thread of its own: the sockets that it makes are this host's.
    pub(crate) fn within<T: Send>(&self, deed: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.name)).expect("the namespace's file");
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("entering a network namespace");
                deed()
            });
            thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }

    /// The same command, to be run on this host; its process is the command itself, no wrapper.
    pub(crate) fn command(&self, command: &Command) -> Command {
        let mut wrapped = Command::new("ip");
        wrapped.args(["netns", "exec", &self.name]).arg(command.get_program()).args(command.get_args());
        wrapped
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, command: &Command) -> Output {
        self.command(command).output().expect("ip: install iproute2")
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn succeeds(&self, command: &Command) -> String {
        let output = self.run(command);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command:?} on {}: {}\n{out}{err}", self.name, output.status);
        out.into_owned()
    }

    /// Whether a TCP connection from this host is answered.
    pub(crate) fn connects(&self, address: &str, port: u16) -> bool {
        let address: IpAddr = address.parse().expect("a numeric address");
        self.within(|| TcpStream::connect_timeout(&SocketAddr::new(address, port), NO_ANSWER).is_ok())
    }

    /// Processes that are still running here, such as a command that outlived its daemon.
    fn processes(&self) -> Vec<Pid> {
        let Ok(output) = Command::new("ip").args(["netns", "pids", &self.name]).output() else {
            return Vec::new();
        };
        let pids = String::from_utf8_lossy(&output.stdout);
        pids.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for pid in self.processes() {
            // It may have ended by itself since.
            let _ = kill_process(pid, Signal::KILL);
        }
        // Not `ip()`, which panics: this may run while a failed test unwinds.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}
