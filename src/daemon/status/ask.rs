//! `--status`: asks a running daemon how it is, and prints what it says.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Read, Write, stdout};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};

use super::place::Place;
use super::prometheus::{DOWN, prometheus};
use super::snapshot::Snapshot;
use super::table::table;
use crate::daemon::args::Args;
use crate::daemon::failure::Failure;

/// How long a daemon may take, which gives up after five seconds itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Far more than any daemon has to say.
const MOST: usize = 256 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("no daemon answers at {}: {why}", .path.display())]
pub struct Unanswered {
    path: PathBuf,
    why: String,
}

/// Prints how the daemon with this configuration file is.
pub(in crate::daemon) fn ask(args: &Args) -> Result<(), Failure> {
    let base = env::current_dir().map_err(Failure::system("the current directory cannot be told"))?;
    let config = base.join(&args.config);
    let answer = answer(&Place::of(&config).path(), &config);
    let text = match &answer {
        Ok((text, _)) if args.json => text.clone(),
        Ok((_, snapshot)) if args.prometheus => prometheus(snapshot),
        Ok((_, snapshot)) => table(snapshot, is_coloured()),
        Err(_) if args.prometheus => DOWN.to_owned(),
        Err(_) => String::new(),
    };
    match stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.map_err(Failure::system("standard output cannot be written"))?,
    }
    Ok(answer.map(drop)?)
}

/// Whether there is a terminal, and nobody minds: see <https://no-color.org>.
fn is_coloured() -> bool {
    stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The document as the daemon has sent it, and what it says.
fn answer(path: &Path, config: &Path) -> Result<(String, Snapshot), Unanswered> {
    let because = |why: String| Unanswered { path: path.to_owned(), why };
    let bytes = read(path).map_err(|error| because(explain(&error, config)))?;
    if bytes.is_empty() {
        return Err(because("it is there, but too busy to answer, or about to end; try again".to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|error| because(error.to_string()))?;
    let snapshot = serde_json::from_str(&text).map_err(|error| {
        because(format!("what it says is not understood; is it another version? {error}"))
    })?;
    Ok((text, snapshot))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let end = Instant::now() + PATIENCE;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Connecting waits for a place among those who ask, too.
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect(&SockAddr::unix(path)?)?;
    let mut stream = UnixStream::from(std::os::fd::OwnedFd::from(socket));
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() > MOST {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What has gone wrong, and what to do.
fn explain(error: &io::Error, config: &Path) -> String {
    let config = config.display();
    match error.kind() {
        ErrorKind::PermissionDenied if !geteuid().is_root() => {
            "only root may ask; try `sudo knockd --status`".to_owned()
        }
        ErrorKind::NotFound => format!(
            "there is no such socket; is knockd running with the configuration {config}?  Another one is named by -c, \
             and a daemon that could not make its socket says so in its log"
        ),
        ErrorKind::ConnectionRefused => {
            format!(
                "the daemon with the configuration {config} is not running; one that was killed has left this socket"
            )
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            format!("the daemon is there, but has not answered within {} seconds", PATIENCE.as_secs())
        }
        _ => error.to_string(),
    }
}
