//! seqgen(1) as its users meet it: every flag, every error, every exit code.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod modes;
mod running;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use seqgen::pad::LockedPad;
use seqgen::sequence::{Protocol, Sequence};
use tempfile::TempDir;

use crate::modes::set_mode;
use crate::running::{outcome, refuse, run, succeed};

/// The sequences of lines as seqgen writes them: one blank, then the canonical form.
fn sequences(text: &str) -> Vec<Sequence> {
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines()
        .map(|line| {
            let sequence = Sequence::parse(line).unwrap();
            assert_eq!(line, format!(" {sequence}"));
            sequence
        })
        .collect()
}

fn file(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seqs");
    std::fs::write(&path, text).unwrap();
    settle(&path);
    set_mode(&path, 0o600);
    (dir, path)
}

/// Makes a file look as if nobody had written to it for a while.
fn settle(path: &Path) {
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn fifty_lines_each_with_a_leading_blank() {
    let made = sequences(&succeed(&["-n", "50"]));
    assert_eq!(made.len(), 50);
    for sequence in &made {
        assert_eq!(sequence.steps().len(), 5);
        assert!(sequence.steps().iter().all(|s| s.protocol == Protocol::Tcp && s.port.get() >= 1024));
    }
    assert_eq!(made.iter().collect::<HashSet<_>>().len(), 50);
    assert_ne!(made, sequences(&succeed(&["--count", "50"])));
}

#[test]
fn length_is_three_to_thirty_two() {
    for (flag, length) in [("-l", "3"), ("--length", "32")] {
        let made = sequences(&succeed(&["-n", "4", flag, length]));
        assert!(made.iter().all(|sequence| sequence.steps().len().to_string() == length));
    }
    for length in ["2", "33", "0", "-1", "x"] {
        refuse(&["-n", "4", &format!("--length={length}")], 2, &format!("invalid value '{length}'"));
    }
}

#[test]
fn protocol_is_tcp_udp_or_both() {
    let protocols = |arguments: &[&str]| {
        let made = sequences(&succeed(arguments));
        let mut seen: Vec<_> = made.iter().flat_map(|s| s.steps().iter().map(|step| step.protocol)).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    };
    assert_eq!(protocols(&["-n", "50", "-p", "tcp"]), [Protocol::Tcp]);
    assert_eq!(protocols(&["-n", "50", "--proto", "udp"]), [Protocol::Udp]);
    assert_eq!(protocols(&["-n", "50", "-p", "mixed"]), [Protocol::Tcp, Protocol::Udp]);
    refuse(&["-n", "1", "-p", "sctp"], 2, "invalid value 'sctp'");
}

#[test]
fn ports_are_chosen_and_excluded() {
    let arguments = ["-n", "400", "--ports", "100-119,200-229", "--ports", "7", "--exclude", "110-119,200"];
    let used: HashSet<u16> = sequences(&succeed(&arguments))
        .iter()
        .flat_map(|sequence| sequence.steps().iter().map(|step| step.port.get()).collect::<Vec<_>>())
        .collect();
    let allowed = |port: &u16| matches!(port, 7 | 100..=109 | 201..=229);
    assert!(used.iter().all(allowed), "{used:?}");
    assert!(used.contains(&7) && used.contains(&229) && used.contains(&100), "{used:?}");
    refuse(&["-n", "1", "--ports", "0-5"], 2, "port 0 is out of range (1-65535)");
    refuse(&["-n", "1", "--ports", "9-5"], 2, "the range 9-5 is empty; did you mean 5-9?");
    refuse(&["-n", "1", "--exclude", "ssh"], 2, "`ssh` is not a port number");
}

#[test]
fn the_impossible_is_refused_with_what_is_possible() {
    refuse(&["-n", "0"], 2, "invalid value '0'");
    refuse(&["-n", "10000001"], 2, "invalid value '10000001'");
    refuse(&["-n", "many"], 2, "invalid value 'many'");
    refuse(&[], 2, "--count <N>");
    refuse(
        &["-n", "1", "--ports", "1-4"],
        2,
        "seqgen: 5 different ports are needed for one line, but only 4",
    );
    refuse(&["-n", "1", "--exclude", "1-65535"], 2, "but only 0 are allowed");
    refuse(&["-n", "32", "--ports", "1-31"], 2, "only 31 are possible");
    refuse(&["-n", "9921", "-l", "3", "--ports", "1-32"], 2, "so 9920 more can be made");
    let (_dir, path) = file(" 1,2\n");
    refuse(&["-n", "1", "--ports", "1-4", "--append", path.to_str().unwrap()], 2, "only 4 are allowed");
    assert_eq!(read(&path), " 1,2\n");
}

#[test]
fn conflicting_options_are_refused() {
    for arguments in [
        &["--check", "f", "-n", "1"][..],
        &["--check", "f", "-l", "5"],
        &["--check", "f", "-p", "tcp"],
        &["--check", "f", "--ports", "1-9"],
        &["--check", "f", "--exclude", "1-9"],
        &["--check", "f", "-o", "g"],
        &["--check", "f", "-o", "g", "--force"],
        &["--check", "f", "--append", "g"],
        &["-n", "1", "-o", "f", "--append", "g"],
        &["-n", "1", "--append", "g", "-o", "f", "--force"],
    ] {
        refuse(arguments, 2, "cannot be used with");
    }
    refuse(&["-n", "1", "--force"], 2, "--output <FILE>");
    refuse(&["-n", "1", "--append", "f", "--force"], 2, "cannot be used with");
    refuse(&["-n", "1", "stray"], 2, "unexpected argument 'stray'");
}

#[test]
fn tells_its_version_and_its_use() {
    for flag in ["-V", "--version"] {
        assert_eq!(succeed(&[flag]), concat!("seqgen ", env!("CARGO_PKG_VERSION"), "\n"));
    }
    for flag in ["-h", "--help"] {
        let help = succeed(&[flag]);
        for option in
            ["--count", "--length", "--proto", "--ports", "--exclude", "--output", "--force", "--append"]
        {
            assert!(help.contains(option), "{option}: {help}");
        }
    }
}

#[test]
fn output_makes_a_file_for_its_owner_and_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seqs");
    let name = path.to_str().unwrap();
    assert_eq!(succeed(&["-n", "50", "-o", name]), "");
    let first = read(&path);
    assert_eq!(sequences(&first).len(), 50);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    refuse(&["-n", "50", "--output", name], 1, "seqs: the file exists");
    assert_eq!(read(&path), first);
    refuse(
        &["-n", "1", "-o", dir.path().join("no/seqs").to_str().unwrap()],
        1,
        "directory that it should be in",
    );
}

#[test]
fn force_replaces_the_lines_and_keeps_the_file() {
    let (dir, path) = file(" 1,2\n#3,4\n# note\n");
    let name = path.to_str().unwrap();
    let identity = same_file::Handle::from_path(&path).unwrap();
    succeed(&["-n", "3", "-o", name, "--force"]);
    assert_eq!(sequences(&read(&path)).len(), 3);
    assert_eq!(same_file::Handle::from_path(&path).unwrap(), identity);

    let fresh = dir.path().join("fresh");
    succeed(&["-n", "3", "-o", fresh.to_str().unwrap(), "--force"]);
    assert_eq!(sequences(&read(&fresh)).len(), 3);

    let before = read(&path);
    refuse(&["-n", "1", "--ports", "1", "-o", name, "--force"], 2, "allow more ports");
    assert_eq!(read(&path), before, "the impossible costs nothing");
    let _held = LockedPad::try_open(&path).unwrap();
    refuse(&["-n", "3", "-o", name, "--force"], 1, "somebody else holds the lock");
    refuse(
        &["-n", "3", "-o", dir.path().to_str().unwrap(), "--force"],
        1,
        "not a regular file but a directory",
    );
}

#[test]
fn append_adds_lines_that_were_never_there() {
    // Of the four possible sequences, one is live and one is struck.
    for _ in 0..10 {
        let (_dir, path) = file(" 1,3,2\n");
        let arguments = ["-n", "1", "-l", "3", "--ports", "1-3", "--append", path.to_str().unwrap()];
        assert_eq!(succeed(&arguments), "");
        let text = read(&path);
        let added = text.strip_prefix(" 1,3,2\n").unwrap();
        assert_eq!(sequences(added).len(), 1);
        assert_ne!(added, " 1,3,2\n");
        refuse(&arguments, 2, "2 are in the pad already");
    }
    let (_dir, path) = file("# a note\n#1000,8,7\n 9,3,5\n");
    let arguments = ["-n", "500", "-l", "3", "--ports", "1-40", "--append", path.to_str().unwrap()];
    succeed(&arguments);
    succeed(&arguments);
    let text = read(&path);
    let added = sequences(text.strip_prefix("# a note\n#1000,8,7\n 9,3,5\n").unwrap());
    assert_eq!(added.len(), 1000);
    assert_eq!(added.iter().collect::<HashSet<_>>().len(), 1000);
    for near in added.windows(32) {
        assert_eq!(near.iter().map(Sequence::first).collect::<HashSet<_>>().len(), 32);
    }
}

#[test]
fn append_avoids_struck_lines_even_where_a_digit_was_lost() {
    // Of the four possible sequences, `1,3,2` and `3,1,2` would read the same once struck.
    for pad in ["#1,3,2\n", "#,3,2\n"] {
        for _ in 0..10 {
            let (_dir, path) = file(pad);
            succeed(&["-n", "1", "-l", "3", "--ports", "1-3", "--append", path.to_str().unwrap()]);
            assert_ne!(read(&path), format!("{pad} 1,3,2\n"));
        }
    }
}

#[test]
fn append_ends_a_last_line_first_unless_somebody_writes_it() {
    let (_dir, path) = file(" 9,3,5");
    let arguments = ["-n", "1", "--append", path.to_str().unwrap()];
    succeed(&arguments);
    let text = read(&path);
    assert_eq!(sequences(&text).len(), 2);
    assert!(text.starts_with(" 9,3,5\n "));

    std::fs::write(&path, "# note\n 9,3,").unwrap();
    refuse(&arguments, 1, "seqs:2: the last line has no newline, and the file was changed just now");
    assert_eq!(read(&path), "# note\n 9,3,");
}

#[test]
fn append_respects_the_lock_and_makes_no_file() {
    let (dir, path) = file(" 9,3,5\n");
    let arguments = ["-n", "1", "--append", path.to_str().unwrap()];
    let held = LockedPad::try_open(&path).unwrap();
    refuse(&arguments, 1, "somebody else holds the lock");
    assert_eq!(read(&path), " 9,3,5\n");
    drop(held);
    succeed(&arguments);

    let missing = dir.path().join("missing");
    refuse(&["-n", "1", "--append", missing.to_str().unwrap()], 1, "there is no such file");
    assert!(!missing.exists());
    refuse(&["-n", "1", "--append", dir.path().to_str().unwrap()], 1, "not a regular file but a directory");
}

/// Runs seqgen where no file may grow beyond a kilobyte, as if the disk were full.
#[cfg(unix)]
fn run_on_a_full_disk(arguments: &[&str]) -> (i32, String, String) {
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_seqgen")]).args(arguments);
    outcome(&command.output().unwrap())
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_line_cut_short() {
    let (dir, path) = file(" 9,3,5\n");
    let (code, _, stderr) = run_on_a_full_disk(&["-n", "1000", "--append", path.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(stderr.starts_with("seqgen: ") && stderr.contains("File too large"), "{stderr}");
    assert_eq!(read(&path), " 9,3,5\n");

    let fresh = dir.path().join("fresh");
    let (code, _, stderr) = run_on_a_full_disk(&["-n", "1000", "-o", fresh.to_str().unwrap()]);
    assert_eq!(code, 1, "{stderr}");
    assert!(!fresh.exists());

    let (code, _, stderr) = run_on_a_full_disk(&["-n", "1000", "-o", path.to_str().unwrap(), "--force"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("the last one may be cut short"), "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_an_error() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let (_dir, path) = file(" 1,2\n");
    for arguments in [&["-n", "3"][..], &["-n", "100000"], &["--check", path.to_str().unwrap()]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seqgen"));
        let output = command.args(arguments).stdout(full()).output().unwrap();
        let (code, _, stderr) = outcome(&output);
        assert_eq!(code, 1, "{arguments:?}");
        assert!(stderr.starts_with("seqgen: the output cannot be written: No space left"), "{stderr}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;
    let mut command = Command::new(env!("CARGO_BIN_EXE_seqgen"));
    let mut child =
        command.args(["-n", "200000"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(sequences(&line).len(), 1);
    let (code, _, stderr) = outcome(&child.wait_with_output().unwrap());
    assert_eq!((code, stderr.as_str()), (0, ""));
}

#[test]
fn check_counts_and_measures() {
    let (_dir, path) = file("# pad\n 10,19,12\n#11,13,12\n\n 14,12,19");
    // Ten ports between 10 and 19; log2(10 * 9 * 8 * 4 / 6); printf '10,19,12\n11,13,12\n14,12,19\n' | sha256sum
    assert_eq!(
        succeed(&["--check", path.to_str().unwrap()]),
        "live: 2\nstruck: 1\nrepeats: 0\nbad: 0\n\
         entropy: 8.9 bits a line, if made of 3 TCP ports at random from 10-19\n\
         fingerprint: c7823c06737ed275eb449e1a90ba45dbb2eb98abbb9632c8515557032cc48aa8\n"
    );
}

#[test]
fn check_of_a_fresh_pad_finds_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seqs");
    succeed(&["-n", "200", "-p", "mixed", "-l", "6", "-o", path.to_str().unwrap()]);
    let report = succeed(&["--check", path.to_str().unwrap()]);
    assert!(report.starts_with("live: 200\nstruck: 0\nrepeats: 0\nbad: 0\nentropy: 101."), "{report}");
    assert!(report.contains("bits a line, if made of 6 TCP or UDP ports at random from "), "{report}");
}

#[test]
fn check_names_bad_lines_with_their_place() {
    let (_dir, path) = file(" 1,2\n 1,70000\n\n1,2\u{0}\n 1, 2\n");
    let name = path.to_str().unwrap();
    let (code, stdout, stderr) = run(&["--check", name]);
    assert_eq!(code, 1);
    assert!(stdout.starts_with("live: 1\nstruck: 0\nrepeats: 1\nbad: 2\n"), "{stdout}");
    assert_eq!(
        stderr,
        format!(
            "{name}:2:4: port 70000 is out of range (1-65535)\n{name}:4:3: `2\\0` is not a port number\n\
             {name}:5: this repeats an earlier line, so it will never be used\n"
        )
    );
}

fn fingerprint(path: &Path) -> String {
    let (_, report, _) = run(&["--check", path.to_str().unwrap()]);
    report.lines().find_map(|line| line.strip_prefix("fingerprint: ")).unwrap().to_owned()
}

#[test]
fn the_fingerprint_survives_strikes() {
    let (_dir, path) = file(&succeed(&["-n", "5"]));
    let whole = fingerprint(&path);
    let mut pad = LockedPad::try_open(&path).unwrap();
    let lines: Vec<_> = pad.lines().unwrap().map(Result::unwrap).collect();
    pad.strike(&lines.iter().take(3).collect::<Vec<_>>()).unwrap();
    drop(pad);
    assert_eq!(fingerprint(&path), whole);
    assert!(succeed(&["--check", path.to_str().unwrap()]).starts_with("live: 2\nstruck: 3\n"));
}

#[test]
fn check_says_where_a_fingerprint_does_not_survive() {
    let (_dir, path) = file("7000,8\n 9,8\n");
    let report = succeed(&["--check", path.to_str().unwrap()]);
    assert!(report.contains("note: live lines that begin with a digit: 1;"), "{report}");
    let (_dir, path) = file("#000,8\n 9,8\n");
    let report = succeed(&["--check", path.to_str().unwrap()]);
    assert!(report.contains("note: struck lines that have lost a digit: 1;"), "{report}");
}

#[test]
fn check_leaves_out_a_line_that_is_being_written() {
    let (_dir, path) = file("");
    std::fs::write(&path, " 9,8\n 7,6").unwrap();
    let (code, stdout, stderr) = run(&["--check", path.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(stdout.starts_with("live: 1\n"), "{stdout}");
    assert!(stderr.contains("seqs:2: the last line has no newline"), "{stderr}");
}

#[test]
fn check_of_nothing() {
    let (dir, path) = file("");
    let report = succeed(&["--check", path.to_str().unwrap()]);
    let sha256_of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(report, format!("live: 0\nstruck: 0\nrepeats: 0\nbad: 0\nfingerprint: {sha256_of_nothing}\n"));
    refuse(&["--check", dir.path().to_str().unwrap()], 1, "not a regular file but a directory");
    refuse(&["--check", dir.path().join("missing").to_str().unwrap()], 1, "there is no such file");
}

#[cfg(unix)]
#[test]
fn a_pad_that_others_can_read_gets_a_warning() {
    let (_dir, path) = file(" 9,8,10\n");
    set_mode(&path, 0o644);
    let name = path.to_str().unwrap();
    let warning =
        format!("seqgen: {name}: others can read this file (mode 0644); `chmod 600 {name}` stops that\n");
    for arguments in
        [&["--check", name][..], &["-n", "1", "--append", name], &["-n", "1", "-o", name, "--force"]]
    {
        let (code, _, stderr) = run(arguments);
        assert_eq!((code, stderr), (0, warning.clone()), "{arguments:?}");
    }
}
