//! The record of spent lines on real file systems that are full, or that cannot set space aside.
//!
//! Mounted where only the test's own thread sees them, which takes root.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

use super::{Mark, Spent, StateDir};

/// A mark that no other number has; what is in it means nothing here.
fn mark(number: u32) -> Mark {
    let mut mark = [0xee; Mark::LENGTH];
    mark[12..].copy_from_slice(&number.to_le_bytes());
    Mark(mark)
}

fn open(place: &Path) -> Spent {
    Spent::open(StateDir::open(&place.join("state")).unwrap()).unwrap()
}

/// Does this with a new file system, which goes with the thread.
fn on(kind: &'static str, options: &'static str, test: fn(&Path)) {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("KNOCK_LAB").is_none_or(|v| v != "required"), "mounting takes root");
        eprintln!("SKIPPED, since mounting takes root");
        return;
    }
    let place = TempDir::new().unwrap();
    let path = place.path().to_owned();
    let run = move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("none"), &path, Some(kind), MsFlags::empty(), Some(options)).unwrap();
        test(&path);
    };
    thread::spawn(run).join().unwrap();
}

/// Leaves no space on the file system.
fn fill(place: &Path) {
    let mut file = fs::File::create(place.join("filler")).unwrap();
    let error = io::copy(&mut io::repeat(1), &mut file).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_full_disk_stops_nothing_for_five_hundred_lines_and_more() {
    on("tmpfs", "size=512k", |place| {
        let mut spent = open(place);
        fill(place);
        for number in 0..4096 {
            spent.add([mark(number)]).unwrap();
        }
        let shortage = spent.shortage().map(io::Error::kind);
        assert_eq!(shortage, Some(io::ErrorKind::StorageFull));
        assert_eq!(spent.add([mark(5000)]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        fs::remove_file(place.join("filler")).unwrap();
        spent.add([mark(5001)]).unwrap();
        assert!(spent.shortage().is_none());
        drop(spent);
        let spent = open(place);
        assert!((0..4096).chain([5000, 5001]).all(|number| spent.contains(mark(number))));
    });
}

#[test]
fn on_a_full_disk_none_is_made_and_nothing_is_left_behind() {
    on("tmpfs", "size=64k", |place| {
        let dir = StateDir::open(&place.join("state")).unwrap();
        let error = Spent::open(dir).unwrap_err().to_string();
        assert!(error.contains("/spent cannot be made: No space left"), "{error}");
        let left: Vec<_> =
            fs::read_dir(place.join("state")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
    });
}

#[test]
fn where_space_cannot_be_set_aside_zeros_are_written() {
    // ramfs knows no fallocate(2).
    on("ramfs", "", |place| {
        let probe = fs::File::create(place.join("probe")).unwrap();
        let error = rustix::fs::fallocate(&probe, rustix::fs::FallocateFlags::empty(), 0, 1).unwrap_err();
        assert_eq!(error, rustix::io::Errno::OPNOTSUPP);
        let mut spent = open(place);
        let length = || fs::metadata(place.join("state/spent")).unwrap().len();
        assert_eq!(length(), 72 + 24 * 4096);
        spent.add((0..4000).map(mark)).unwrap();
        assert_eq!(length(), 72 + 24 * 8192);
        drop(spent);
        let spent = open(place);
        assert!((0..4000).all(|number| spent.contains(mark(number))));
    });
}
