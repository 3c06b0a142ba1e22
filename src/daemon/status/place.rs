//! Where a daemon answers: a socket of its own in a directory that nobody but root can change.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, open, openat, statat, unlinkat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::geteuid;
use sha2::{Digest, Sha256};

use crate::trust::{self, Untrusted};

/// Where the sockets of all daemons are.
const DIRECTORY: &str = "/run/knockd";

/// How much of a configuration's name its socket has: there is room for little more than a hundred bytes in an address.
const READABLE: usize = 32;

/// How long to wait for another daemon that is just making its socket.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait between two looks at it.
const RETRY: Duration = Duration::from_millis(10);

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum NoSocket {
    #[error("another daemon with the same configuration file answers at {}", .0.display())]
    Taken(PathBuf),
    #[error("{} is in the way: it is no socket of this user's; remove it", .0.display())]
    NotOurs(PathBuf),
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    #[error("{}: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// The place of the daemon with a certain configuration file.
///
/// By that daemons are told apart, and not by what is in the file: it may be broken, or be another one since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Place {
    directory: PathBuf,
    name: String,
}

impl Place {
    /// The place of a daemon with the configuration at this absolute path.
    pub(in crate::daemon) fn of(config: &Path) -> Place {
        Place::within(Path::new(DIRECTORY), config)
    }

    pub(super) fn within(directory: &Path, config: &Path) -> Place {
        // Two ways to one file through directories with several names are one place.
        let parent = config.parent().and_then(|parent| parent.canonicalize().ok());
        let name = config.file_name().unwrap_or_default();
        let path = parent.map_or_else(|| config.to_owned(), |parent| parent.join(name));
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        let number = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
        let readable: String = name
            .to_string_lossy()
            .chars()
            .map(|char| if plain(char) { char } else { '_' })
            .take(READABLE)
            .collect();
        Place { directory: directory.to_owned(), name: format!("{readable}-{number:016x}.status") }
    }

    pub(in crate::daemon) fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// Makes the socket, in place of one that a daemon which is gone has left there.
    pub(super) fn listen(&self) -> Result<(UnixListener, Socket), NoSocket> {
        let fail = |path: &Path, error: io::Error| NoSocket::Io { path: path.to_owned(), error };
        let directory = self.open_directory()?;
        let lock = lock(&directory).map_err(|error| fail(&self.directory, error))?;
        let path = self.path();
        self.remove_stale(&directory)?;
        // Until its mode is set the daemon's file mask keeps others out, and the directory's owner decides what is at
        // this path.
        let listener = UnixListener::bind(&path).map_err(|error| fail(&path, error))?;
        let stat = fs::set_permissions(&path, Permissions::from_mode(0o600))
            .and_then(|()| Ok(statat(&directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)?));
        let stat = stat.map_err(|error| fail(&path, error))?;
        drop(lock);
        Ok((listener, Socket { directory, name: self.name.clone(), identity: identity(&stat) }))
    }

    fn open_directory(&self) -> Result<File, NoSocket> {
        let path = &self.directory;
        let fail = |error: io::Error| NoSocket::Io { path: path.clone(), error };
        let made = match DirBuilder::new().mode(0o755).create(path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(fail(error)),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = File::from(open(path, flags, Mode::empty()).map_err(|error| fail(error.into()))?);
        trust::check(path, &directory)?;
        if made {
            // The daemon's file mask allows less; a pidfile in it is for everybody to read.
            directory.set_permissions(Permissions::from_mode(0o755)).map_err(fail)?;
        }
        Ok(directory)
    }

    fn remove_stale(&self, directory: &File) -> Result<(), NoSocket> {
        let path = self.path();
        let stat = match statat(directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            stat => stat.map_err(|error| NoSocket::Io { path: path.clone(), error: error.into() })?,
        };
        let is_socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
        if !is_socket || stat.st_uid != geteuid().as_raw() {
            return Err(NoSocket::NotOurs(path));
        }
        // Nobody can be connected with one whose daemon is gone; any other answer means that it is not.
        // One that hangs, and whose queue is full, must not hold up this one.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let answer = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .and_then(|socket| connect(&socket, &SocketAddrUnix::new(&path)?));
        if answer != Err(Errno::CONNREFUSED) {
            return Err(NoSocket::Taken(path));
        }
        unlinkat(directory, &self.name, AtFlags::empty())
            .map_err(|error| NoSocket::Io { path, error: error.into() })
    }
}

/// Keeps others from making their sockets, until it is dropped.
fn lock(directory: &File) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let lock = File::from(openat(directory, "lock", flags, Mode::RUSR | Mode::WUSR)?);
    let start = Instant::now();
    loop {
        match fs2::FileExt::try_lock_exclusive(&lock) {
            Ok(()) => return Ok(lock),
            Err(error) if start.elapsed() >= PATIENCE => return Err(error),
            Err(_) => thread::sleep(RETRY),
        }
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// A socket's name, which goes when this is dropped if it is still that socket's.
#[derive(Debug)]
pub(super) struct Socket {
    directory: File,
    name: String,
    identity: (u64, u64),
}

impl Drop for Socket {
    fn drop(&mut self) {
        let found = statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        if found.is_ok_and(|stat| identity(&stat) == self.identity) {
            let _ = unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use tempfile::TempDir;

    use super::*;

    fn place() -> (TempDir, Place) {
        let directory = TempDir::new().unwrap();
        let place = Place::within(&directory.path().join("run"), Path::new("/nonexistent/knockd.conf"));
        (directory, place)
    }

    #[test]
    fn each_configuration_file_has_a_place_whatever_leads_to_it() {
        let directory = TempDir::new().unwrap();
        let real = directory.path().join("real");
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, directory.path().join("link")).unwrap();
        let at = |path: &str| Place::of(&directory.path().join(path)).path();
        assert_eq!(at("real/knockd.conf"), at("link/./knockd.conf"));
        assert_ne!(at("real/knockd.conf"), at("real/other.conf"));
        assert_ne!(at("real/knockd.conf"), at("knockd.conf"));
        let odd = Place::of(Path::new("/x/a b/../\u{1b}[2Jé.conf")).path();
        let name = odd.to_str().unwrap().strip_prefix("/run/knockd/__2J_.conf-").unwrap();
        assert!(name.ends_with(".status") && name.len() == 16 + 7, "{name}");
        let long = Place::of(&Path::new("/").join("n".repeat(255))).path();
        assert!(long.as_os_str().len() < 100, "{}", long.display());
    }

    #[test]
    fn nobody_else_may_connect_and_the_socket_goes_with_its_daemon() {
        let (_directory, place) = place();
        let (listener, socket) = place.listen().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&place.path()), mode(&place.directory)), (0o600, 0o755));
        UnixStream::connect(place.path()).unwrap();
        drop((socket, listener));
        assert!(!place.path().exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_left_alone() {
        let (_directory, place) = place();
        let (listener, socket) = place.listen().unwrap();
        let taken = place.listen().unwrap_err();
        assert!(matches!(taken, NoSocket::Taken(_)), "{taken}");
        drop(listener);
        let (_second, replaced) = place.listen().unwrap();
        // Somebody has removed it, and another daemon has come.
        fs::remove_file(place.path()).unwrap();
        let (_third, other) = place.listen().unwrap();
        drop(replaced);
        assert!(place.path().exists(), "the one before has removed its successor's");
        drop(other);
        assert!(!place.path().exists());
        drop(socket);
    }

    #[test]
    fn what_is_no_socket_of_ours_is_neither_followed_nor_removed() {
        let (directory, place) = place();
        fs::create_dir(&place.directory).unwrap();
        let elsewhere = directory.path().join("elsewhere");
        let _bait = UnixListener::bind(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, place.path()).unwrap();
        assert!(matches!(place.listen(), Err(NoSocket::NotOurs(_))));
        assert!(elsewhere.exists() && place.path().is_symlink());
        fs::remove_file(place.path()).unwrap();
        fs::write(place.path(), "text").unwrap();
        assert!(matches!(place.listen(), Err(NoSocket::NotOurs(_))));
        assert_eq!(fs::read_to_string(place.path()).unwrap(), "text");
    }

    #[test]
    fn a_directory_that_others_can_change_is_not_used() {
        let (directory, place) = place();
        fs::create_dir(&place.directory).unwrap();
        fs::set_permissions(&place.directory, Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(place.listen(), Err(NoSocket::Untrusted(_))));
        fs::remove_dir(&place.directory).unwrap();
        let real = directory.path().join("real");
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &place.directory).unwrap();
        assert!(place.listen().is_err(), "it has followed a link");
        assert_eq!(fs::read_dir(&real).unwrap().count(), 0);
    }
}
