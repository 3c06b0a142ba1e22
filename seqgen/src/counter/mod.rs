//! A counter in a file that never goes back: which of a key's sequences comes next.
//!
//! The file holds the number twice, each with a check sum.  One is written and made durable before the other, which holds the
//! number that counted until then; so whatever a crash, a torn write or a bad block leaves of one of them, the other one says
//! what was durable before, or what was to be.  A number that [`LockedCounter::advance`] has said `Ok` to is in both.
//! All of its space is taken when it is made, so that a full disk stops nobody.

mod error;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

pub use self::error::{CounterError, CounterErrorKind};
use crate::derive::{Fingerprint, Mode};
use crate::regular::{self, read_at, write_at};

/// How long to wait between two attempts at a lock that somebody else holds.
const RETRY: Duration = Duration::from_millis(10);

/// How a record begins.
const MAGIC: &str = "knock counter v1";

/// The length of a record with the newline that ends it.
const RECORD: usize = 64;

/// Where the records are: no disk tears both with one write.
const OFFSETS: [u64; 2] = [0, 4096];

/// The length of the file.
const LENGTH: usize = 4096 + RECORD;

/// What the file with the counter of a key is called.
pub fn file_name(key: Fingerprint, mode: Mode) -> String {
    match mode {
        Mode::Counter => format!("hotp-{key}"),
        Mode::Time { step } => format!("totp{step}-{key}"),
    }
}

/// The counter in the file at `path`, without a lock: somebody may just be advancing it.
pub fn read(path: &Path) -> Result<u64, CounterError> {
    let fail = |kind| CounterError::new(path, kind);
    let file = regular::open(path, OpenOptions::new().read(true)).map_err(|error| fail(error.into()))?;
    let numbers = numbers(&file).map_err(|error| fail(CounterErrorKind::io(error)))?;
    latest(numbers).ok_or_else(|| fail(CounterErrorKind::Damaged))
}

/// A counter that nobody else advances while this lives.
///
/// The lock is advisory; it is the file's own, so that programs on several machines can share one where their file system
/// carries locks across.
#[derive(Debug)]
pub struct LockedCounter {
    path: PathBuf,
    file: File,
    /// What each record says, if it is whole.
    numbers: [Option<u64>; 2],
}

impl LockedCounter {
    /// Makes the file, which only its owner can read and write; one that is there already is left as it is.
    ///
    /// It appears with all that is in it, or not at all.
    pub fn create(path: &Path, next: u64) -> Result<(), CounterError> {
        make(path, next).map_err(|error| CounterError::new(path, CounterErrorKind::io(error)))
    }

    /// Opens and locks the counter at `path`, in one attempt; never waits and never makes it.
    pub fn try_open(path: &Path) -> Result<LockedCounter, CounterError> {
        let counter = LockedCounter::lock(path)?;
        match latest(counter.numbers) {
            Some(_) => Ok(counter),
            None => Err(CounterError::new(path, CounterErrorKind::Damaged)),
        }
    }

    /// Like [`try_open`](LockedCounter::try_open), but tries again for as long as `patience` while the file is locked.
    pub fn open_within(path: &Path, patience: Duration) -> Result<LockedCounter, CounterError> {
        within(patience, || LockedCounter::try_open(path))
    }

    /// The same for somebody who knows where to go on: one that is damaged is opened too, and stands at 0.
    pub fn mend_within(path: &Path, patience: Duration) -> Result<LockedCounter, CounterError> {
        within(patience, || LockedCounter::lock(path))
    }

    fn lock(path: &Path) -> Result<LockedCounter, CounterError> {
        let fail = |kind| CounterError::new(path, kind);
        let file = regular::open(path, OpenOptions::new().read(true).write(true))
            .map_err(|error| fail(error.into()))?;
        fs2::FileExt::try_lock_exclusive(&file).map_err(|error| {
            let contended = error.raw_os_error() == fs2::lock_contended_error().raw_os_error();
            fail(if contended { CounterErrorKind::Busy } else { CounterErrorKind::Lock(error) })
        })?;
        let mut counter = LockedCounter { path: path.to_owned(), file, numbers: [None; 2] };
        // A file that was renamed over in the meantime is locked by us, and used by nobody.
        regular::leads_to(path, &counter.file).map_err(|error| fail(error.into()))?;
        counter.numbers = numbers(&counter.file).map_err(|error| fail(CounterErrorKind::io(error)))?;
        Ok(counter)
    }

    /// The number that comes next; those below it were used.
    pub fn next(&self) -> u64 {
        latest(self.numbers).unwrap_or_default()
    }

    /// In which order the records are written: the one that counts stands until the other one does.
    fn order(&self) -> [usize; 2] {
        if self.numbers[0] > self.numbers[1] { [1, 0] } else { [0, 1] }
    }

    /// Sets the number that comes next, durably before it says `Ok`; it never goes back.
    ///
    /// After an error every number below `next` must be taken for used, though a crash may bring the earlier one back.
    pub fn advance(&mut self, next: u64) -> Result<(), CounterError> {
        let fail = |kind| CounterError::new(&self.path, kind);
        if next < self.next() {
            return Err(fail(CounterErrorKind::Back { next: self.next() }));
        }
        regular::leads_to(&self.path, &self.file).map_err(|error| fail(error.into()))?;
        for index in self.order() {
            write_at(&self.file, record(next).as_bytes(), OFFSETS[index])
                .map_err(|error| fail(CounterErrorKind::Write(error)))?;
            // Once this has failed, a second call may succeed though the data are lost: the first answer counts.
            self.file.sync_data().map_err(|error| fail(CounterErrorKind::Sync(error)))?;
        }
        regular::leads_to(&self.path, &self.file).map_err(|error| fail(error.into()))?;
        self.numbers = [Some(next); 2];
        Ok(())
    }
}

/// Tries again for as long as `patience` while the file is locked, or just being replaced.
fn within(
    patience: Duration,
    mut open: impl FnMut() -> Result<LockedCounter, CounterError>,
) -> Result<LockedCounter, CounterError> {
    let start = Instant::now();
    loop {
        match open() {
            Err(CounterError { kind: CounterErrorKind::Busy | CounterErrorKind::Replaced, .. })
                if start.elapsed() < patience =>
            {
                std::thread::sleep(RETRY.min(patience.saturating_sub(start.elapsed())));
            }
            result => return result,
        }
    }
}

impl Drop for LockedCounter {
    /// Unlocks by name: to close the file is not enough while a process that is just being started, by whichever
    /// thread, has not let go of its copy of the descriptor.
    fn drop(&mut self) {
        let _ = fs2::FileExt::unlock(&self.file);
    }
}

/// What one record says.
fn record(next: u64) -> String {
    let text = format!("{MAGIC} {next:020}");
    let sum = sum(&text);
    format!("{:<width$}\n", format!("{text} {sum}"), width = RECORD - 1)
}

/// Eight bytes of SHA-256, which tell damage and nothing else.
fn sum(text: &str) -> String {
    let mut sum = String::with_capacity(16);
    for byte in &Sha256::digest(text.as_bytes())[..8] {
        let _ = std::fmt::Write::write_fmt(&mut sum, format_args!("{byte:02x}"));
    }
    sum
}

/// The number in one record, if it is whole.
fn parse(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let number = text.get(MAGIC.len() + 1..MAGIC.len() + 21)?;
    let next = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??;
    (record(next) == text).then_some(next)
}

/// What the records in a file say.
fn numbers(file: &File) -> io::Result<[Option<u64>; 2]> {
    let mut numbers = [None; OFFSETS.len()];
    for (number, offset) in numbers.iter_mut().zip(OFFSETS) {
        let mut bytes = [0; RECORD];
        let length = read_at(file, &mut bytes, offset)?;
        *number = parse(&bytes[..length]);
    }
    Ok(numbers)
}

/// Where the records differ, a crash came between the two: the higher one was being made durable.
fn latest(numbers: [Option<u64>; 2]) -> Option<u64> {
    numbers.into_iter().flatten().max()
}

/// Puts a whole file into its place, unless there is one.
fn make(path: &Path, next: u64) -> io::Result<()> {
    let (Some(name), Some(directory)) = (path.file_name(), path.parent()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let mut unfinished = name.to_owned();
    unfinished.push(format!(".{}.new", std::process::id()));
    let unfinished = directory.join(unfinished);
    // What an earlier process with our number has left behind.
    let _ = fs::remove_file(&unfinished);
    let made = write_new(&unfinished, next).and_then(|()| fs::hard_link(&unfinished, path));
    let _ = fs::remove_file(&unfinished);
    made?;
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    Ok(())
}

fn write_new(path: &Path, next: u64) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mut bytes = vec![b'\n'; LENGTH];
    for offset in OFFSETS {
        let start = usize::try_from(offset).unwrap_or_default();
        bytes[start..start + RECORD].copy_from_slice(record(next).as_bytes());
    }
    file.write_all(&bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
