//! Sequences from a key: which one is hit, that its number is used up before the first hit, and that none is used in vain.

mod counters;
#[cfg(target_os = "linux")]
mod in_a_network;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use seqgen::derive::{Form, Key, KeyMaterial, Label, Mode};
use seqgen::generate::{Pool, PortRange, Protocols, Shape};
use tempfile::TempDir;

use crate::support::{Catcher, KNOCK, LONG, Ran};

/// A person with a key, whose client keeps counters in a directory of its own.
struct Person {
    folder: TempDir,
    key: PathBuf,
}

const BYTES: [u8; 32] = [7; 32];

/// Three UDP ports, so that hits of all of them can be caught.
const SHAPE: &str = "--length 3 --proto udp --ports";

impl Person {
    fn new() -> Person {
        Person::with(&KeyMaterial::Key(Key::from_bytes(BYTES)))
    }

    fn with(material: &KeyMaterial) -> Person {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        fs::write(&key, &*material.to_text()).unwrap();
        chmod(&key, 0o600);
        Person { folder, key }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(KNOCK);
        command.env("XDG_CONFIG_HOME", "/nonexistent").env("XDG_STATE_HOME", self.state());
        command.arg("-k").arg(&self.key).args(line.split_whitespace()).stdin(Stdio::null());
        command
    }

    fn knock(&self, line: &str) -> Ran {
        assert_cmd::Command::from_std(self.command(line)).timeout(LONG).output().unwrap().into()
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn counter_file(&self, label: &str) -> PathBuf {
        let key = Key::from_bytes(BYTES).label_key(&Label::new(label).unwrap());
        self.state().join("knock").join(format!("hotp-{}", key.fingerprint()))
    }

    /// The number that is next, twice, as the file says it.
    fn next(&self) -> Option<u64> {
        let text = fs::read_to_string(self.counter_file("")).ok()?;
        let numbers: Vec<u64> =
            text.split("knock counter v1 ").skip(1).map(|it| it[..20].parse().unwrap()).collect();
        assert!(numbers.len() == 2 && numbers[0] == numbers[1], "{text}");
        Some(numbers[0])
    }

    /// Lets the counter begin, so that nothing is said of it from now on.
    fn begun(self) -> Person {
        assert_eq!(self.knock("-q --counter 0 --unbound -d 0 127.0.0.1").code, Some(0));
        assert_eq!(self.next(), Some(1));
        self
    }
}

fn chmod(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

fn form(length: usize, protocols: Protocols, ranges: &str) -> Form {
    let ranges: Vec<PortRange> = ranges.split(',').map(|range| range.parse().unwrap()).collect();
    Form::new(Shape { length, protocols, pool: Pool::new(&ranges, &[]) }).unwrap()
}

fn usual() -> Form {
    form(5, Protocols::Tcp, "1024-65535")
}

/// What is announced of a sequence at this host.
fn hits(host: &str, mode: Mode, number: u64, form: &Form, label: &str, bound: Option<&str>) -> String {
    let key = Key::from_bytes(BYTES).label_key(&Label::new(label).unwrap());
    let bound = bound.map(|address| address.parse::<IpAddr>().unwrap());
    let sequence = key.counter_key(mode, number, form).sequence(form, bound);
    let line = |step: &seqgen::sequence::Step| format!("hitting {} {host}:{}\n", step.protocol, step.port);
    sequence.steps().iter().map(line).collect()
}

fn counted(number: u64, bound: Option<&str>) -> String {
    hits("127.0.0.1", Mode::Counter, number, &usual(), "", bound)
}

/// Three catchers, and the options that make every hit go to one of them.
fn catchers() -> ([Catcher; 3], String) {
    let catchers = [(); 3].map(|()| Catcher::new());
    let ports = catchers.each_ref().map(|catcher| catcher.port().to_string()).join(",");
    (catchers, format!("{SHAPE} {ports}"))
}

#[test]
fn every_knock_takes_the_next_sequence_of_the_key() {
    let person = Person::new();
    for (number, flag) in [(0, "--unbound"), (1, "--unbound"), (2, "--unbound -d 0")] {
        let ran = person.knock(&format!("-v {flag} 127.0.0.1"));
        assert_eq!((ran.code, ran.out), (Some(0), counted(number, None)));
        // Only the first time.
        assert_eq!(ran.err.contains("no counter is kept for this key yet"), number == 0, "{}", ran.err);
        assert_eq!(person.next(), Some(number + 1));
    }
    let quiet = Person::new();
    assert_eq!(quiet.knock("-q 127.0.0.1").quietly(), "");
}

#[test]
fn a_sequence_is_bound_to_the_address_that_the_server_sees() {
    let person = Person::new().begun();
    assert_eq!(person.knock("-v 127.0.0.1").quietly(), counted(1, Some("127.0.0.1")));
    assert_eq!(person.knock("-v --source 127.0.0.9 127.0.0.1").quietly(), counted(2, Some("127.0.0.9")));
    for (number, sender) in [(3, "192.0.2.7"), (4, "::ffff:192.0.2.7")] {
        let out = person.knock(&format!("-v --as {sender} 127.0.0.1")).quietly();
        assert_eq!(out, counted(number, Some("192.0.2.7")));
    }
    let six = |number, bound| hits("::1", Mode::Counter, number, &usual(), "", Some(bound));
    assert_eq!(person.knock("-v ::1").quietly(), six(5, "::1"));
    assert_eq!(person.knock("-v --as 2001:db8::7 ::1").quietly(), six(6, "2001:db8::7"));
    person.knock("-v --as 2001:db8::7 127.0.0.1").refused(1, "has no IPv6 address");
    assert_eq!(person.next(), Some(7));
}

#[test]
fn labels_and_shapes_are_those_of_the_door() {
    let person = Person::new();
    let mixed = form(7, Protocols::Mixed, "2000-2999,4000");
    let line = "-q --unbound --length 7 --proto mixed --ports 2000-3999,4000 --exclude 3000-3999 --label";
    let ran = person.knock(&format!("{line} gate 127.0.0.1").replace("-q", "-v"));
    assert_eq!(ran.out, hits("127.0.0.1", Mode::Counter, 0, &mixed, "gate", None));
    assert!(person.counter_file("gate").exists() && !person.counter_file("").exists());

    let label = Label::new("gate").unwrap();
    let key = Key::from_bytes(BYTES).label_key(&label);
    let narrow = Person::with(&KeyMaterial::Label { label, key });
    for given in ["", "--label gate"] {
        let ran = narrow.knock(&format!("-v --counter 5 --unbound {given} 127.0.0.1 --dry-run"));
        let expected = hits("127.0.0.1", Mode::Counter, 5, &usual(), "gate", None);
        assert_eq!(ran.quietly(), expected.replace("hitting", "would hit"));
    }
    narrow.knock("--label door 127.0.0.1").refused(1, "key: ");
    assert!(!narrow.state().exists());
}

#[test]
fn resync_and_each_retry_take_numbers_of_their_own() {
    let person = Person::new().begun();
    let out = person.knock("-v -d 0 --unbound --resync 127.0.0.1").quietly();
    assert_eq!(out, counted(1, None) + &counted(2, None));
    let ran = person.knock("-v -d 0 --unbound --counter 5 -w 1/1 --retry 2 127.0.0.1");
    assert_eq!((ran.code, ran.out), (Some(4), (5..8).map(|number| counted(number, None)).collect()));
    assert_eq!(person.next(), Some(8));
}

#[test]
fn an_open_port_uses_no_number() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let person = Person::new();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(person.knock(&format!("-w {port} 127.0.0.1")).quietly(), "");
    assert!(!person.state().exists());
}

/// The number of the step of time that it is.
fn step_now(seconds: u64) -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / seconds
}

fn timed(seconds: u32, number: u64) -> String {
    let mode = Mode::Time { step: seconds.try_into().unwrap() };
    hits("127.0.0.1", mode, number, &usual(), "", Some("127.0.0.1"))
}

#[test]
fn in_time_mode_the_clock_says_which_sequence_is_next() {
    let person = Person::new();
    for step in ["3600", "3600s", "60m", "1h"] {
        let before = step_now(3600);
        let out = person.knock(&format!("-v --step {step} 127.0.0.1")).quietly();
        assert!((before..=step_now(3600)).any(|number| out == timed(3600, number)), "{out}");
    }
    assert!(!person.state().exists());
}

#[test]
fn in_time_mode_each_retry_waits_for_a_step_of_its_own() {
    let person = Person::new();
    let before = step_now(1);
    let ran = person.knock("-v -d 0 --step 1 -w 1/1 --retry 2 127.0.0.1");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let lines: Vec<&str> = ran.out.split_inclusive('\n').collect();
    let used: Vec<u64> = lines
        .chunks(5)
        .map(|knock| (before..=step_now(1)).find(|&number| timed(1, number) == knock.concat()).unwrap())
        .collect();
    assert!(used.len() == 3 && used.is_sorted_by(|a, b| a < b), "{used:?}");
    assert!(!ran.err.contains("waiting"), "{}", ran.err);
}

#[test]
fn a_key_that_is_taken_for_a_pad_is_never_shown() {
    let person = Person::new();
    let path = person.key.to_str().unwrap();
    for line in ["-v -f", "--dry-run -f"] {
        let ran = crate::support::knock_line(&format!("{line} {path} 127.0.0.1"));
        let secret = KeyMaterial::Key(Key::from_bytes(BYTES)).to_text();
        let secret = &secret.lines().nth(1).unwrap()[..8];
        assert!(!ran.err.contains(secret), "{}", ran.err);
        ran.refused(1, &format!("{path}: this is a key file, not a pad: knock with --key {path}"));
    }
}

#[test]
fn the_key_of_a_file_with_a_damaged_header_is_not_shown_either() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("damaged");
    let text = KeyMaterial::Key(Key::from_bytes(BYTES)).to_text();
    fs::write(&path, text.replacen("# knock", "# knokc", 1)).unwrap();
    let path = path.to_str().unwrap();
    let ran = crate::support::knock_line(&format!("-v -f {path} 127.0.0.1"));
    assert!(!ran.err.contains(&text.lines().nth(1).unwrap()[..8]), "{}", ran.err);
    ran.refused(
        3,
        "damaged:2:1: this looks like a key, not a sequence; pads hold sequences; skipping this line",
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_get_at_is_refused() {
    let (catchers, shape) = catchers();
    let person = Person::new();
    let path = person.key.to_str().unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610] {
        chmod(&person.key, mode);
        let said = format!("so it is not used; mend it with: chmod 600 {path}\n");
        person.knock(&format!("-v {shape} 127.0.0.1")).refused(1, &said);
    }
    catchers.iter().for_each(Catcher::assert_nothing);
    assert!(!person.state().exists());
    chmod(&person.key, 0o400);
    assert_eq!(person.knock("127.0.0.1").code, Some(0));
}

#[test]
fn what_is_no_key_or_no_host_uses_nothing() {
    let (catchers, shape) = catchers();
    let person = Person::new();
    for (host, message) in [
        ("nosuch.invalid", "cannot find the address of `nosuch.invalid`"),
        ("0.0.0.0", "unspecified address"),
        ("fe80::1", "needs its interface"),
        ("-6 127.0.0.1", "has no IPv6 address"),
    ] {
        person.knock(&format!("-v {shape} {host}")).refused(1, message);
    }
    for (text, message) in
        [("7000,8000,9000\n", ":1:1: "), ("# knock key v1\nAAAA\n", ":2:5: "), ("", ":1:1: ")]
    {
        fs::write(&person.key, text).unwrap();
        person.knock(&format!("-v {shape} 127.0.0.1")).refused(1, message);
    }
    fs::remove_file(&person.key).unwrap();
    person.knock(&format!("-v {shape} 127.0.0.1")).refused(1, "there is no such file; `seqgen --new-key");
    catchers.iter().for_each(Catcher::assert_nothing);
    assert!(!person.state().exists());
}

#[test]
fn bad_values_end_with_2_and_use_nothing() {
    let person = Person::new();
    let seqs = crate::support::Pad::of(1);
    for (line, message) in [
        ("--label \u{7}", "control character"),
        ("--step 0", "`0` is no step of time (1s-1h)"),
        ("--step 2h", "`2h` is no step of time (1s-1h)"),
        ("--step 30 --resync", "--resync does not go with steps of time"),
        ("--step 30 --counter 1", "cannot be used with"),
        ("--counter x", "'x'"),
        ("--as 192.0.2.300", "`192.0.2.300` is not an IP address"),
        ("--as 192.0.2.7 --unbound", "cannot be used with"),
        ("--as 192.0.2.7 -6", "--as 192.0.2.7 is not of the family"),
        ("--length 2", "2 is not in 3..=32"),
        ("--proto sctp", "'sctp'"),
        ("--ports 5-1", "did you mean 1-5?"),
        ("--ports 1-3", "no sequence can look like that"),
        ("--exclude 0", "port 0 is out of range"),
        ("-u", "cannot be used with"),
        ("7000", "cannot be used with"),
        ("--list", "cannot be used with '--list'"),
    ] {
        person.knock(&format!("127.0.0.1 {line}")).refused(2, message);
    }
    person.knock(&format!("-f {} 127.0.0.1", seqs.arg())).refused(2, "cannot be used with");
    assert!(!person.state().exists());
    assert!(!seqs.text().contains('#'));
}

#[test]
fn a_dry_run_uses_no_number() {
    let person = Person::new();
    for _ in 0..2 {
        let ran = person.knock("--dry-run --unbound --resync 127.0.0.1");
        let expected = (counted(0, None) + &counted(1, None)).replace("hitting", "would hit");
        assert_eq!((ran.code, ran.out), (Some(0), expected));
        assert!(ran.err.contains("no counter is kept for this key yet"), "{}", ran.err);
    }
    assert!(!person.state().exists());
    let person = person.begun();
    let shown = person.knock("--dry-run --unbound 127.0.0.1").quietly();
    assert_eq!(shown, counted(1, None).replace("hitting", "would hit"));
    person.knock("--dry-run --counter 0 127.0.0.1").refused(2, "--counter 0 is below the next one, 1");
    assert_eq!(person.next(), Some(1));
}

#[test]
fn a_profile_may_have_a_key_and_the_list_shows_no_secret() {
    let person = Person::new().begun();
    let key = person.key.to_str().unwrap();
    let config = person.folder.path().join("config.toml");
    let text = format!(
        "[a]\naddress = '127.0.0.1'\nkey = '{key}'\nunbound = true\n[b]\naddress = '127.0.0.1'\nkey = '{key}'\n\
         label = 'gate'\nstep = 30\nas = '192.0.2.7'\n[c]\naddress = '127.0.0.1'\nkey = '{key}'\nlabel = 'new'\n\
         [d]\naddress = '127.0.0.1'\nkey = '/nonexistent/key'\n"
    );
    fs::write(&config, text).unwrap();
    chmod(&config, 0o600);
    let run = |line: &str| {
        let mut command = assert_cmd::Command::new(KNOCK);
        command.env("XDG_STATE_HOME", person.state()).arg("--config").arg(&config);
        Ran::from(command.args(line.split(' ')).timeout(LONG).output().unwrap())
    };
    assert_eq!(run("-v a").quietly(), counted(1, None));
    let shown = run("--list").quietly();
    let expected = format!(
        "a  127.0.0.1  {key} (counter 2, unbound)\nb  127.0.0.1  {key} (label gate, steps of 30 s, as 192.0.2.7)\n\
         c  127.0.0.1  {key} (label new, not used yet)\nd  127.0.0.1  /nonexistent/key (cannot be used: "
    );
    assert!(shown.starts_with(&expected), "{shown}\ninstead of\n{expected}");
    assert!(!shown.contains("BwcH"), "the key: {shown}");
    assert!(!person.counter_file("new").exists());
}
