//! The record of spent lines on a disk that fails.

use std::collections::HashSet;
use std::path::Path;

use proptest::prelude::*;

use super::faulty::Faulty;
use super::format::{HEADER, RECORD, record};
use super::{Mark, Spent, StateError};

/// A mark that no other number has; what is in it means nothing here.
fn mark(number: u32) -> Mark {
    let mut mark = [0xee; Mark::LENGTH];
    mark[12..].copy_from_slice(&number.to_le_bytes());
    Mark(mark)
}

fn try_open(file: &Faulty) -> Result<Spent, StateError> {
    Spent::load(Box::new(file.clone()), Path::new("/state/spent"), None)
}

/// How long a file with so many records is.
fn end_of(records: usize) -> usize {
    HEADER + records * RECORD
}

fn open(file: &Faulty) -> Spent {
    try_open(file).unwrap()
}

#[test]
fn what_was_added_has_reached_the_disk() {
    let file = Faulty::new();
    let mut spent = open(&file);
    spent.add([mark(1), mark(2)]).unwrap();
    file.lose_power(0);
    let spent = open(&file);
    assert!(spent.contains(mark(1)) && spent.contains(mark(2)));
}

#[test]
fn what_is_known_costs_nothing() {
    let file = Faulty::new();
    let mut spent = open(&file);
    spent.add([mark(1)]).unwrap();
    let syncs = file.state().syncs;
    file.state().write_fails_after = Some(0);
    spent.add([mark(1), mark(1)]).unwrap();
    spent.add([]).unwrap();
    assert_eq!(file.state().syncs, syncs);
}

#[test]
fn after_a_failed_write_marks_are_known_and_every_later_call_makes_up_for_it() {
    for written in [0, 1, RECORD, RECORD + 7, 2 * RECORD] {
        let file = Faulty::new();
        let mut spent = open(&file);
        spent.add([mark(0)]).unwrap();
        file.state().write_fails_after = Some(written);
        assert_eq!(spent.add([mark(1), mark(2)]).unwrap_err().to_string(), "the write failed");
        assert!(spent.contains(mark(1)) && spent.contains(mark(2)));
        spent.add([mark(1)]).unwrap_err();
        spent.add([mark(0)]).unwrap_err();
        file.state().mend();
        spent.add([mark(3)]).unwrap();
        file.lose_power(0);
        let spent = open(&file);
        assert!((0..4).all(|number| spent.contains(mark(number))), "after {written} bytes");
        assert_eq!(spent.damaged(), 0);
    }
}

#[test]
fn a_failed_sync_is_not_believed_when_a_later_one_works() {
    let later: [&[u32]; 3] = [&[], &[1], &[1, 2]];
    for numbers in later {
        let file = Faulty::new();
        let mut spent = open(&file);
        file.state().sync_fails = true;
        assert_eq!(spent.add([mark(1)]).unwrap_err().to_string(), "the sync failed");
        assert!(spent.contains(mark(1)));
        file.state().mend();
        spent.add(numbers.iter().copied().map(mark)).unwrap();
        file.lose_power(0);
        let spent = open(&file);
        assert!(numbers.iter().chain(&[1]).all(|&number| spent.contains(mark(number))), "{numbers:?}");
    }
}

#[test]
fn what_an_earlier_process_could_not_sync_is_made_durable_before_it_is_believed() {
    let file = Faulty::new();
    let mut spent = open(&file);
    spent.add([mark(0)]).unwrap();
    file.state().sync_fails = true;
    spent.add([mark(1)]).unwrap_err();
    drop(spent);
    assert!(try_open(&file).is_err(), "the disk still fails");
    file.state().mend();
    let mut spent = open(&file);
    assert!(spent.contains(mark(1)), "the cache has it");
    spent.add([mark(1)]).unwrap();
    file.lose_power(0);
    assert!(open(&file).contains(mark(1)));
}

#[test]
fn a_full_disk_stops_nothing_while_records_are_free() {
    let file = Faulty::new();
    let mut spent = open(&file);
    assert!(spent.shortage().is_none());
    file.state().full = true;
    for number in 0..4096 {
        spent.add([mark(number)]).unwrap();
        assert_eq!(spent.shortage().is_some(), number >= 3072, "{number}");
    }
    assert_eq!(spent.add([mark(5000)]).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert!(spent.contains(mark(5000)));
    assert!(spent.shortage().is_some());
    drop(spent);
    let error = try_open(&file).unwrap_err().to_string();
    assert!(error.starts_with("/state/spent cannot be taken up: "), "{error}");
    file.state().full = false;
    let mut spent = open(&file);
    assert!(spent.shortage().is_none());
    spent.add([mark(5000)]).unwrap();
    file.lose_power(0);
    let spent = open(&file);
    assert!((0..4096).chain([5000]).all(|number| spent.contains(mark(number))));
}

#[test]
fn a_shortage_ends_when_there_is_space_again() {
    let file = Faulty::new();
    let mut spent = open(&file);
    file.state().full = true;
    spent.add((0..3073).map(mark)).unwrap();
    assert!(spent.shortage().is_some());
    drop(spent);
    let mut spent = open(&file);
    assert!(spent.shortage().is_some(), "the next process starts all the same");
    file.state().full = false;
    spent.add([mark(9999)]).unwrap();
    assert!(spent.shortage().is_none());
    assert_eq!(file.state().cache.len(), HEADER + 8192 * RECORD);
}

#[test]
fn a_cut_at_any_length_loses_only_what_was_cut_off() {
    let whole = Faulty::new();
    open(&whole).add((0..6).map(mark)).unwrap();
    let whole = whole.state().cache.clone();
    for length in 0..=end_of(7) {
        let file = Faulty::holding(&whole[..length]);
        if length < HEADER {
            let error = try_open(&file).unwrap_err();
            assert!(matches!(error, StateError::Damaged { .. }), "cut at {length}: {error}");
            assert_eq!(file.state().cache, whole[..length], "what is refused is left as it is");
            continue;
        }
        let mut spent = open(&file);
        for (number, count) in (0..6).zip(1..) {
            assert_eq!(spent.contains(mark(number)), end_of(count) <= length, "{number}, cut at {length}");
        }
        let torn = u64::from(length < end_of(6) && !(length - HEADER).is_multiple_of(RECORD));
        assert_eq!(spent.damaged(), torn, "cut at {length}");
        spent.add((0..6).map(mark)).unwrap();
        file.lose_power(0);
        let spent = open(&file);
        assert!((0..6).all(|number| spent.contains(mark(number))), "added again, cut at {length}");
        assert_eq!(spent.damaged(), torn, "cut at {length}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<u32>),
    WritesFail(usize),
    SyncsFail,
    Full,
    Mend,
    /// The process ends, and the next one sees what is in the cache.
    Killed,
    /// The machine ends, and so many bytes of each unsynced write were written.
    PowerLost(usize),
    /// Somebody cuts so much off the used part, and all that follows it.
    Cut(usize),
    /// Somebody appends so much nonsense.
    Litter(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => prop::collection::vec(0..2000_u32, 0..4).prop_map(Step::Add),
        1 => prop::collection::vec(0..9000_u32, 0..3000).prop_map(Step::Add),
        1 => (0..100_usize).prop_map(Step::WritesFail),
        1 => Just(Step::SyncsFail),
        1 => Just(Step::Full),
        4 => Just(Step::Mend),
        1 => Just(Step::Killed),
        1 => (0..100_usize).prop_map(Step::PowerLost),
        1 => (0..400_usize).prop_map(Step::Cut),
        1 => (1..60_usize).prop_map(Step::Litter),
    ];
    prop::collection::vec(step, 0..60)
}

/// Those numbers whose marks stand whole in a file.
fn standing(bytes: &[u8], numbers: &HashSet<u32>) -> HashSet<u32> {
    let records: HashSet<&[u8]> = bytes[HEADER..].chunks_exact(RECORD).collect();
    numbers.iter().copied().filter(|&number| records.contains(&record(mark(number))[..])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn whatever_fails_what_was_acknowledged_stays_known(steps in steps()) {
        let file = Faulty::new();
        let mut spent = open(&file);
        let mut acknowledged = HashSet::new();
        // What was not acknowledged by this process, and is owed by the next good call.
        let mut owed = HashSet::new();
        let mut damages = 0;
        for step in steps {
            match step {
                Step::Add(numbers) => {
                    owed.extend(numbers.iter().copied());
                    if spent.add(numbers.iter().copied().map(mark)).is_ok() {
                        acknowledged.extend(owed.drain());
                    }
                    prop_assert!(owed.iter().all(|&number| spent.contains(mark(number))));
                    continue;
                }
                Step::WritesFail(after) => file.state().write_fails_after = Some(after),
                Step::SyncsFail => file.state().sync_fails = true,
                Step::Full => file.state().full = true,
                Step::Mend => file.state().mend(),
                Step::Killed => damages += 1,
                Step::PowerLost(reached) => {
                    damages += 2;
                    file.lose_power(reached);
                }
                Step::Cut(length) => {
                    damages += 1;
                    let bytes = file.state().cache.clone();
                    let used = bytes.len() - bytes.iter().rev().take_while(|&&byte| byte == 0).count();
                    let length = used.saturating_sub(length).max(HEADER);
                    acknowledged = standing(&bytes[..length], &acknowledged);
                    file.state().become_bytes(&bytes[..length]);
                }
                Step::Litter(length) => {
                    damages += length.div_ceil(RECORD) as u64 + 1;
                    let mut bytes = file.state().cache.clone();
                    bytes.extend(vec![0xa5; length]);
                    file.state().become_bytes(&bytes);
                }
            }
            if matches!(step, Step::Killed | Step::PowerLost(_) | Step::Cut(_) | Step::Litter(_)) {
                owed.clear();
                file.state().mend();
                spent = open(&file);
                prop_assert!(spent.damaged() <= damages, "{} damaged", spent.damaged());
            }
            prop_assert!(acknowledged.iter().all(|&number| spent.contains(mark(number))));
        }
    }
}
