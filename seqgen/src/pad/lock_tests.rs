use std::sync::mpsc;

use tempfile::TempDir;

use super::*;
use crate::pad::ReadPad;

fn pad(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seqs");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn kind(result: Result<impl std::fmt::Debug, PadError>) -> PadErrorKind {
    result.unwrap_err().kind
}

/// As a process has one that another thread is just starting.
#[test]
fn a_copy_of_the_descriptor_does_not_keep_the_lock() {
    let (_dir, path) = pad(" 1,2\n");
    let held = LockedPad::try_open(&path).unwrap();
    let copy = held.file().try_clone().unwrap();
    drop(held);
    LockedPad::try_open(&path).unwrap();
    drop(copy);
}

#[test]
fn one_holder_at_a_time() {
    let (_dir, path) = pad(" 1,2\n");
    let held = LockedPad::try_open(&path).unwrap();
    let error = LockedPad::try_open(&path).unwrap_err();
    assert!(matches!(error.kind, PadErrorKind::Busy));
    assert!(error.to_string().contains("somebody else holds the lock"), "{error}");
    assert_eq!(ReadPad::open(&path).unwrap().lines().unwrap().count(), 1, "readers need no lock");
    drop(held);
    LockedPad::try_open(&path).unwrap();
}

#[test]
fn patience_waits_for_the_holder_and_not_for_ever() {
    let (_dir, path) = pad(" 1,2\n");
    let held = LockedPad::try_open(&path).unwrap();
    let start = Instant::now();
    let patience = Duration::from_millis(30);
    assert!(matches!(kind(LockedPad::open_within(&path, patience)), PadErrorKind::Busy));
    assert!(start.elapsed() >= patience);

    let (waiting, is_waiting) = mpsc::channel();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            waiting.send(()).unwrap();
            LockedPad::open_within(&path, Duration::from_secs(60)).map(drop)
        });
        is_waiting.recv().unwrap();
        drop(held);
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn only_one_of_many_threads_holds_it() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let (_dir, path) = pad(" 1,2\n");
    let holders = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let held = LockedPad::open_within(&path, Duration::from_secs(60)).unwrap();
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    holders.fetch_sub(1, Ordering::SeqCst);
                    drop(held);
                }
            });
        }
    });
}

#[test]
fn never_creates_a_pad() {
    let (dir, _) = pad("");
    let path = dir.path().join("missing");
    let error = LockedPad::try_open(&path).unwrap_err();
    assert!(matches!(error.kind, PadErrorKind::NotFound));
    assert!(error.to_string().starts_with(&format!("{}: there is no such file", path.display())), "{error}");
    assert!(!path.exists());
}

#[test]
fn directories_are_refused() {
    let (dir, _) = pad("");
    assert!(matches!(kind(ReadPad::open(dir.path())), PadErrorKind::NotAFile("a directory")));
    assert!(matches!(kind(LockedPad::try_open(dir.path())), PadErrorKind::NotAFile("a directory")));
}

#[cfg(unix)]
#[test]
fn fifos_sockets_and_devices_are_refused_without_waiting() {
    let (dir, _) = pad("");
    let fifo = dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, what) in [(&*fifo, "a FIFO"), (&socket, "a socket"), (Path::new("/dev/null"), "a device")] {
        for error in [ReadPad::open(path).unwrap_err(), LockedPad::try_open(path).unwrap_err()] {
            assert!(error.to_string().contains(&format!("not a regular file but {what}")), "{error}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_followed() {
    let (dir, path) = pad(" 1,2\n");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let held = LockedPad::try_open(&link).unwrap();
    assert_eq!(held.path(), link);
    assert!(matches!(kind(LockedPad::try_open(&path)), PadErrorKind::Busy), "it is the file that is locked");
}

#[test]
fn the_operating_systems_reasons_are_told_apart_and_kept() {
    use std::error::Error as _;
    let told = |kind: std::io::ErrorKind| PadError::io(Path::new("seqs"), kind.into());
    let denied = told(std::io::ErrorKind::PermissionDenied);
    assert!(
        denied.to_string().contains("permission denied") && denied.to_string().contains("chmod"),
        "{denied}"
    );
    assert!(denied.source().unwrap().source().is_some());
    let frozen = told(std::io::ErrorKind::ReadOnlyFilesystem);
    assert!(frozen.to_string().contains("read-only file system"), "{frozen}");
}

#[cfg(unix)]
#[test]
fn tells_who_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    use crate::pad::readable_by_others;
    let (_dir, path) = pad("");
    for (mode, expected) in
        [(0o600, None), (0o700, None), (0o620, None), (0o640, Some(0o640)), (0o604, Some(0o604))]
    {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(readable_by_others(&std::fs::metadata(&path).unwrap()), expected, "{mode:o}");
    }
}
