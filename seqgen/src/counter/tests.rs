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
    assert_eq!(fs::metadata(&path).unwrap().len(), 576, "its space is taken once");
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
    for start in [0, 512] {
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
    both[532] ^= 1;
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

#[test]
fn what_is_no_file_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(read(directory.path()).unwrap_err().kind, CounterErrorKind::NotAFile(_)));
}
