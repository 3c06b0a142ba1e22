//! Records in a file: appended durably, in space that was set aside before it is needed.

use std::io;

use super::format::{HEADER, RECORD, Record, parse_record, record};
use super::mark::Mark;
use super::medium::Medium;

/// How many records the file grows by.
const STEP: u64 = 4096;

/// It grows when fewer than this are free, so that a disk that is full now harms nothing for long.
const LOW: u64 = 1024;

/// How many records there may be.
const MOST: u64 = 1 << 24;

/// How long the file may be, in bytes.
pub(super) const LONGEST: u64 = offset(MOST);

/// The records of one file, and where the next one goes.
pub(super) struct Records {
    medium: Box<dyn Medium>,
    /// The first record after the last one that is not free.
    next: u64,
    /// How many records the file has space for.
    places: u64,
    shortage: Option<io::Error>,
}

/// Where a record begins.
const fn offset(index: u64) -> u64 {
    HEADER as u64 + index * RECORD as u64
}

/// How many whole records a file of this length has space for.
fn places(length: u64) -> u64 {
    length.saturating_sub(HEADER as u64) / RECORD as u64
}

impl Records {
    /// Reads every record, and makes sure that all of them last and that the next ones have space.
    ///
    /// What an earlier process wrote may have reached the cache and not the disk, and it alone was told; so what is read
    /// is written again where it stands, and believed only when that is durable.
    pub(super) fn open(medium: Box<dyn Medium>, mut learn: impl FnMut(Record)) -> io::Result<Records> {
        let mut records = Records { medium, next: 0, places: 0, shortage: None };
        records.places = places(records.medium.length()?);
        let mut chunk = vec![0; RECORD * 4096];
        let mut index = 0;
        loop {
            let start = offset(index);
            let length = records.medium.read(&mut chunk, start)?;
            let mut used = 0;
            // A crash can leave free records before used ones, so that none of them is the end.
            for (bytes, end) in chunk[..length].chunks(RECORD).zip(1..) {
                index += 1;
                let record = parse_record(bytes);
                if record != Record::Free {
                    records.next = index;
                    used = length.min(end * RECORD);
                }
                learn(record);
            }
            if used > 0 {
                records.medium.write(&chunk[..used], start)?;
            }
            if length < chunk.len() {
                break;
            }
        }
        records.medium.sync()?;
        match records.grow(0) {
            Err(error) if records.free() == 0 => return Err(error),
            grown => records.shortage = grown.err(),
        }
        Ok(records)
    }

    /// Appends marks durably, at once.  After an error none of them counts, and all are to be appended again.
    pub(super) fn append(&mut self, marks: &[Mark]) -> io::Result<()> {
        let count = marks.len() as u64;
        if count > self.free() {
            self.grow(count)?;
            self.shortage = None;
        }
        let bytes: Vec<u8> = marks.iter().flat_map(|&mark| record(mark)).collect();
        // What a failed attempt has left there is written over, since syncing again alone would prove nothing.
        self.medium.write(&bytes, offset(self.next))?;
        self.medium.sync()?;
        self.next += count;
        if self.free() < LOW {
            self.shortage = self.grow(0).err();
        }
        Ok(())
    }

    /// Why the file could not grow when it was last tried, which does no harm while records are free.
    pub(super) fn shortage(&self) -> Option<&io::Error> {
        self.shortage.as_ref()
    }

    /// How many more records have their place.
    fn free(&self) -> u64 {
        self.places.saturating_sub(self.next)
    }

    /// Sets space aside for at least `count` more records.
    fn grow(&mut self, count: u64) -> io::Result<()> {
        let places = (self.next + count.max(LOW)).next_multiple_of(STEP).max(self.places);
        if places > MOST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it holds as much as it can"));
        }
        let grown = self.medium.reserve(offset(self.next)..offset(places)).and_then(|()| self.medium.sync());
        // Growing that failed may have worked in part.
        self.places = self::places(self.medium.length()?);
        grown
    }
}

/// Sets space aside in a file that has only its header.
pub(super) fn reserve_first(medium: &mut dyn Medium) -> io::Result<()> {
    medium.reserve(offset(0)..offset(STEP))
}
