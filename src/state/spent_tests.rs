use std::fs::{self, OpenOptions};
use std::mem::MaybeUninit;
use std::os::unix::fs::{FileExt as _, MetadataExt, symlink};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tempfile::TempDir;

use super::*;
use crate::state::format::{RECORD, record};

/// A state directory's place, and what is in it.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(TempDir::new().unwrap())
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn file(&self) -> PathBuf {
        self.dir().join(NAME)
    }

    fn try_open(&self) -> Result<Spent, StateError> {
        Spent::open(StateDir::open(&self.dir()).unwrap())
    }

    fn open(&self) -> Spent {
        self.try_open().unwrap()
    }

    fn refusal(&self) -> String {
        let before = fs::read(self.file()).unwrap();
        let error = self.try_open().unwrap_err().to_string();
        assert_eq!(fs::read(self.file()).unwrap(), before, "what is refused is left as it is");
        error.replace(&self.file().display().to_string(), "FILE")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    fn overwrite(&self, bytes: &[u8], offset: usize) {
        let file = OpenOptions::new().write(true).open(self.file()).unwrap();
        file.write_all_at(bytes, offset as u64).unwrap();
    }

    fn cut(&self, length: usize) {
        OpenOptions::new().write(true).open(self.file()).unwrap().set_len(length as u64).unwrap();
    }
}

/// A mark that no other number has; what is in it means nothing here.
fn mark(number: u32) -> Mark {
    let mut mark = [0xee; Mark::LENGTH];
    mark[12..].copy_from_slice(&number.to_le_bytes());
    Mark(mark)
}

/// Where record `index` begins.
fn at(index: usize) -> usize {
    HEADER + index * RECORD
}

const MOVE_AWAY: &str = "move it away to start a new one, but lines that were used before are then known only by the \
                         strikes in the pads themselves";

#[test]
fn what_was_added_is_known_for_good() {
    let place = Place::new();
    let mut spent = place.open();
    assert!(spent.is_empty());
    spent.add([mark(1), mark(2)]).unwrap();
    spent.add([mark(3)]).unwrap();
    for _ in 0..2 {
        assert!([1, 2, 3].into_iter().all(|number| spent.contains(mark(number))));
        assert!(!spent.contains(mark(4)) && !spent.is_empty());
        assert_eq!((spent.damaged(), spent.shortage().is_some()), (0, false));
        drop(spent);
        spent = place.open();
    }
}

#[test]
fn marks_of_the_same_line_are_the_same_in_the_next_process_and_differ_between_directories() {
    let place = Place::new();
    let of = |spent: &Spent| spent.marker(Scope::Door("ssh")).mark(b"7000,8000");
    let first = of(&place.open());
    assert_eq!(first, of(&place.open()));
    let other = Place::new();
    assert_ne!(first, of(&other.open()));
    assert_ne!(first, of(&Spent::in_memory()));
}

#[test]
fn in_memory_nothing_is_kept_and_everything_is_known() {
    let mut spent = Spent::in_memory();
    assert!(spent.is_empty() && !spent.contains(mark(1)));
    spent.add([mark(1)]).unwrap();
    assert!(spent.contains(mark(1)) && !spent.is_empty());
    assert!(spent.unwritten.is_empty());
}

#[test]
fn the_file_is_ours_alone_and_holds_header_and_records_and_free_space() {
    let place = Place::new();
    let mut spent = place.open();
    spent.add([mark(1), mark(2), mark(1)]).unwrap();
    spent.add([mark(2), mark(3)]).unwrap();
    let bytes = place.bytes();
    assert_eq!(fs::metadata(place.file()).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(bytes.len(), at(4096));
    assert_eq!(parse_header(&bytes), Ok(spent.key));
    assert_eq!(bytes[at(0)..at(3)], [record(mark(1)), record(mark(2)), record(mark(3))].concat());
    assert!(bytes[at(3)..].iter().all(|&byte| byte == 0));
    assert!(!place.dir().join(UNFINISHED).exists());
    let shown = format!("{spent:?}");
    assert_eq!(shown, "Spent { marks: 3, .. }", "the key is nobody's business");
}

#[test]
fn the_lock_is_held_for_as_long_as_the_record_is() {
    let place = Place::new();
    let spent = place.open();
    assert!(matches!(StateDir::open(&place.dir()), Err(StateError::InUse { .. })));
    drop(spent);
    StateDir::open(&place.dir()).unwrap();
}

#[test]
fn a_crash_while_it_is_made_leaves_nothing_that_counts() {
    let place = Place::new();
    drop(StateDir::open(&place.dir()).unwrap());
    fs::write(place.dir().join(UNFINISHED), vec![7; 200_000]).unwrap();
    place.open().add([mark(1)]).unwrap();
    assert_eq!(place.bytes().len(), at(4096));
    let spent = place.open();
    assert!(spent.contains(mark(1)) && spent.damaged() == 0);
}

#[test]
fn it_gets_its_name_only_when_it_is_whole() {
    let place = Place::new();
    let dir = StateDir::open(&place.dir()).unwrap();
    let inotify = inotify::init(CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&inotify, place.dir(), WatchFlags::ALL_EVENTS).unwrap();
    drop(Spent::open(dir).unwrap());
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&inotify, &mut buffer);
    let first = loop {
        let event = events.next().unwrap();
        if event.file_name().is_some_and(|name| name.to_bytes() == NAME.as_bytes()) {
            break event.events();
        }
    };
    assert_eq!(first, ReadFlags::MOVED_TO);
}

#[test]
fn space_is_set_aside_before_it_is_needed() {
    let place = Place::new();
    let mut spent = place.open();
    spent.add((0..3072).map(mark)).unwrap();
    assert_eq!(place.bytes().len(), at(4096), "1,024 are free");
    spent.add([mark(3072)]).unwrap();
    assert_eq!(place.bytes().len(), at(8192), "1,023 were");
    spent.add((10_000..20_000).map(mark)).unwrap();
    assert_eq!(place.bytes().len(), at(16_384), "more at once than were free");
    let blocks = fs::metadata(place.file()).unwrap().blocks() * 512;
    assert!(blocks >= at(16_384) as u64, "{blocks} bytes on the disk");
    drop(spent);
    let spent = place.open();
    assert_eq!(spent.marks.len(), 3073 + 10_000);
}

#[test]
fn a_copy_with_holes_gets_its_space_back() {
    let place = Place::new();
    place.open().add([mark(1)]).unwrap();
    let bytes = place.bytes();
    fs::remove_file(place.file()).unwrap();
    fs::write(place.file(), &bytes[..at(1)]).unwrap();
    place.cut(bytes.len());
    assert!(fs::metadata(place.file()).unwrap().blocks() * 512 < bytes.len() as u64);
    assert!(place.open().contains(mark(1)));
    assert!(fs::metadata(place.file()).unwrap().blocks() * 512 >= bytes.len() as u64);
    assert_eq!(place.bytes(), bytes);
}

#[test]
fn damaged_records_are_counted_and_hide_nothing() {
    let place = Place::new();
    place.open().add((0..8).map(mark)).unwrap();
    place.overwrite(&[0xff], at(2) + 20);
    // Torn: its first half was written, its second not.
    place.overwrite(&[0; 12], at(5) + 12);
    // A record that never reached the disk, though later ones did.
    place.overwrite(&[0; RECORD], at(6));
    let mut spent = place.open();
    assert_eq!(spent.damaged(), 2);
    for (number, known) in (0..8).zip([true, true, false, true, true, false, false, true]) {
        assert_eq!(spent.contains(mark(number)), known, "{number}");
    }
    let before = place.bytes();
    spent.add([mark(2), mark(9)]).unwrap();
    drop(spent);
    let after = place.bytes();
    assert_eq!(after[..at(8)], before[..at(8)], "what is there stays as it is");
    assert_eq!(after[at(8)..at(10)], [record(mark(2)), record(mark(9))].concat());
    assert!(place.open().contains(mark(2)));
}

#[test]
fn a_damaged_header_is_refused_with_what_follows_from_that() {
    let place = Place::new();
    place.open().add([mark(1)]).unwrap();
    let whole = place.bytes();
    place.overwrite(b"K", 0);
    let expected =
        format!("FILE is damaged (it does not begin as a record of spent lines does): {MOVE_AWAY}");
    assert_eq!(place.refusal(), expected);
    for offset in [16, 47, 48, 71] {
        place.overwrite(&whole[..HEADER], 0);
        place.overwrite(&[!whole[offset]], offset);
        assert_eq!(place.refusal(), format!("FILE is damaged (its checksum is wrong): {MOVE_AWAY}"));
    }
    place.overwrite(&whole[..HEADER], 0);
    place.overwrite(&[2], 12);
    let expected =
        "FILE has format 2, and this knockd knows only format 1: use the knockd that wrote it, or ";
    assert_eq!(place.refusal(), format!("{expected}{MOVE_AWAY}"));
    place.overwrite(&whole[..HEADER], 0);
    assert!(place.open().contains(mark(1)), "mended, it is read again");
}

#[test]
fn a_file_that_is_too_long_is_refused() {
    let place = Place::new();
    drop(place.open());
    place.cut(usize::try_from(LONGEST).unwrap() + 1);
    let error = place.try_open().unwrap_err().to_string();
    let expected = "is 402653257 bytes long, more than the 402653256 that knockd ever writes: move it away";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn something_else_of_that_name_is_refused() {
    let place = Place::new();
    drop(StateDir::open(&place.dir()).unwrap());
    let refusal = || place.try_open().unwrap_err().to_string();
    symlink("elsewhere", place.file()).unwrap();
    assert!(refusal().contains("/spent cannot be opened: "), "{}", refusal());
    fs::remove_file(place.file()).unwrap();
    fs::create_dir(place.file()).unwrap();
    assert!(refusal().contains("/spent cannot be opened: "), "{}", refusal());
}

#[test]
fn a_cut_file_keeps_what_was_not_cut_off() {
    let place = Place::new();
    place.open().add((0..6).map(mark)).unwrap();
    place.cut(at(4) + 9);
    let mut spent = place.open();
    for number in 0..6 {
        assert_eq!(spent.contains(mark(number)), number < 4, "{number}");
    }
    assert_eq!(spent.damaged(), 1);
    spent.add((0..6).map(mark)).unwrap();
    drop(spent);
    let spent = place.open();
    assert!((0..6).all(|number| spent.contains(mark(number))));
    drop(spent);
    place.cut(HEADER - 1);
    assert_eq!(place.refusal(), format!("FILE is damaged (it is too short): {MOVE_AWAY}"));
    place.cut(0);
    assert_eq!(place.refusal(), format!("FILE is damaged (it is too short): {MOVE_AWAY}"));
}
