//! The state directory: the daemon's own, and one daemon's only.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags, open, openat, renameat, unlinkat};
use rustix::process::geteuid;

use super::error::StateError;
use crate::config::Options;
use crate::trust;

/// How long to wait for the lock.  A command that a killed daemon was about to start holds it until it has started.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait between two attempts at it.
const RETRY: Duration = Duration::from_millis(10);

/// The state directory, locked for as long as this lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// What was checked; files are opened in it, whatever has its name by then.
    directory: File,
    /// Holds the lock.
    _lock: File,
}

impl StateDir {
    /// Opens the directory at `path` and locks it, within a second; makes it if there is none.
    ///
    /// It must be a directory itself, not a symbolic link to one, that belongs to our effective user and gives nobody
    /// else any permission: what is in it decides which lines are good, and shows who knocked.  Nobody but root and our
    /// user may be able to put another in its place.
    pub fn open(path: &Path) -> Result<StateDir, StateError> {
        let (path, directory) = open_private(path)?;
        let fail = |error| StateError::Directory { path: path.clone(), doing: "locked", error };
        let lock = open_file(&directory, "lock", OFlags::RDWR | OFlags::CREATE).map_err(fail)?;
        let start = Instant::now();
        loop {
            match fs2::FileExt::try_lock_exclusive(&lock) {
                Ok(()) => return Ok(StateDir { path, directory, _lock: lock }),
                Err(error) if error.raw_os_error() != fs2::lock_contended_error().raw_os_error() => {
                    return Err(fail(error));
                }
                Err(_) if start.elapsed() < PATIENCE => thread::sleep(RETRY),
                Err(_) => return Err(StateError::InUse { path }),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file in it, which only our user can read where this makes it.
    pub(super) fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        open_file(&self.directory, name, flags)
    }

    /// Gives the file `from` the name `to`, in place of the one that had it.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&self.directory, from, &self.directory, to)?)
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    /// Makes the names of its files durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.directory.sync_all()
    }
}

/// Opens the directory at `path`, and makes it if there is none; with the path that it then has.
///
/// It must be a directory itself, not a symbolic link to one, that belongs to our effective user and gives nobody
/// else any permission.  Nobody but root and our user may be able to put another in its place.
fn open_private(path: &Path) -> Result<(PathBuf, File), StateError> {
    // A slash at the end would follow a symbolic link.
    let path: PathBuf = path.components().collect();
    let fail =
        |doing| move |path: &Path, error| StateError::Directory { path: path.to_owned(), doing, error };
    // Before anything is made where others decide what is there.
    if path.symlink_metadata().is_err()
        && let Some(there) = path.ancestors().skip(1).find(|above| above.exists())
    {
        trust::check_way(there)?;
    }
    make(&path, 0o700).map_err(|error| fail("made")(&path, error))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match open(&path, flags, Mode::empty()) {
        Ok(directory) => File::from(directory),
        Err(error) => {
            return Err(other_type(&path).unwrap_or_else(|| fail("opened")(&path, error.into())));
        }
    };
    check(&path, &directory)?;
    trust::check(&path, &directory)?;
    Ok((path, directory))
}

/// Makes the directory for the counters of keys unless it is there, and where it stands in the state directory that one, too;
/// both as [`StateDir::open`] asks for.  Returns where it is.
pub fn prepare_counters(options: &Options) -> Result<PathBuf, StateError> {
    if options.counter_dir().starts_with(options.state_dir()) {
        open_private(options.state_dir())?;
    }
    open_private(&options.counter_dir()).map(|(path, _)| path)
}

/// Makes a directory that lasts, and those above it, unless there is something of that name.
fn make(path: &Path, mode: u32) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !parent.exists() {
        make(parent, 0o755)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => File::open(parent)?.sync_all(),
        // Somebody else was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the directory is ours alone.
fn check(path: &Path, directory: &File) -> Result<(), StateError> {
    let path = path.to_owned();
    let metadata = match directory.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Err(StateError::Directory { path, doing: "opened", error }),
    };
    let (owner, us) = (metadata.uid(), geteuid().as_raw());
    let mode = metadata.mode() & 0o7777;
    if owner != us {
        Err(StateError::Foreign { path, owner, us })
    } else if mode & 0o077 != 0 {
        Err(StateError::Open { path, mode })
    } else {
        Ok(())
    }
}

/// What is wrong when something that is no directory has its name.
fn other_type(path: &Path) -> Option<StateError> {
    let file_type = fs::symlink_metadata(path).ok()?.file_type();
    let what = match () {
        () if file_type.is_dir() => return None,
        () if file_type.is_symlink() => "a symbolic link",
        () => "not a directory",
    };
    Some(StateError::NotADirectory { path: path.to_owned(), what })
}

fn open_file(directory: &File, name: &str, flags: OFlags) -> io::Result<File> {
    // A FIFO must not hold us up, nor a symbolic link lead us elsewhere.
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

#[cfg(test)]
#[path = "dir_tests.rs"]
mod tests;
