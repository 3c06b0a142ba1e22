//! Running the client, and catching what it sends.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// The client's binary.
pub(crate) const KNOCK: &str = env!("CARGO_BIN_EXE_knock");

/// Longer than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// How a run ended and what it said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Checks that it sent everything and had nothing to remark on.
    pub(crate) fn quietly(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// Checks that it ended with `code` and said `message`, and announced no hit.
    pub(crate) fn refused(self, code: i32, message: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.contains(message), "no {message:?} in {}", self.err);
        assert_eq!(self.out, "");
    }
}

/// Runs the client with these arguments.
pub(crate) fn knock<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    // Whoever runs the tests may have profiles.
    let mut command = assert_cmd::Command::new(KNOCK);
    command.env("XDG_CONFIG_HOME", "/nonexistent").args(args).timeout(LONG).output().unwrap().into()
}

/// Runs the client with arguments that have no blanks inside.
pub(crate) fn knock_line(line: &str) -> Ran {
    knock(line.split_whitespace())
}

/// Runs a prepared command to its end.
#[cfg(unix)]
pub(crate) fn finish(command: Command) -> Ran {
    assert_cmd::Command::from_std(command).timeout(LONG).output().unwrap().into()
}

/// A client that is running, and is ended when the test is done with it.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(args: &[&str]) -> Running {
        Running(Command::new(KNOCK).args(args).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a datagram, as long as the socket does: how long it is, and from where.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> (usize, SocketAddr) {
    loop {
        match socket.recv_from(buffer) {
            // A wait with a limit is not taken up again by the system when whoever waits is frozen and thawed.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            received => return received.expect("no hit came"),
        }
    }
}

/// A UDP port on 127.0.0.1 that catches hits.
pub(crate) struct Catcher(UdpSocket);

impl Catcher {
    pub(crate) fn new() -> Catcher {
        Catcher::at((Ipv4Addr::LOCALHOST, 0))
    }

    pub(crate) fn at(address: impl std::net::ToSocketAddrs) -> Catcher {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        Catcher(socket)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Waits for a hit: its content and its source port.
    pub(crate) fn hit(&self) -> (Vec<u8>, u16) {
        let mut buffer = [0; 64];
        let (length, source) = receive(&self.0, &mut buffer);
        (buffer[..length].to_vec(), source.port())
    }

    /// Checks that no hit is there; what was sent on the loopback interface has arrived by then.
    pub(crate) fn assert_nothing(&self) {
        self.0.set_nonblocking(true).unwrap();
        let error = self.0.recv(&mut [0; 64]).expect_err("a hit arrived");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        self.0.set_nonblocking(false).unwrap();
    }
}

/// A pad in a directory of its own.
pub(crate) struct Pad {
    _folder: TempDir,
    path: PathBuf,
}

impl Pad {
    /// A pad with this content, private to its owner.
    pub(crate) fn new(content: impl AsRef<[u8]>) -> Pad {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seqs");
        fs::write(&path, content).unwrap();
        let pad = Pad { _folder: folder, path };
        pad.chmod(0o600);
        pad
    }

    /// A pad of `count` lines, each with three UDP ports of its own that nobody listens to.
    pub(crate) fn of(count: u16) -> Pad {
        Pad::new((0..count).fold(String::new(), |text, i| text + &Pad::line(i)))
    }

    /// The line that [`Pad::of`] puts at index `i`.
    pub(crate) fn line(i: u16) -> String {
        format!(" {}:udp,{}:udp,{}:udp\n", 1001 + i, 1301 + i, 1601 + i)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn arg(&self) -> &str {
        self.path.to_str().unwrap()
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    #[cfg(unix)]
    pub(crate) fn chmod(&self, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&self.path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(not(unix))]
    pub(crate) fn chmod(&self, _mode: u32) {}

    /// Runs `knock -f` on it with these options and host.
    pub(crate) fn knock(&self, line: &str) -> Ran {
        knock(["-f", self.arg()].into_iter().chain(line.split_whitespace()))
    }
}

/// The client as somebody without any privilege: as `nobody` where the tests run as root.
#[cfg(unix)]
pub(crate) struct Unprivileged {
    folder: TempDir,
    root: bool,
}

#[cfg(unix)]
impl Unprivileged {
    const NOBODY: u32 = 65534;

    pub(crate) fn new() -> Unprivileged {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // The build's own directory may be closed to others.  Copied by another process, since a file that is being
        // written here can be held open for a moment by a test that is just starting a child, and is not run then.
        assert!(Command::new("cp").arg(KNOCK).arg(folder.path().join("knock")).status().unwrap().success());
        let root = folder.path().metadata().unwrap().uid() == 0;
        Unprivileged { folder, root }
    }

    /// A file with this content and mode that belongs to whom the client runs as.
    pub(crate) fn pad(&self, content: &str, mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.path().join("seqs");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if self.root {
            std::os::unix::fs::chown(&path, Some(Unprivileged::NOBODY), None).unwrap();
        }
        path
    }

    pub(crate) fn knock<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(self.folder.path().join("knock"));
        command.args(args);
        if self.root {
            command.uid(Unprivileged::NOBODY).gid(Unprivileged::NOBODY);
        }
        finish(command)
    }
}
