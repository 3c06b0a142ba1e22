//! Files that are no configurations: a clear error each, and nothing that hangs or fills the memory.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use knockd::config::{LoadError, load};
use rustix::fs::Mode;
use tempfile::TempDir;

/// A directory for files that nobody else can write to, whatever the user's umask.
fn directory() -> TempDir {
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    TempDir::new().unwrap()
}

/// Why this path cannot be loaded; fails if that takes long.
fn refusal(path: &Path) -> String {
    let (sender, ended) = mpsc::channel();
    let owned = path.to_owned();
    std::thread::spawn(move || {
        let _ = sender.send(match load(&owned) {
            Err(LoadError::Refused { report, .. }) => report.render(false),
            Err(error) => error.to_string(),
            Ok((config, _)) => panic!("it loads: {config:?}"),
        });
    });
    ended.recv_timeout(Duration::from_secs(60)).unwrap()
}

/// Why a file with these bytes is refused.
fn refusal_of(name: &str, bytes: &[u8]) -> String {
    let directory = directory();
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    refusal(&path)
}

#[test]
fn what_is_no_file() {
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    let _socket = UnixListener::bind(at("socket")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), 0o600.into()).unwrap();
    symlink(at("b"), at("a")).unwrap();
    symlink(at("a"), at("b")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    for (path, why) in [
        (directory.path().to_owned(), "it is a directory, not a file"),
        (at("socket"), "it is a socket, not a file"),
        (at("pipe"), "it is a pipe, not a file"),
        (at("a"), "its symbolic links lead in a circle"),
        (at("dangling"), "there is no such file"),
        (at("missing"), "there is no such file"),
        ("/dev/null".into(), "it is a device, not a file"),
        ("/dev/zero".into(), "it is a device, not a file"),
    ] {
        let expected = format!("the configuration {} cannot be read: {why}", path.display());
        assert_eq!(refusal(&path), expected);
    }
    assert!(refusal(Path::new("/dev/null/x")).ends_with("cannot be read: Not a directory (os error 20)"));
}

#[test]
fn a_link_to_a_file_is_followed() {
    let directory = directory();
    let (file, link) = (directory.path().join("file"), directory.path().join("link"));
    fs::write(&file, "[d]\nsequence = 1\ntcpflags = syn\ncommand = x\n").unwrap();
    symlink(&file, &link).unwrap();
    assert_eq!(load(&link).unwrap().0.doors.len(), 1);
}

/// Root may read everything, so the thread that tries gives its privilege up first.
#[test]
fn no_permission() {
    let directory = directory();
    let path = directory.path().join("knockd.conf");
    fs::write(&path, "[options]\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let said = std::thread::spawn({
        let path = path.clone();
        move || {
            drop_privileges();
            load(&path).map(|_| ()).unwrap_err().to_string()
        }
    });
    let expected = "permission denied; knockd is usually started as root";
    assert!(said.join().unwrap().ends_with(expected));
}

/// For this thread alone.
fn drop_privileges() {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
    let before = capabilities(None).unwrap();
    let effective = before.effective - (CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
    set_capabilities(None, CapabilitySets { effective, ..before }).unwrap();
}

#[test]
fn bytes_that_are_no_text() {
    let nul = refusal_of("a.conf", b"[options]\nlogfile = /x\0y\nnonsense\n");
    assert!(nul.contains("a NUL byte: this is no text file") && nul.contains("a.conf:2:13"), "{nul}");
    assert!(nul.contains("1 error, 0 warnings"), "nothing else is said of such a file: {nul}");
    let utf16: Vec<u8> = "[options]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(refusal_of("a.conf", &utf16).contains("a file saved as UTF-16"));
    let latin = refusal_of("a.conf", b"[options]\n# caf\xe9 \xe9\nseqence = 1\n# \xff\n");
    assert_eq!(latin.matches("a byte that is no UTF-8 text").count(), 2, "{latin}");
    assert!(latin.contains("a.conf:2:6") && latin.contains("a.conf:4:3"), "{latin}");
    assert!(latin.contains("unknown directive `seqence`"), "{latin}");
}

#[test]
fn files_without_end() {
    let directory = directory();
    let path = directory.path().join("large.conf");
    fs::File::create(&path).unwrap().set_len((16 << 20) + 1).unwrap();
    assert!(refusal(&path).ends_with("it is larger than 16 MiB; this cannot be a configuration"));
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(refusal(&path).ends_with("it is larger than 16 MiB; this cannot be a configuration"));
}

#[test]
fn very_long_lines() {
    let long = "x".repeat(10_000_000);
    let directory = directory();
    let path = directory.path().join("knockd.conf");
    let mut file = fs::File::create(&path).unwrap();
    write!(file, "[d]\nsequence = 1\ntcpflags = syn\ncommand = {long}\n# {}", &long[..5_000_000]).unwrap();
    drop(file);
    assert_eq!(load(&path).unwrap().0.doors.len(), 1, "a long command is one");
    for text in [long.clone(), format!("[{long}"), format!("[d]\n{long} = 1\n")] {
        let said = refusal_of("a.conf", text.as_bytes());
        assert!(said.contains("error: ") && said.len() < 3000, "{said}");
    }
}

#[test]
fn very_long_values_and_names_are_not_repeated_in_full() {
    let long = "x1".repeat(50_000);
    for key in ["sequence", "one_time_window", "seq_timeout", "cmd_timeout", "tcpflags", "target"] {
        let text = format!("[d]\n{key} = {long}\none_time_sequences = /p\n[{long}]\n[{long}]\n");
        let said = refusal_of("a.conf", text.as_bytes());
        assert!(said.contains("error: ") && said.len() < 5000, "{key}: {} bytes", said.len());
        let said = refusal_of("a.toml", format!("[d]\n{key} = '{long}'\n[{long}]\n").as_bytes());
        assert!(said.contains("error: ") && said.len() < 5000, "{key}: {} bytes", said.len());
    }
    for key in ["usesyslog", "interface"] {
        let said = refusal_of("a.conf", format!("[options]\n{key} = {long} {long}\n").as_bytes());
        assert!(said.contains("error: ") && said.len() < 3000, "{key}: {} bytes", said.len());
    }
}

#[test]
fn very_many_errors_are_counted_and_the_first_are_shown() {
    let text = format!("[d]\n{}", "a\n".repeat(8_000_000));
    let said = refusal_of("a.conf", text.as_bytes());
    assert!(said.contains(" are not shown"), "{}", &said[said.len() - 300..]);
    assert!(said.len() < 50_000);
    let text = format!("[d]\n{}sequence = 70000\n", "command_6 = ./x\n".repeat(3000));
    let said = refusal_of("a.conf", text.as_bytes());
    assert!(said.contains("port 70000 is out of range"), "warnings do not hide errors");
    let invalid = b"\xff\n".repeat(100_000);
    assert!(refusal_of("a.conf", &invalid).len() < 50_000);
}

#[test]
fn very_long_lists() {
    for (directive, element) in [("one_time_sequences", "/"), ("allow", "x")] {
        let list = format!("{element},").repeat(1_000_000);
        let said = refusal_of("a.conf", format!("[d]\ncommand = x\n{directive} = {list}\n").as_bytes());
        assert!(said.contains(" are not shown") && said.len() < 50_000, "{directive}: {} bytes", said.len());
    }
}

#[test]
fn very_deep_toml() {
    for text in [
        format!("a = {}", "[".repeat(200_000)),
        format!("[{}]", vec!["a"; 100_000].join(".")),
        format!("[d]\n{} = 1", vec!["a"; 100_000].join(".")),
        format!("a = {}", "{a=".repeat(100_000)),
    ] {
        let said = refusal_of("a.toml", text.as_bytes());
        assert!(said.contains("error: ") && said.len() < 50_000, "{said}");
    }
}
