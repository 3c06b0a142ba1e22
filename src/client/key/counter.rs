//! The counter of a key: which one the next knock takes, kept in a file that no crash takes back.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use seqgen::derive::Fingerprint;

use super::slots::{self, LENGTH, PLACES, Slots};
use crate::client::home;

/// How long to wait for a lock that somebody else holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait between two attempts at it.
const RETRY: Duration = Duration::from_millis(10);

/// Why a counter gives no number.
#[derive(Debug, thiserror::Error)]
pub(in crate::client) enum CounterError {
    #[error(
        "nobody knows where the key's counter is kept: the home directory is not known, so set XDG_STATE_HOME"
    )]
    NoHome,
    #[error("the key's counter in {}: {reason}; nothing was sent", .path.display())]
    Io { path: PathBuf, reason: io::Error },
    #[error(
        "the key's counter in {} could not be made durable ({reason}), so nothing was sent; check the disk",
        .path.display()
    )]
    Sync { path: PathBuf, reason: io::Error },
    #[error("somebody else holds the lock on the key's counter in {}; try again when they are done", .path.display())]
    Busy { path: PathBuf },
    #[error("the key's counter in {} cannot be locked ({reason}); it needs a file system with locks", .path.display())]
    Lock { path: PathBuf, reason: io::Error },
    #[error(
        "the key's counter in {} is damaged, and where it stood cannot be told; say it with --counter N, higher than any \
         that was used",
        .path.display()
    )]
    Damaged { path: PathBuf },
    #[error(
        "--counter {wanted} is below the next one, {next}, and would send used sequences again: leave it away, or, if the \
         server is behind, have it begin there (knockd --init-counter); nothing was sent"
    )]
    Lower { wanted: u64, next: u64 },
    #[error(
        "the key's counter has come to its end at {next}: make a new key with seqgen, and give it to both ends"
    )]
    UsedUp { next: u64 },
}

/// The numbers that a knock takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) struct Taken {
    /// The first of them; the others follow.
    pub(in crate::client) first: u64,
    /// Whether nothing was known of this key's counter before.
    pub(in crate::client) new: bool,
}

/// The file in which the counter of the key with this fingerprint is kept.
pub(in crate::client) fn usual_path(key: Fingerprint) -> Result<PathBuf, CounterError> {
    let directory = home::directory("XDG_STATE_HOME", ".local/state").ok_or(CounterError::NoHome)?;
    Ok(directory.join("knock").join(format!("hotp-{key}")))
}

/// The next number, if one is kept; takes none and waits for no lock.
pub(in crate::client) fn peek(path: &Path) -> Result<Option<u64>, CounterError> {
    match open(path, OpenOptions::new().read(true)) {
        Ok(file) => read(&file, path)?.next().map(Some).ok_or_else(|| damaged(path)),
        Err(CounterError::Io { reason, .. }) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first of the numbers that [`take`] would take now.
pub(in crate::client) fn would_take(
    path: &Path,
    count: u64,
    wanted: Option<u64>,
) -> Result<Taken, CounterError> {
    let kept = match peek(path) {
        Err(CounterError::Damaged { .. }) if wanted.is_some() => None,
        kept => kept?,
    };
    let (first, _) = choose(kept, count, wanted)?;
    Ok(Taken { first, new: kept.is_none() && wanted.is_none() })
}

/// Takes `count` numbers that nobody has taken before, from `wanted` on if it is given; when this returns, they are
/// durably used up.
pub(in crate::client) fn take(path: &Path, count: u64, wanted: Option<u64>) -> Result<Taken, CounterError> {
    let start = Instant::now();
    let new = !path.exists() && make(path, wanted.unwrap_or(0), start)?;
    let file = open(path, OpenOptions::new().read(true).write(true))?;
    let _lock = Lock::within(&file, path, start)?;
    let slots = read(&file, path)?;
    let kept = slots.next();
    if kept.is_none() && wanted.is_none() {
        return Err(damaged(path));
    }
    let (first, next) = choose(kept, count, wanted)?;
    // Not one byte is sent before both copies are on the disk, so that no damage to one of them takes the counter back.
    for slot in slots.order() {
        write_at(&file, slots::text(next).as_bytes(), PLACES[slot])
            .map_err(|reason| io_error(path, reason))?;
        file.sync_data().map_err(|reason| CounterError::Sync { path: path.to_owned(), reason })?;
    }
    Ok(Taken { first, new: new && wanted.is_none() })
}

/// Which number comes first, and which one is the next after those that are taken.
fn choose(kept: Option<u64>, count: u64, wanted: Option<u64>) -> Result<(u64, u64), CounterError> {
    let kept = kept.unwrap_or(0);
    let first = match wanted {
        Some(wanted) if wanted < kept => return Err(CounterError::Lower { wanted, next: kept }),
        wanted => wanted.unwrap_or(kept),
    };
    let next = first.checked_add(count).ok_or(CounterError::UsedUp { next: first })?;
    Ok((first, next))
}

/// Makes the file, whole or not at all, unless somebody else has made it meanwhile; whether it was made here.
fn make(path: &Path, next: u64, start: Instant) -> Result<bool, CounterError> {
    let fail = |reason| io_error(path, reason);
    let directory = path.parent().ok_or(CounterError::NoHome)?;
    make_directory(directory).map_err(fail)?;
    let gate = directory.join("lock");
    let gate_file = open_new(&gate, OpenOptions::new().write(true).create(true).truncate(false))
        .map_err(|reason| io_error(&gate, reason))?;
    let _lock = Lock::within(&gate_file, &gate, start)?;
    if path.try_exists().map_err(fail)? {
        return Ok(false);
    }
    let draft = path.with_extension("new");
    let made =
        open_new(&draft, OpenOptions::new().write(true).create(true).truncate(true)).and_then(|mut file| {
            file.write_all(&slots::whole(next))?;
            file.sync_all()?;
            fs::rename(&draft, path)?;
            sync_directory(directory)
        });
    if let Err(reason) = made {
        // It may not be there.
        let _ = fs::remove_file(&draft);
        return Err(fail(reason));
    }
    Ok(true)
}

/// Makes a directory and those above it as far as they are missing, for nobody but the user, durably.
fn make_directory(directory: &Path) -> io::Result<()> {
    let missing: Vec<_> = directory.ancestors().take_while(|above| !above.exists()).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    missing.into_iter().filter_map(Path::parent).try_for_each(sync_directory)
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens a file that may have to be made, for nobody but the user.
fn open_new(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW);
    }
    regular(options.open(path)?)
}

/// Opens the file of a counter; never waits.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File, CounterError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(nix::libc::O_NONBLOCK);
    }
    options.open(path).and_then(regular).map_err(|reason| io_error(path, reason))
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

fn read(file: &File, path: &Path) -> Result<Slots, CounterError> {
    let mut bytes = Vec::with_capacity(LENGTH);
    file.take(LENGTH as u64).read_to_end(&mut bytes).map_err(|reason| io_error(path, reason))?;
    Ok(Slots::read(&bytes))
}

fn write_at(mut file: &File, bytes: &[u8], place: usize) -> io::Result<()> {
    file.seek(SeekFrom::Start(place as u64))?;
    file.write_all(bytes)
}

fn io_error(path: &Path, reason: io::Error) -> CounterError {
    CounterError::Io { path: path.to_owned(), reason }
}

fn damaged(path: &Path) -> CounterError {
    CounterError::Damaged { path: path.to_owned() }
}

/// An exclusive lock; dropping it releases the lock.
struct Lock<'a>(&'a File);

impl Lock<'_> {
    /// Tries again until [`PATIENCE`] is over, from `start` on.
    fn within<'a>(file: &'a File, path: &Path, start: Instant) -> Result<Lock<'a>, CounterError> {
        loop {
            // By its full name, since std's method of this name comes first otherwise and is newer than our oldest Rust.
            match fs2::FileExt::try_lock_exclusive(file) {
                Ok(()) => return Ok(Lock(file)),
                Err(error) if error.raw_os_error() != fs2::lock_contended_error().raw_os_error() => {
                    return Err(CounterError::Lock { path: path.to_owned(), reason: error });
                }
                Err(_) if start.elapsed() >= PATIENCE => {
                    return Err(CounterError::Busy { path: path.to_owned() });
                }
                Err(_) => std::thread::sleep(RETRY),
            }
        }
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let _ = fs2::FileExt::unlock(self.0);
    }
}
