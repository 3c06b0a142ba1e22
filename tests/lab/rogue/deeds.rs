//! What a capture process has no need for.

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, exit};
use std::sync::OnceLock;
use std::thread;

use nix::sys::ptrace;
use nix::unistd::Pid;
use rustix::process::{Signal, getppid, kill_process};

use crate::ports::{CONNECT, CONNECT_LOCALLY, EXECUTE, KILL, READ_SHADOW, SOCKET, START_THREAD, TRACE};

/// Asked for while that is allowed.
static PARENT: OnceLock<rustix::process::Pid> = OnceLock::new();

pub(crate) fn remember_parent() {
    if let Some(parent) = getppid() {
        let _ = PARENT.set(parent);
    }
}

/// Does what the port says, if it is a port for a deed, and ends with the error number that this came to.
pub(crate) fn commit(port: u16) {
    let done = match port {
        READ_SHADOW => File::open("/etc/shadow").map(drop),
        EXECUTE => Err(Command::new("/bin/sh").exec()),
        CONNECT => TcpStream::connect(("192.0.2.2", 22)).map(drop),
        TRACE => parent()
            .and_then(|parent| ptrace::attach(Pid::from_raw(parent.as_raw_pid())).map_err(io::Error::from)),
        KILL => parent().and_then(|parent| kill_process(parent, Signal::KILL).map_err(io::Error::from)),
        START_THREAD => thread::Builder::new().spawn(|| ()).map(drop),
        CONNECT_LOCALLY => SocketAddr::from_abstract_name(SOCKET)
            .and_then(|address| UnixStream::connect_addr(&address))
            .map(drop),
        _ => return,
    };
    exit(done.map_or_else(|error| error.raw_os_error().unwrap_or(255), |()| 0));
}

fn parent() -> io::Result<rustix::process::Pid> {
    PARENT.get().copied().ok_or(io::Error::from_raw_os_error(254))
}
