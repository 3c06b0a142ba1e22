//! Keys, and pads derived from them, as the users of seqgen(1) meet them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod modes;
mod running;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use seqgen::derive::{KeyFile, KeyMaterial, Label};
use tempfile::TempDir;

use crate::modes::set_mode;
use crate::running::{outcome, refuse, run, succeed};

/// What a key file holds whose key is 00 01 02 … 1f.
const KEY: &str = "# knock key v1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A file that only its owner can read; its name.
    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        set_mode(&self.path(name), 0o600);
        self.name(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn material(path: &Path) -> KeyMaterial {
    KeyFile::open(path).unwrap().material().clone()
}

#[test]
fn a_new_key_is_printed_and_none_is_like_another() {
    let made = succeed(&["--new-key"]);
    assert!(matches!(KeyMaterial::parse(made.as_bytes()), Ok(KeyMaterial::Key(_))));
    assert_ne!(made, succeed(&["--new-key"]));
}

/// Runs seqgen as a shell does with this file mask and this redirection.
#[cfg(unix)]
fn shell(mask: &str, script: &str, arguments: &[&str]) -> (i32, String, String) {
    let script = format!("umask {mask}; seqgen=$0; {script}");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_seqgen")]).args(arguments);
    outcome(&command.output().unwrap())
}

#[cfg(unix)]
#[test]
fn a_key_that_is_redirected_to_a_file_is_its_owners_alone() {
    let place = Place::new();
    let done = (0, String::new(), String::new());
    assert_eq!(shell("022", "\"$seqgen\" --new-key > \"$1\"", &[&place.name("key")]), done);
    assert_eq!(mode(&place.path("key")), 0o600);
    assert!(matches!(material(&place.path("key")), KeyMaterial::Key(_)));

    place.file("old", "something");
    set_mode(&place.path("old"), 0o666);
    assert_eq!(shell("0", "\"$seqgen\" --new-key > \"$1\"", &[&place.name("old")]), done);
    assert_eq!(mode(&place.path("old")), 0o600);

    let script = "\"$seqgen\" --key-file \"$1\" --label gate --label-key > \"$2\"";
    assert_eq!(shell("022", script, &[&place.name("key"), &place.name("gate")]), done);
    assert_eq!(mode(&place.path("gate")), 0o600);
    let gate = Label::new("gate").unwrap();
    let expected = material(&place.path("key")).label_key(Some(&gate)).unwrap();
    assert_eq!(material(&place.path("gate")).label_key(None).unwrap(), expected);
}

#[cfg(unix)]
#[test]
fn a_key_that_goes_to_a_pipe_or_a_device_changes_no_mode() {
    let before = mode(Path::new("/dev/null"));
    assert_eq!(shell("022", "\"$seqgen\" --new-key > /dev/null", &[]).0, 0);
    assert_eq!(mode(Path::new("/dev/null")), before);
    let (code, stdout, stderr) = shell("022", "\"$seqgen\" --new-key | cat", &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(KeyMaterial::parse(stdout.as_bytes()).is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_on_a_terminal_comes_with_a_warning() {
    let place = Place::new();
    let seen = place.name("seen");
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command"]);
    script.arg(format!("{} --new-key", env!("CARGO_BIN_EXE_seqgen"))).arg(&seen);
    let status = script.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).status();
    assert!(status.unwrap().success());
    let seen = place.read("seen");
    assert!(seen.contains("whoever sees this key, or scrolls back to it, has it; `-o FILE` puts"), "{seen}");
    assert!(seen.contains("# knock key v1"), "{seen}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_that_cannot_be_written_is_an_error() {
    let place = Place::new();
    let key = place.file("key", KEY);
    for arguments in [&["--new-key"][..], &["--key-file", &key, "--label", "a", "--label-key"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_seqgen"));
        let (code, _, stderr) = outcome(&command.args(arguments).stdout(full).output().unwrap());
        assert_eq!(code, 1);
        assert!(stderr.starts_with("seqgen: the output cannot be written: No space left"), "{stderr}");
    }
}

#[test]
fn output_makes_a_key_file_and_never_overwrites_one() {
    let place = Place::new();
    let key = place.name("key");
    assert_eq!(succeed(&["--new-key", "-o", &key]), "");
    #[cfg(unix)]
    assert_eq!(mode(&place.path("key")), 0o600);
    let first = place.read("key");
    refuse(&["--new-key", "-o", &key], 1, "key: the file exists; --force puts the key in the place of all");
    let label_key = ["--key-file", &key, "--label", "gate", "--label-key", "-o", &key];
    refuse(&label_key, 1, "key: the file exists; --force puts");
    assert_eq!(place.read("key"), first);

    set_mode(&place.path("key"), 0o644);
    assert_eq!(succeed(&["--new-key", "-o", &key, "--force"]), "");
    assert_ne!(place.read("key"), first);
    assert!(matches!(material(&place.path("key")), KeyMaterial::Key(_)));
    #[cfg(unix)]
    assert_eq!(mode(&place.path("key")), 0o600);
    refuse(&["--new-key", "-o", &place.name("no/key")], 1, "directory that it should be in does not exist");
    refuse(&["--new-key", "-o", &place.name(""), "--force"], 1, "not a regular file but a directory");
}

#[test]
fn a_label_key_serves_as_the_whole_key_does() {
    let place = Place::new();
    let (key, gate) = (place.file("key", KEY), place.name("gate"));
    let label_key = ["--key-file", &key, "--label", "gate", "--label-key"];
    // As in the test vectors: 43 0d 08 94 …
    let printed = succeed(&label_key);
    assert_eq!(printed, "# knock label key v1: gate\nQw0IlEd/NeJBea2S741gGE2rsXuwj3lqHsdmQnL2OzE=\n");
    succeed(&[&label_key[..], &["-o", &gate]].concat());
    assert_eq!(place.read("gate"), printed);
    let lines = succeed(&["--key-file", &key, "--label", "gate", "-n", "9"]);
    assert_eq!(succeed(&["--key-file", &gate, "-n", "9"]), lines);
    assert_eq!(succeed(&["--key-file", &gate, "--label", "gate", "-n", "9"]), lines);
    assert_eq!(succeed(&["--key-file", &gate, "--label", "gate", "--label-key"]), printed);
    assert_ne!(succeed(&["--key-file", &key, "-n", "9"]), lines);
    let message =
        "gate: this is the key for the label `gate`, from which the one for `other` does not follow";
    refuse(&["--key-file", &gate, "--label", "other", "-n", "9"], 1, message);
    refuse(&["--key-file", &gate, "--label", "other", "--label-key"], 1, message);
    refuse(&["--check", &gate, "--label", "other"], 1, message);
    // Without a label, and with the empty one.
    assert_eq!(
        succeed(&["--key-file", &key, "-n", "9"]),
        succeed(&["--key-file", &key, "--label", "", "-n", "9"])
    );
}

fn fingerprint(path: &str) -> String {
    let report = succeed(&["--check", path]);
    report.lines().find_map(|line| line.strip_prefix("fingerprint: ")).unwrap().to_owned()
}

#[test]
fn two_ends_derive_the_same_pad_with_the_same_fingerprint() {
    let place = Place::new();
    let [key, server, client, other] = ["key", "server", "client", "other"].map(|name| place.name(name));
    succeed(&["--new-key", "-o", &key]);
    let options = ["-l", "6", "-p", "mixed", "--ports", "2000-9999", "--exclude", "5000-5999"];
    let derive = |label: &str, path: &str| {
        let arguments = ["--key-file", &key, "--label", label, "-n", "50", "-o", path];
        assert_eq!(succeed(&[&arguments[..], &options].concat()), "");
    };
    derive("gate", &server);
    derive("gate", &client);
    derive("yard", &other);
    assert_eq!(fingerprint(&server), fingerprint(&client));
    assert_ne!(fingerprint(&server), fingerprint(&other));
    #[cfg(unix)]
    assert_eq!(mode(&place.path("server")), 0o600);
    let report = succeed(&["--check", &server]);
    assert!(report.starts_with("live: 50\nstruck: 0\nrepeats: 0\nbad: 0\nentropy: 8"), "{report}");
    assert!(report.contains("if made of 6 TCP or UDP ports at random"), "{report}");
}

#[test]
fn lines_are_counted_from_the_start_that_is_given() {
    let place = Place::new();
    let key = place.file("key", KEY);
    let all = succeed(&["--key-file", &key, "-n", "8"]);
    let all: Vec<&str> = all.split_inclusive('\n').collect();
    assert_eq!(succeed(&["--key-file", &key, "-n", "3", "--start", "0"]), all[..3].concat());
    assert_eq!(succeed(&["--key-file", &key, "-n", "3", "--start", "5"]), all[5..].concat());

    let end = u64::MAX.to_string();
    assert_eq!(succeed(&["--key-file", &key, "-n", "1", "--start", &end]).lines().count(), 1);
    let message = "seqgen: counters end at 18446744073709551615: from 18446744073709551615 on there are 1 of them, not 2";
    refuse(&["--key-file", &key, "-n", "2", "--start", &end], 2, message);
    let pad = place.file("pad", "");
    succeed(&["--key-file", &key, "-n", "1", "--start", &end, "--append", &pad]);
    assert_eq!(place.read("pad").lines().count(), 1);
    refuse(&["--key-file", &key, "-n", "1", "--start", "18446744073709551616"], 2, "invalid value");
    refuse(&["--key-file", &key, "-n", "1", "--start=-1"], 2, "invalid value");
}

#[test]
fn append_adds_what_follows_and_nothing_twice() {
    let place = Place::new();
    let (key, pad) = (place.file("key", KEY), place.name("pad"));
    succeed(&["--key-file", &key, "-n", "5", "-o", &pad]);
    succeed(&["--key-file", &key, "-n", "5", "--start", "5", "--append", &pad]);
    assert_eq!(place.read("pad"), succeed(&["--key-file", &key, "-n", "10"]));

    let struck = place.read("pad").replacen(' ', "#", 1);
    place.file("pad", &struck);
    for start in ["0", "9"] {
        let message =
            format!("pad: what counter {start} gives is in the file already; add what follows, with");
        refuse(&["--key-file", &key, "-n", "5", "--start", start, "--append", &pad], 1, &message);
    }
    assert_eq!(place.read("pad"), struck);
    succeed(&["--key-file", &key, "-n", "5", "-o", &pad, "--force"]);
    assert_eq!(place.read("pad"), succeed(&["--key-file", &key, "-n", "5"]));
}

#[test]
fn the_impossible_is_refused_and_repeats_are_told() {
    let place = Place::new();
    let key = place.file("key", KEY);
    refuse(&["--key-file", &key, "-n", "1", "--ports", "1-4"], 2, "but only 4 are allowed");
    // Of the four possible sequences, half may be used.
    refuse(&["--key-file", &key, "-n", "3", "-l", "3", "--ports", "1-3"], 2, "so 2 more can be made");
    let few = ["--key-file", &key, "-n", "60", "-l", "3", "--ports", "1-6"];
    refuse(&few, 2, "so 40 more can be made");
    let (code, lines, stderr) = run(&["--key-file", &key, "-n", "40", "-l", "3", "--ports", "1-6"]);
    let distinct = lines.lines().collect::<std::collections::HashSet<_>>().len();
    assert_eq!((code, lines.lines().count()), (0, 40));
    assert!(distinct < 40, "so few are possible that some come again");
    assert_eq!(
        stderr,
        format!(
            "seqgen: lines that repeat an earlier one, and so will never be used: {}; allow more ports or longer lines\n",
            40 - distinct
        )
    );
}

#[test]
fn check_says_that_a_key_file_is_one() {
    let place = Place::new();
    let key = place.file("key", KEY);
    let whole = succeed(&["--check", &key]);
    assert!(
        whole.starts_with(
            "key file: a whole key, from which the key of each label follows\nlabel: (none)\nfingerprint: "
        ),
        "{whole}"
    );
    // Both ends of a label show the same fingerprint.
    let gate = place.file("gate", &succeed(&["--key-file", &key, "--label", "gate", "--label-key"]));
    let expected = "label: gate\nfingerprint: 6fcfbe3460b277a1\n";
    assert_eq!(succeed(&["--check", &gate]), format!("key file: the key of one label\n{expected}"));
    assert_eq!(
        succeed(&["--check", &key, "--label", "gate"]),
        format!("key file: a whole key, from which the key of each label follows\n{expected}")
    );
    assert!(!whole.contains("6fcfbe3460b277a1"));
    let pad = place.file("pad", " 1,3,2\n");
    refuse(&["--check", &pad, "--label", "gate"], 2, "pad: this is no key file, so --label says nothing");
}

#[test]
fn bad_key_files_are_named_with_their_place_and_what_to_do() {
    let place = Place::new();
    let short = place.file("short", &KEY.replace("8=\n", "\n"));
    let message = "short:2:43: a key is 44 characters of base64, not 42; copy the file again";
    let pad = place.file("pad", " 1,3,2\n");
    for arguments in [&["--check", &short][..], &["--key-file", &short, "-n", "1"]] {
        refuse(arguments, 1, message);
    }
    refuse(&["--key-file", &short, "--label", "a", "--label-key"], 1, message);
    refuse(&["--key-file", &pad, "-n", "1"], 1, "pad:1:1: this is no key file: it would begin with the line");
    let newer = place.file("newer", &KEY.replace("v1", "v2"));
    refuse(&["--check", &newer], 1, "newer:1:1: this is no header of a key file that this version knows");
    let missing = place.name("missing");
    refuse(
        &["--key-file", &missing, "-n", "1"],
        1,
        "missing: there is no such file; `seqgen --new-key -o FILE`",
    );
    refuse(&["--key-file", &place.name(""), "-n", "1"], 1, "not a regular file but a directory");
}

#[test]
fn a_key_file_is_no_pad() {
    let place = Place::new();
    let key = place.file("key", KEY);
    for arguments in [&["--print", &key][..], &["--qr", &key], &["-n", "1", "--append", &key]] {
        refuse(
            arguments,
            1,
            "key: this is a key file, not a pad; `seqgen --key-file FILE -n 50` derives lines",
        );
    }
    assert_eq!(place.read("key"), KEY);
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_warned_of() {
    let place = Place::new();
    let key = place.file("key", KEY);
    let warning =
        format!("seqgen: {key}: others can read this file (mode 0640); `chmod 600 {key}` stops that\n");
    set_mode(&place.path("key"), 0o640);
    for arguments in [
        &["--check", &key][..],
        &["--key-file", &key, "-n", "1"],
        &["--key-file", &key, "--label", "a", "--label-key"],
    ] {
        let (code, _, stderr) = run(arguments);
        assert_eq!((code, &stderr), (0, &warning), "{arguments:?}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let making = [
        &["-n", "1"][..],
        &["-l", "5"],
        &["-p", "tcp"],
        &["--ports", "1-9"],
        &["--exclude", "1-9"],
        &["--append", "g"],
        &["--start", "1"],
    ];
    let others = [&["--check", "g"][..], &["--print", "g"], &["--qr", "g"], &["--new-key"]];
    let label_key = ["--key-file", "f", "--label", "a", "--label-key"];
    for other in making.iter().chain(&others) {
        refuse(&[&label_key[..], other].concat(), 2, "cannot be used with");
    }
    for other in making.iter().chain(&others[..3]).chain(&[&["--label", "a"][..], &["--key-file", "f"]]) {
        refuse(&[&["--new-key"][..], other].concat(), 2, "cannot be used with");
    }
    for other in &others {
        refuse(&[&["--key-file", "f", "-n", "1"][..], other].concat(), 2, "cannot be used with");
        refuse(&[&["--start", "1"][..], other].concat(), 2, "cannot be used with");
    }
    refuse(&["--label", "a", "--print", "f"], 2, "cannot be used with");
    refuse(&["--label", "a", "--qr", "f"], 2, "cannot be used with");
    refuse(&["--key-file", "f"], 2, "--count <N>");
    refuse(&["--label", "a", "-n", "1"], 2, "--key-file <FILE>");
    refuse(&["--start", "1", "-n", "1"], 2, "--key-file <FILE>");
    refuse(&["--label-key"], 2, "--label <HOST>");
    refuse(&["--label-key", "--key-file", "f"], 2, "--label <HOST>");
    refuse(&["--label-key", "--label", "a"], 2, "--key-file <FILE>");
    refuse(&["--new-key", "--force"], 2, "--output <FILE>");
    let long = "x".repeat(256);
    refuse(&["--key-file", "f", "-n", "1", "--label", &long], 2, "a label has at most 255 bytes, not 256");
    refuse(&["--key-file", "f", "-n", "1", "--label", "a\tb"], 2, "a label has no control characters");
}
