//! The counter of a key: which one the next knock takes, kept in a file that no crash takes back.

use std::fs::{DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use seqgen::counter::{self, CounterError as Trouble, CounterErrorKind, LockedCounter, file_name};
use seqgen::derive::{Fingerprint, Mode};

use crate::client::home;

/// How long to wait for a lock that somebody else holds.
const PATIENCE: Duration = Duration::from_secs(5);

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

impl From<Trouble> for CounterError {
    fn from(Trouble { path, kind }: Trouble) -> CounterError {
        match kind {
            CounterErrorKind::Busy => CounterError::Busy { path },
            CounterErrorKind::Damaged => CounterError::Damaged { path },
            CounterErrorKind::Lock(reason) => CounterError::Lock { path, reason },
            CounterErrorKind::Sync(reason) => CounterError::Sync { path, reason },
            CounterErrorKind::Write(reason) | CounterErrorKind::Io(reason) => {
                CounterError::Io { path, reason }
            }
            other => CounterError::Io { path, reason: io::Error::other(other.to_string()) },
        }
    }
}

/// Reads a number that somebody wants to go on with.
pub(in crate::client) fn parse_number(text: &str) -> Result<u64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|number| digits && *number < u64::MAX);
    number.ok_or_else(|| format!("`{}` is no counter (0 to {})", text.escape_debug(), u64::MAX - 1))
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
    Ok(directory.join("knock").join(file_name(key, Mode::Counter)))
}

/// The next number, if one is kept; takes none and waits for no lock.
pub(in crate::client) fn peek(path: &Path) -> Result<Option<u64>, CounterError> {
    match counter::read(path) {
        Ok(next) => Ok(Some(next)),
        Err(Trouble { kind: CounterErrorKind::NotFound, .. }) => Ok(None),
        Err(error) => Err(error.into()),
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
    let (first, _) = choose(kept.unwrap_or_default(), count, wanted)?;
    Ok(Taken { first, new: kept.is_none() && wanted.is_none() })
}

/// Takes `count` numbers that nobody has taken before, from `wanted` on if it is given; when this returns, they are
/// durably used up.
pub(in crate::client) fn take(path: &Path, count: u64, wanted: Option<u64>) -> Result<Taken, CounterError> {
    let mut new = false;
    if !path.exists() {
        // A file with a number that nothing can follow would never be of use again.
        choose(0, count, wanted)?;
        new = make(path, wanted.unwrap_or(0))?;
    }
    let mut counter = match wanted {
        Some(_) => LockedCounter::mend_within(path, PATIENCE),
        None => LockedCounter::open_within(path, PATIENCE),
    }?;
    let (first, next) = choose(counter.next(), count, wanted)?;
    counter.advance(next)?;
    Ok(Taken { first, new: new && wanted.is_none() })
}

/// Which number comes first, and which one is the next after those that are taken.
fn choose(kept: u64, count: u64, wanted: Option<u64>) -> Result<(u64, u64), CounterError> {
    let first = match wanted {
        Some(wanted) if wanted < kept => return Err(CounterError::Lower { wanted, next: kept }),
        wanted => wanted.unwrap_or(kept),
    };
    let next = first.checked_add(count).ok_or(CounterError::UsedUp { next: first })?;
    Ok((first, next))
}

/// Makes the file, whole or not at all, unless somebody else has made it meanwhile; whether it was made here.
fn make(path: &Path, next: u64) -> Result<bool, CounterError> {
    let directory = path.parent().ok_or(CounterError::NoHome)?;
    make_directory(directory).map_err(|reason| CounterError::Io { path: path.to_owned(), reason })?;
    match LockedCounter::create(path, next) {
        Ok(()) => Ok(true),
        Err(Trouble { kind: CounterErrorKind::Exists, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
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
