//! Doors whose sequences follow from keys.

use std::os::unix::fs::PermissionsExt;

use seqgen::counter::{LockedCounter, file_name};
use seqgen::derive::{Key, KeyMaterial, Label, Mode as Counting};

use super::*;
use crate::track::Limit;

const ELSEWHERE: &str = "[static]\nsequence = 9\ntcpflags = syn\ncommand = x\n";

fn label_key(byte: u8) -> seqgen::derive::LabelKey {
    Key::from_bytes([byte; 32]).label_key(&Label::default())
}

fn write_key(path: &Path, byte: u8) {
    fs::write(path, KeyMaterial::Key(Key::from_bytes([byte; 32])).to_text().as_bytes()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A new key in the file `key` of a lab's directory, and a directory for its counter beside it.
pub(super) fn new_key(lab: &Lab) -> Key {
    let key = Key::generate().unwrap();
    let path = lab.directory.path().join("key");
    fs::write(&path, KeyMaterial::Key(key.clone()).to_text().as_bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir(lab.directory.path().join("counters")).unwrap();
    key
}

impl Lab {
    /// With a directory for keys, which `text` calls KEYS.
    fn with_keys(text: &str, keys: &[(&str, u8)]) -> Lab {
        let mut lab = Lab::new(ELSEWHERE);
        fs::create_dir(lab.keys()).unwrap();
        for (name, byte) in keys {
            write_key(&lab.keys().join(name), *byte);
        }
        let counters = lab.directory.path().join("counters");
        fs::create_dir(&counters).unwrap();
        lab.adopt_keys(text);
        lab
    }

    fn adopt_keys(&mut self, text: &str) {
        let counters = self.directory.path().join("counters");
        let text = text.replace("KEYS", &self.keys().display().to_string());
        self.adopt(&format!("[options]\ncounter_dir = {}\n{text}", counters.display()));
    }

    fn keys(&self) -> PathBuf {
        self.directory.path().join("keys")
    }

    /// The file with the counter of this key.
    fn counter(&self, byte: u8, mode: Counting) -> PathBuf {
        self.directory.path().join("counters").join(file_name(label_key(byte).fingerprint(), mode))
    }

    /// Lets the command end that was run for Alice.
    fn end_command(&mut self) {
        let key = LeaseKey { door: "k".into(), source: ALICE.parse().unwrap() };
        let end = CommandEnd { key, outcome: Ok(Ended::Exit(0)), complaint: String::new() };
        self.executor.command_ended(&end, self.now);
    }

    /// What is armed, with its slots.
    fn keyed(&self) -> Vec<(u64, String)> {
        let plan = self.executor.plan();
        plan.slots.iter().map(|slot| (slot.id.0, slot.sequence.to_string())).collect()
    }
}

const COUNTING: &str = "[k]\none_time_key = KEYS\none_time_bind = no\none_time_window = 2\none_time_resync = 0\n\
                        tcpflags = syn\ncommand = open %IP%\n";
const TIMED: &str =
    "[k]\none_time_key = KEYS\none_time_bind = no\none_time_step = 30\ntcpflags = syn\ncommand = open %IP%\n";

const STEP: Counting = Counting::Time { step: std::num::NonZeroU32::MIN.saturating_add(29) };

#[test]
fn a_key_whose_file_is_called_otherwise_goes_on() {
    let mut lab = Lab::with_keys(COUNTING, &[("alice.key", 1)]);
    LockedCounter::create(&lab.counter(1, Counting::Counter), 0).unwrap();
    lab.executor.look_at_pads(lab.now);
    let before: Vec<String> = lab.keyed().into_iter().map(|(_, sequence)| sequence).collect();
    assert_eq!(before.len(), 2);
    fs::rename(lab.keys().join("alice.key"), lab.keys().join("zoe.key")).unwrap();
    lab.executor.look_at_pads(lab.now);
    let after = lab.keyed();
    let sequences: Vec<&String> = after.iter().map(|(_, sequence)| sequence).collect();
    assert_eq!(sequences, before.iter().collect::<Vec<_>>(), "each once");
    lab.complete(after[0].0);
    assert_eq!(lab.commands(), ["open 192.0.2.2"]);
}

#[test]
fn of_counters_that_are_written_to_only_those_are_read() {
    let mut lab = Lab::with_keys(COUNTING, &[("alice.key", 1), ("bob.key", 2)]);
    let counters = [1, 2].map(|byte| lab.counter(byte, Counting::Counter));
    for path in &counters {
        LockedCounter::create(path, 0).unwrap();
    }
    lab.executor.look(&Hint::Anywhere, lab.now);
    let before = lab.keyed();
    for path in &counters {
        LockedCounter::try_open(path).unwrap().advance(1).unwrap();
    }
    lab.executor.look(&Hint::Written([counters[1].clone()].into()), lab.now);
    let after = lab.keyed();
    assert_eq!(before[..2], after[..2], "the other key's");
    assert_eq!((&before[3], after.len()), (&after[2], 4), "the next one is the first now");
    // A key may become another one's.
    write_key(&lab.keys().join("bob.key"), 3);
    lab.executor.look(&Hint::Written([lab.keys().join("bob.key")].into()), lab.now);
    assert_eq!(lab.keyed().first(), before.get(1), "all are looked at");
    assert_eq!(lab.keyed().len(), 2, "there is no counter for the new one");
}

#[test]
fn what_becomes_of_keys_and_counters_before_they_are_watched_is_found() {
    let sequences = |lab: &Lab| lab.keyed().into_iter().map(|(_, sequence)| sequence).collect::<Vec<_>>();
    let fresh = || {
        let lab = Lab::with_keys(COUNTING, &[("alice.key", 1)]);
        for byte in [1, 2] {
            LockedCounter::create(&lab.counter(byte, Counting::Counter), 0).unwrap();
        }
        lab
    };
    let mut lab = fresh();
    let alice = lab.keys().join("alice.key");
    lab.when_watched(&lab.keys().join("alice.key"), move || write_key(&alice, 2));
    lab.executor.look(&Hint::Anywhere, lab.now);
    let second = sequences(&lab);
    lab.executor.look(&Hint::Anywhere, lab.now);
    assert_eq!(second, sequences(&lab), "the key");

    let mut lab = fresh();
    let counter = lab.counter(1, Counting::Counter);
    lab.when_watched(&lab.counter(1, Counting::Counter), move || {
        LockedCounter::try_open(&counter).unwrap().advance(7).unwrap();
    });
    lab.executor.look(&Hint::Anywhere, lab.now);
    let seventh = sequences(&lab);
    lab.executor.look(&Hint::Anywhere, lab.now);
    assert_eq!(seventh, sequences(&lab), "the counter");

    let mut lab = fresh();
    let bob = lab.keys().join("bob.key");
    lab.when_watched(&lab.keys(), move || write_key(&bob, 2));
    lab.executor.look(&Hint::Anywhere, lab.now);
    assert_eq!(lab.keyed().len(), 4, "another key");
}

#[test]
fn keys_that_change_their_files_go_on() {
    let mut lab = Lab::with_keys(COUNTING, &[("alice.key", 1), ("bob.key", 2)]);
    for byte in [1, 2] {
        LockedCounter::create(&lab.counter(byte, Counting::Counter), 0).unwrap();
    }
    lab.executor.look_at_pads(lab.now);
    write_key(&lab.keys().join("alice.key"), 2);
    write_key(&lab.keys().join("bob.key"), 1);
    lab.executor.look_at_pads(lab.now);
    lab.executor.look_at_pads(lab.now);
    assert_eq!(lab.keyed().len(), 4);
    let keyed = lab.keyed();
    lab.complete(keyed[0].0);
    lab.complete_from(keyed[2].0, "192.0.2.3");
    assert_eq!(lab.commands().len(), 2);
}

/// As where the machine has slept, or its clock was set, and nobody has looked since.
#[test]
fn a_step_that_is_long_past_opens_nothing() {
    for late in [40, 100_000] {
        let mut lab = Lab::with_keys(TIMED, &[("alice.key", 1)]);
        lab.wait(Duration::from_secs(3000));
        assert_eq!(lab.keyed().len(), 3);
        let slot = lab.keyed()[0].0;
        lab.now = lab.now + Duration::from_secs(late);
        lab.complete(slot);
        assert_eq!(lab.commands(), [""; 0], "{late} s late");
        assert_eq!(lab.keyed().len(), 3, "and those that are good now are armed");
        let slot = lab.keyed()[1].0;
        lab.complete(slot);
        assert_eq!(lab.commands(), ["open 192.0.2.2"]);
    }
}

#[test]
fn a_dry_run_of_a_door_that_counts_time_opens_it_without_a_counter() {
    let mut lab = Lab::new(ELSEWHERE);
    lab.executor.mode = Mode::DryRun;
    fs::create_dir(lab.keys()).unwrap();
    fs::create_dir(lab.directory.path().join("counters")).unwrap();
    write_key(&lab.keys().join("alice.key"), 1);
    lab.adopt_keys(TIMED);
    lab.wait(Duration::from_secs(300));
    assert!(!lab.counter(1, STEP).exists());
    let armed = lab.keyed();
    assert_eq!(armed.len(), 3);
    lab.complete(armed[0].0);
    assert_eq!(lab.commands(), ["open 192.0.2.2"]);
    lab.wait(Duration::from_secs(1));
    assert_eq!(lab.keyed(), armed[1..], "and it is used up");
}

#[test]
fn an_earlier_copy_of_a_counter_brings_no_sequence_back() {
    let mut lab = Lab::with_keys(COUNTING, &[("alice.key", 1)]);
    let counter = lab.counter(1, Counting::Counter);
    LockedCounter::create(&counter, 0).unwrap();
    lab.executor.look_at_pads(lab.now);
    let first = lab.keyed()[0].1.clone();
    let copy = fs::read(&counter).unwrap();
    lab.complete(lab.keyed()[0].0);
    assert_eq!(lab.commands().len(), 1);
    lab.end_command();
    fs::write(&counter, copy).unwrap();
    lab.executor.look_at_pads(lab.now);
    assert!(lab.keyed().iter().all(|(_, sequence)| *sequence != first), "it is armed again");
    lab.complete(lab.keyed()[0].0);
    assert_eq!(lab.commands().len(), 1, "and whoever counts along gets in");
    assert_eq!(seqgen::counter::read(&counter).unwrap(), 2);
}

/// What a use costs must not depend on how many keys there are.
#[test]
fn only_the_key_that_was_used_is_looked_at_again() {
    let mut lab = Lab::with_keys(COUNTING, &[("alice.key", 1), ("bob.key", 2)]);
    for byte in [1, 2] {
        LockedCounter::create(&lab.counter(byte, Counting::Counter), 0).unwrap();
    }
    lab.executor.look_at_pads(lab.now);
    let before = lab.keyed();
    LockedCounter::try_open(&lab.counter(2, Counting::Counter)).unwrap().advance(1).unwrap();
    lab.complete(before[0].0);
    let after = lab.keyed();
    assert_eq!((&after[0], &after[2..]), (&before[1], &before[2..]));
    lab.executor.look_at_pads(lab.now);
    assert_eq!(lab.keyed()[2], before[3]);
}

#[test]
fn what_follows_for_each_source_has_the_limit_of_its_length() {
    for (length, limit) in [(3, 5), (4, 64), (32, 64)] {
        let door = COUNTING.replace("one_time_bind = no", &format!("one_time_length = {length}"));
        let mut lab = Lab::with_keys(&door, &[("alice.key", 1)]);
        LockedCounter::create(&lab.counter(1, Counting::Counter), 0).unwrap();
        lab.executor.look_at_pads(lab.now);
        let limits: Vec<_> = lab.executor.plan().bound.iter().map(|slot| slot.limit).collect();
        assert_eq!(limits, [Some(Limit { strays: limit, from_before: false }); 2]);
    }
}
