//! A lab: a server and a client with a cable between them, and perhaps a third host in the midst of it.
//!
//! Environment: `KNOCK_LAB=required` turns a skipped test into a failed one; `KNOCK_LAB_ID` goes into the names of
//! the namespaces, so that a script can remove what a killed run has left behind.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::umask;
use tempfile::TempDir;

use crate::host::Host;
use crate::programs::{self, Peer};
use crate::wait::{PATIENCE, wait_until};

pub(crate) const SERVER: &str = "192.0.2.1";
pub(crate) const SERVER_6: &str = "2001:db8::1";
pub(crate) const CLIENT: &str = "192.0.2.2";
pub(crate) const CLIENT_6: &str = "2001:db8::2";
/// A second knocker's address; it lies on the client's cable.
pub(crate) const OTHER: &str = "192.0.2.3";
/// The address of the host in the midst of the cable, where there is one.
pub(crate) const MIDST: &str = "192.0.2.4";
const MIDST_6: &str = "2001:db8::4";
/// What that host's ends of both cables are called; its `eth0` is the bridge between them.
pub(crate) const TO_SERVER: &str = "to-server";
pub(crate) const TO_CLIENT: &str = "to-client";
/// Whence the harness itself knocks, see [`crate::daemon::Daemon::settle`].
pub(crate) const WATCHMAN: &str = "192.0.2.9";
/// The port of the service behind the firewall.
pub(crate) const SSH: u16 = 22;

/// Both hosts, the service on [`SSH`], and a directory for this test's files.  Dropping it removes everything.
pub(crate) struct Lab {
    pub(crate) server: Host,
    pub(crate) client: Host,
    // Held for its listening socket only: the kernel completes handshakes by itself.
    _ssh: TcpListener,
    dir: TempDir,
}

impl Lab {
    /// Nothing, said loudly, where the user may not make network namespaces.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let [server, client] = hosts(test, ["srv", "cli"])?;
        cable(&server, &client, "eth0");
        Some(Self::between(server, client))
    }

    /// A lab whose cable leads through a third host, which passes everything on.
    pub(crate) fn with_midst(test: &str) -> Option<(Self, Host)> {
        let [server, client, midst] = hosts(test, ["srv", "cli", "mid"])?;
        ip(&["-n", midst.name(), "link", "add", "eth0", "type", "bridge", "mcast_snooping", "0"]);
        for (host, end) in [(&server, TO_SERVER), (&client, TO_CLIENT)] {
            cable(host, &midst, end);
            ip(&["-n", midst.name(), "link", "set", end, "master", "eth0", "up"]);
        }
        midst.configure(&[MIDST], MIDST_6);
        let lab = Self::between(server, client);
        is_plugged_in(&midst);
        Some((lab, midst))
    }

    /// What else is in a lab, when its hosts are cabled.
    fn between(server: Host, client: Host) -> Self {
        server.configure(&[SERVER], SERVER_6);
        client.configure(&[CLIENT, OTHER, WATCHMAN], CLIENT_6);
        is_plugged_in(&server);
        is_plugged_in(&client);
        let ssh = server
            .within(|| TcpListener::bind(("::", SSH)))
            .expect("the service's port should be free in a new namespace");
        let dir = tempfile::Builder::new()
            .prefix("knock-lab-")
            // Another user must be able to read what a test puts there for them.
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .expect("a temporary directory");
        Self { server, client, _ssh: ssh, dir }
    }

    /// A lab together with the classic programs; nothing, said loudly, where either cannot be had.
    pub(crate) fn with_peer(test: &str) -> Option<(Self, Peer)> {
        let Some(peer) = programs::peer() else {
            return skip(test, "needs Debian's knockd in target/peer, which tests/run.sh puts there");
        };
        Self::new(test).map(|lab| (lab, peer))
    }

    /// A path in the test's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What is in a file of the test's own directory; nothing as long as it does not exist.
    pub(crate) fn read(&self, name: &str) -> String {
        read_if_there(&self.path(name))
    }

    /// Whether the client gets a connection to the service over IPv4.
    pub(crate) fn ssh_answers(&self) -> bool {
        self.client.connects(SERVER, SSH)
    }

    /// Whether the client gets a connection to the service over IPv6.
    pub(crate) fn ssh_answers_6(&self) -> bool {
        self.client.connects(SERVER_6, SSH)
    }

    /// Runs our client on the client host, where it must succeed.
    pub(crate) fn knock(&self, args: &[&str]) {
        self.client.succeeds(Command::new(programs::knock()).args(args));
    }
}

pub(crate) fn read_if_there(path: &Path) -> String {
    match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        // In /proc, a process that has ended in the meantime.
        Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => String::new(),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

pub(crate) fn skip<T>(test: &str, why: &str) -> Option<T> {
    assert!(env::var_os("KNOCK_LAB").is_none_or(|wish| wish != "required"), "{test} {why}");
    // Not through eprintln, whose output libtest keeps to itself when a test passes.
    writeln!(io::stderr(), "SKIPPED ({why}): {test}").expect("standard error");
    None
}

/// New hosts, whose names end so; nothing, said loudly, where the user may not make network namespaces.
fn hosts<const N: usize>(test: &str, ends: [&str; N]) -> Option<[Host; N]> {
    static COUNTER: AtomicU32 = AtomicU32::new(1);
    if !rustix::process::geteuid().is_root() {
        return skip(test, "needs root");
    }
    // Whatever the user's umask: what others can write to is refused.
    umask(Mode::WGRP | Mode::WOTH);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let id = env::var("KNOCK_LAB_ID").unwrap_or_else(|_| process::id().to_string());
    let hosts = ends.map(|end| Host::new(format!("kl-{id}-{number}-{end}")));
    for host in &hosts {
        // Duplicate address detection would delay the first IPv6 packet by a second or two.
        host.succeeds(Command::new("sh").args(["-c", "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad"]));
    }
    Some(hosts)
}

/// A cable from this host's `eth0` to such an end of the other one.
fn cable(host: &Host, other: &Host, end: &str) {
    // Where both ends have the same index, the kernel takes up to a second to find that the cable is plugged in.
    let link = ["link", "add", "eth0", "index", "10", "netns", host.name()];
    ip(&[&link[..], &["type", "veth", "peer", end, "netns", other.name()]].concat());
}

fn is_plugged_in(host: &Host) {
    let plugged_in = || host.succeeds(Command::new("cat").arg("/sys/class/net/eth0/operstate")) == "up\n";
    assert!(wait_until(PATIENCE, plugged_in), "the cable of {} is not plugged in", host.name());
}

pub(crate) fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().expect("ip: install iproute2");
    assert!(output.status.success(), "ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
}
