//! Any bytes as the files of the state directory.

#![expect(clippy::unwrap_used, reason = "a rule that does not hold ends in a panic")]

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest, Sha256};

use super::format::{HEADER, RECORD, header, record};
use super::lease_format::{self, SLOT, Slot};
use super::medium::Medium;
use super::{LeaseStore, Left, Mark, Spent, StateError};
use crate::moment::Moment;

/// Reads the bytes as the file of spent lines: as they are, and as records behind a good header.
///
/// What comes out are the marks of the whole records, no more and no others, and each damaged record is counted.
/// Nothing that was in the file is lost, a mark that is added is there the next time, and one flipped bit makes no other
/// mark.
pub fn spent(bytes: &[u8]) {
    as_they_are(bytes);
    as_records(&records_of(bytes));
}

fn as_they_are(bytes: &[u8]) {
    let file = Memory::holding(bytes);
    match load_spent(&file) {
        Ok(spent) => holds_its_records(&spent, bytes),
        Err(_) => assert_eq!(file.lock().bytes, bytes, "what is refused is left as it is"),
    }
}

fn as_records(bytes: &[u8]) {
    let file = Memory::holding(bytes);
    let mut spent = load_spent(&file).unwrap();
    holds_its_records(&spent, bytes);
    assert!(file.lock().bytes.starts_with(bytes), "what was there stays there");

    let new = Mark([0x5a; Mark::LENGTH]);
    spent.add([new]).unwrap();
    let before = marks(bytes);
    let spent = load_spent(&file).unwrap();
    assert!(spent.marks().iter().all(|mark| before.contains(mark) || *mark == new));
    assert!(spent.marks().is_superset(&before) && spent.contains(new));

    let mut flipped = bytes.to_vec();
    let at = flip(&mut flipped[HEADER..]) / RECORD * RECORD;
    let spent = load_spent(&Memory::holding(&flipped)).unwrap();
    let was_whole = bytes[HEADER..].get(at..at + RECORD).is_some_and(is_whole);
    assert!(spent.marks().is_subset(&before) || !was_whole, "the record at {at} became another");
}

fn load_spent(file: &Memory) -> Result<Spent, StateError> {
    Spent::load(Box::new(file.clone()), Path::new("/state/spent"), None)
}

/// Whether this record has the checksum of its mark.
fn is_whole(record: &[u8]) -> bool {
    let (mark, check) = record.split_at(Mark::LENGTH);
    Sha256::digest(mark).starts_with(check)
}

/// The marks of those records that are whole.
fn marks(bytes: &[u8]) -> HashSet<Mark> {
    let records = bytes[HEADER..].chunks_exact(RECORD).filter(|record| is_whole(record));
    records.map(|record| Mark(*record.first_chunk().unwrap())).collect()
}

fn holds_its_records(spent: &Spent, bytes: &[u8]) {
    assert_eq!(*spent.marks(), marks(bytes));
    let records = bytes[HEADER..].chunks(RECORD).filter(|record| record.iter().any(|&byte| byte != 0));
    let damaged = records.filter(|record| record.len() < RECORD || !is_whole(record));
    assert_eq!(spent.damaged(), damaged.count() as u64);
}

/// A file of records: where the last byte of one is odd, it is made a whole one.
fn records_of(bytes: &[u8]) -> Vec<u8> {
    let mut file = header(&[3; 32]).to_vec();
    for chunk in bytes.chunks(RECORD) {
        match chunk.first_chunk() {
            Some(mark) if chunk.len() == RECORD && chunk[RECORD - 1] & 1 == 1 => {
                file.extend(record(Mark(*mark)));
            }
            _ => file.extend(chunk),
        }
    }
    file
}

/// Reads the bytes as the file of leases: as they are, and as the texts of records with good checksums.
///
/// There are at most as many leases as slots, no two of one number, and the deadlines of another boot are due.  What is
/// taken up is written down as what is taken up again, alone and in the file, and one flipped bit is noticed.
pub fn leases(bytes: &[u8]) {
    leases_in(bytes);
    let slots: Vec<Vec<u8>> = bytes.split(|&byte| byte == 0).take(8).map(slot_of).collect();
    for slot in &slots {
        one_lease(slot);
    }
    leases_in(&slots.concat());
}

/// A slot with this text and the checksum that it needs.
fn slot_of(text: &[u8]) -> Vec<u8> {
    let text = [&text[..text.len().min(SLOT - 33)], b"\0"].concat();
    let mut slot = [&b"knockd lease 1\n\n"[..], &Sha256::digest(&text)[..16], &text].concat();
    slot.resize(SLOT, 0);
    slot
}

fn one_lease(slot: &[u8]) {
    let Slot::Taken { version, boot, lease } = lease_format::parse(slot) else { return };
    if let Ok(again) = lease_format::encode(&lease, version, &boot) {
        assert!(again.len() <= SLOT);
        assert_eq!(lease_format::parse(&again), Slot::Taken { version, boot, lease });
    }
    let end = slot.iter().rposition(|&byte| byte != 0).unwrap() + 2;
    let mut flipped = slot.to_vec();
    let bit = flip(&mut flipped[..end]);
    assert_eq!(lease_format::parse(&flipped), Slot::Damaged, "bit {bit}");
}

fn leases_in(bytes: &[u8]) {
    const BOOT: &str = "this boot";
    let load = |file: &Memory| {
        let mut damaged = Vec::new();
        let (store, left) = LeaseStore::load(Box::new(file.clone()), BOOT, &mut damaged).unwrap();
        assert_eq!(damaged.is_empty(), left.damaged == 0);
        (store, left)
    };
    let file = Memory::holding(bytes);
    let (mut store, Left { leases, damaged }) = load(&file);
    let slots: Vec<Slot> = bytes.chunks(SLOT).map(lease_format::parse).collect();
    assert_eq!(damaged, slots.iter().filter(|slot| **slot == Slot::Damaged).count());
    let taken = || {
        slots.iter().filter_map(|slot| match slot {
            Slot::Taken { version, boot, lease } => Some((*version, boot, lease)),
            Slot::Free | Slot::Damaged => None,
        })
    };
    assert_eq!(leases.iter().map(|lease| lease.id).collect::<HashSet<_>>().len(), leases.len());
    assert_eq!(leases.len(), taken().map(|(.., lease)| lease.id).collect::<HashSet<_>>().len());
    for lease in &leases {
        let of_it = || taken().filter(|(.., written)| written.id == lease.id);
        let newest = of_it().map(|(version, ..)| version).max();
        assert!(
            of_it().any(|(version, boot, written)| {
                let deadline = if boot == BOOT { written.deadline } else { Moment::START };
                Some(version) == newest
                    && (deadline, &written.key, &written.stop) == (lease.deadline, &lease.key, &lease.stop)
            }),
            "{lease:?} is not in the file"
        );
    }

    let (_, again) = load(&file);
    assert_eq!((again.leases, again.damaged), (leases.clone(), 0));
    if let Some(lease) = leases.first() {
        let mut lease = lease.clone();
        lease.deadline = Moment::after_start(std::time::Duration::from_secs(7));
        // It may be longer as it is written down here.
        let put = store.put(&lease).is_ok();
        let (mut store, left) = load(&file);
        assert_eq!(left.leases.len(), leases.len());
        assert_eq!(left.leases.contains(&lease), put, "the newer record counts");
        store.remove(lease.id).unwrap();
        assert_eq!(load(&file).1.leases.len(), leases.len() - 1);
    }
}

/// Flips one bit; which one, follows from the bytes.
fn flip(bytes: &mut [u8]) -> usize {
    let sum = bytes.iter().fold(bytes.len(), |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let bit = sum.checked_rem(bytes.len() * 8).unwrap_or_default();
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    bit
}

/// A file in memory; clones are the same one.
#[derive(Clone)]
struct Memory(Arc<Mutex<Contents>>);

struct Contents {
    bytes: Vec<u8>,
    /// Beyond the bytes there are zeros up to here.
    length: usize,
}

impl Memory {
    fn holding(bytes: &[u8]) -> Memory {
        Memory(Arc::new(Mutex::new(Contents { bytes: bytes.to_vec(), length: bytes.len() })))
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap()
    }
}

impl Medium for Memory {
    fn length(&self) -> io::Result<u64> {
        Ok(self.lock().length as u64)
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let contents = self.lock();
        let start = usize::try_from(offset).unwrap();
        let length = contents.length.saturating_sub(start).min(buffer.len());
        let rest = contents.bytes.get(start..).unwrap_or_default();
        let there = rest.len().min(length);
        buffer[..there].copy_from_slice(&rest[..there]);
        buffer[there..length].fill(0);
        Ok(length)
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut contents = self.lock();
        let range = usize::try_from(offset).unwrap()..usize::try_from(offset).unwrap() + bytes.len();
        let end = contents.bytes.len().max(range.end);
        contents.bytes.resize(end, 0);
        contents.bytes[range].copy_from_slice(bytes);
        contents.length = contents.length.max(end);
        Ok(())
    }

    fn reserve(&mut self, bytes: Range<u64>) -> io::Result<()> {
        let mut contents = self.lock();
        contents.length = contents.length.max(usize::try_from(bytes.end).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
