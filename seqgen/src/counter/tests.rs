use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn made(next: u64) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("counter");
    LockedCounter::create(&path, next).unwrap();
    (directory, path)
}

#[test]
fn it_is_kept_and_only_goes_forward() {
    let (_directory, path) = made(7);
    assert_eq!(read(&path).unwrap(), 7);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut counter = LockedCounter::try_open(&path).unwrap();
    assert_eq!(counter.next(), 7);
    counter.advance(8).unwrap();
    counter.advance(8).unwrap();
    let back = counter.advance(7).unwrap_err();
    assert!(matches!(back.kind, CounterErrorKind::Back { next: 8 }), "{back}");
    counter.advance(u64::MAX).unwrap();
    drop(counter);
    assert_eq!(read(&path).unwrap(), u64::MAX);
    assert_eq!(fs::metadata(&path).unwrap().len(), 4160, "its space is taken once");
}

#[test]
fn one_that_is_there_is_not_made_again() {
    let (directory, path) = made(7);
    let error = LockedCounter::create(&path, 0).unwrap_err();
    assert!(matches!(error.kind, CounterErrorKind::Exists), "{error}");
    assert_eq!(read(&path).unwrap(), 7);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
    let missing = directory.path().join("missing");
    assert!(matches!(read(&missing).unwrap_err().kind, CounterErrorKind::NotFound));
    assert!(matches!(LockedCounter::try_open(&missing).unwrap_err().kind, CounterErrorKind::NotFound));
}

#[test]
fn one_holder_at_a_time() {
    let (_directory, path) = made(0);
    let first = LockedCounter::try_open(&path).unwrap();
    assert!(matches!(LockedCounter::try_open(&path).unwrap_err().kind, CounterErrorKind::Busy));
    drop(first);
    LockedCounter::open_within(&path, Duration::from_secs(5)).unwrap();
}

#[test]
fn a_file_put_in_its_place_is_noticed_before_and_after() {
    let (directory, path) = made(3);
    let mut counter = LockedCounter::try_open(&path).unwrap();
    let other = directory.path().join("other");
    LockedCounter::create(&other, 0).unwrap();
    fs::rename(&other, &path).unwrap();
    assert!(matches!(counter.advance(4).unwrap_err().kind, CounterErrorKind::Replaced));
}

/// Whatever has become of one record, and wherever the writing of the two has stopped, no number that was durable is
/// forgotten.
#[test]
fn damage_to_one_record_and_torn_writes_take_nothing_back() {
    let (_directory, path) = made(41);
    let before = fs::read(&path).unwrap();
    LockedCounter::try_open(&path).unwrap().advance(42).unwrap();
    let after = fs::read(&path).unwrap();
    for start in [0, 4096] {
        for at in start..start + RECORD {
            let mut damaged = after.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(read(&path).unwrap(), 42, "byte {at}");
        }
    }
    for at in 0..=LENGTH {
        fs::write(&path, [&after[..at], &before[at..]].concat()).unwrap();
        let number = read(&path).unwrap();
        assert!((41..=42).contains(&number), "torn at {at}");
        if at >= RECORD {
            assert_eq!(number, 42, "torn at {at}, with the first record durable");
        }
    }
}

#[test]
fn a_file_without_a_whole_record_is_not_guessed_at() {
    let (_directory, path) = made(5);
    let whole = fs::read(&path).unwrap();
    let mut both = whole.clone();
    both[20] ^= 1;
    both[4116] ^= 1;
    let shorter = whole[..RECORD - 1].to_vec();
    let signed = String::from_utf8(whole.clone()).unwrap().replace(" 0000", " +000").into_bytes();
    for bytes in [both, shorter, signed, Vec::new(), b"5\n".to_vec(), vec![0xff; LENGTH]] {
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(read(&path).unwrap_err().kind, CounterErrorKind::Damaged));
        let error = LockedCounter::try_open(&path).unwrap_err();
        assert!(matches!(error.kind, CounterErrorKind::Damaged), "{error}");
    }
    fs::write(&path, &whole[..RECORD]).unwrap();
    assert_eq!(read(&path).unwrap(), 5);
}

/// Whatever an earlier crash, or a bad block, has left of the two.
#[test]
fn a_crash_at_any_byte_leaves_the_earlier_number_or_the_new_one() {
    let (_directory, path) = made(41);
    let whole = fs::read(&path).unwrap();
    let (older, latest, lost) = (record(38), record(41), "x".repeat(RECORD));
    for (left, order) in [
        ([&latest, &latest], [0, 4096]),
        ([&older, &latest], [0, 4096]),
        ([&latest, &older], [4096, 0]),
        ([&lost, &latest], [0, 4096]),
        ([&latest, &lost], [4096, 0]),
    ] {
        let mut file = whole.clone();
        for (record, offset) in left.into_iter().zip([0, 4096]) {
            file[offset..offset + RECORD].copy_from_slice(record.as_bytes());
        }
        for offset in order {
            for at in offset..offset + RECORD {
                file[at] = record(45).as_bytes()[at - offset];
                fs::write(&path, &file).unwrap();
                let number = read(&path).unwrap();
                assert!(number == 41 || number == 45, "{left:?}: {number} after byte {at}");
            }
            assert_eq!(read(&path).unwrap(), 45);
        }
    }
}

/// The one that counts is written last, which an error in between shows.
#[test]
fn the_record_that_counts_is_written_last() {
    let (_directory, path) = made(41);
    let mut file = fs::read(&path).unwrap();
    file[4096 + 20] ^= 1;
    fs::write(&path, &file).unwrap();
    let counter = LockedCounter::try_open(&path).unwrap();
    assert_eq!(counter.order(), [1, 0]);
    drop(counter);
    file[4096 + 20] ^= 1;
    file[20] ^= 1;
    fs::write(&path, &file).unwrap();
    assert_eq!(LockedCounter::try_open(&path).unwrap().order(), [0, 1]);
}

#[test]
fn a_damaged_one_goes_on_where_somebody_says() {
    let (_directory, path) = made(5);
    let mut counter = LockedCounter::mend_within(&path, Duration::ZERO).unwrap();
    assert!(matches!(counter.advance(4).unwrap_err().kind, CounterErrorKind::Back { next: 5 }));
    drop(counter);
    fs::write(&path, "damaged").unwrap();
    LockedCounter::mend_within(&path, Duration::ZERO).unwrap().advance(60).unwrap();
    assert_eq!(read(&path).unwrap(), 60);
}

#[test]
fn what_is_no_file_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(read(directory.path()).unwrap_err().kind, CounterErrorKind::NotAFile(_)));
}
