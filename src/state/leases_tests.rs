use std::time::Duration;

use super::super::faulty::Faulty;
use super::super::lease::LeaseKey;
use super::*;
use crate::config::{Argv, Command};
use crate::moment::Moment;

const BOOT: &str = "6f1c2b0e-0000-4000-8000-000000000001";

fn lease(number: u64) -> Lease {
    let words = ["/bin/close", "a b", "%", "\"'\n"].map(str::to_owned).to_vec();
    let argv = Argv::new(words).unwrap();
    let shell = Command::Shell("iptables -D INPUT -s 192.0.2.2 -j ACCEPT # \u{e9}".to_owned());
    Lease {
        id: LeaseId { run: 0xfeed_0000_0000_0007, number },
        key: LeaseKey { door: "front door".into(), source: "2001:db8::2".parse().unwrap() },
        pad: number.is_multiple_of(2).then(|| "alice".into()),
        stop: if number.is_multiple_of(2) { Command::Argv(argv) } else { shell },
        deadline: Moment::after_start(Duration::from_secs(100 + number)),
    }
}

fn open(file: &Faulty) -> (LeaseStore, Left) {
    open_in(file, BOOT)
}

fn open_in(file: &Faulty, boot: &str) -> (LeaseStore, Left) {
    LeaseStore::load(Box::new(file.clone()), boot, &mut Vec::new()).unwrap()
}

fn with(leases: &[Lease]) -> Faulty {
    let file = Faulty::holding(&[]);
    let mut store = open(&file).0;
    for lease in leases {
        store.put(lease).unwrap();
    }
    file
}

#[test]
fn what_was_recorded_is_there_after_a_power_failure() {
    let leases: Vec<_> = (1..=5).map(lease).collect();
    let file = with(&leases);
    file.lose_power(0);
    let (_, left) = open(&file);
    assert_eq!((left.leases, left.damaged), (leases, 0));
}

#[test]
fn after_another_boot_every_lease_is_due() {
    let file = with(&[lease(1)]);
    let left = open_in(&file, "another").1;
    assert_eq!(left.leases, [Lease { deadline: Moment::START, ..lease(1) }]);
}

#[test]
fn a_lease_that_is_over_is_gone() {
    let file = with(&[lease(1), lease(2)]);
    let mut store = open(&file).0;
    store.remove(lease(1).id).unwrap();
    store.remove(lease(1).id).unwrap();
    assert_eq!(open(&file).1.leases, [lease(2)]);
}

#[test]
fn of_a_lease_that_was_extended_the_newer_record_counts_also_when_both_are_left() {
    let file = with(&[lease(1)]);
    let longer = Lease { deadline: lease(9).deadline, ..lease(1) };
    open(&file).0.put(&longer).unwrap();
    file.lose_power(0);
    let (mut store, left) = open(&file);
    assert_eq!(left.leases, [longer]);
    store.remove(lease(1).id).unwrap();
    assert!(open(&file).1.leases.is_empty(), "the older one does not come back");
}

#[test]
fn a_lease_whose_older_record_cannot_be_cleared_is_recorded_all_the_same() {
    let file = with(&[lease(1)]);
    let longer = Lease { deadline: lease(9).deadline, ..lease(1) };
    let mut store = open(&file).0;
    file.state().good_writes = Some(1);
    store.put(&longer).unwrap();
    file.state().good_writes = None;
    store.put(&lease(2)).unwrap();
    assert_eq!(open(&file).1.leases, [lease(2), longer], "and its place is not used again meanwhile");
}

#[test]
fn a_record_that_was_half_written_is_damaged_and_harms_no_other() {
    let length = encode(&lease(2), 1, BOOT).unwrap().len();
    for reached in [1, 15, 16, 17, 31, 32, 40, length - 2] {
        let file = with(&[lease(1)]);
        let mut store = open(&file).0;
        file.state().sync_fails = true;
        store.put(&lease(2)).unwrap_err();
        file.state().mend();
        // What reached the disk is the beginning of the record, and not that it was taken back.
        let slot = SLOT;
        let bytes = encode(&lease(2), 1, BOOT).unwrap();
        let mut disk = file.state().disk.clone();
        disk[slot..slot + reached].copy_from_slice(&bytes[..reached]);
        file.state().become_bytes(&disk);
        let (mut store, left) = open(&file);
        assert_eq!((left.leases, left.damaged), (vec![lease(1)], 1), "{reached}");
        store.put(&lease(3)).unwrap();
        let left = open(&file).1;
        assert_eq!((left.leases, left.damaged), (vec![lease(1), lease(3)], 0), "it is complained of once");
    }
}

#[test]
fn any_changed_byte_of_a_record_is_noticed() {
    let file = with(&[lease(1)]);
    let before = file.state().disk.clone();
    let length = encode(&lease(1), 1, BOOT).unwrap().len();
    for at in 0..length {
        let mut bytes = before.clone();
        bytes[at] ^= 0x10;
        let (_, left) = open(&Faulty::holding(&bytes));
        assert_eq!((left.leases.len(), left.damaged), (0, 1), "{at}");
    }
}

#[test]
fn a_lease_that_cannot_be_written_is_an_error_and_the_next_one_works() {
    let file = with(&[lease(1)]);
    let mut store = open(&file).0;
    for fault in [Some(20), None] {
        file.state().write_fails_after = fault;
        file.state().sync_fails = fault.is_none();
        store.put(&lease(2)).unwrap_err();
        file.state().mend();
        store.put(&lease(3)).unwrap();
        assert_eq!(open(&file).1.leases, [lease(1), lease(3)]);
        store.remove(lease(3).id).unwrap();
    }
}

#[test]
fn a_full_disk_stops_no_opening_for_as_long_as_there_are_free_slots() {
    let file = with(&[]);
    let mut store = open(&file).0;
    file.state().full = true;
    let opened = (1..200).take_while(|&number| store.put(&lease(number)).is_ok()).count();
    assert_eq!(opened, STEP);
    store.remove(lease(1).id).unwrap();
    store.put(&lease(500)).unwrap();
    file.state().mend();
    for number in 1000..1200 {
        store.put(&lease(number)).unwrap();
    }
    assert_eq!(open(&file).1.leases.len(), STEP + 200);
}

#[test]
fn a_full_disk_at_the_first_start_is_an_error() {
    let file = Faulty::holding(&[]);
    file.state().full = true;
    assert!(LeaseStore::load(Box::new(file), BOOT, &mut Vec::new()).is_err());
}

#[test]
fn a_stop_command_that_is_too_long_for_a_record_is_an_error() {
    let file = with(&[]);
    let mut store = open(&file).0;
    let stop = Command::Shell("x".repeat(SLOT));
    let error = store.put(&Lease { stop, ..lease(1) }).unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}

#[test]
fn damaged_records_are_kept_for_a_look() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let dir = StateDir::open(&path).unwrap();
    LeaseStore::open(&dir, BOOT).unwrap().0.put(&lease(1)).unwrap();
    let mut bytes = std::fs::read(path.join(NAME)).unwrap();
    bytes[100] ^= 1;
    std::fs::write(path.join(NAME), &bytes).unwrap();
    assert_eq!(LeaseStore::open(&dir, BOOT).unwrap().1.damaged, 1);
    assert_eq!(std::fs::read(path.join(DAMAGED)).unwrap(), bytes[..SLOT]);
    assert_eq!(LeaseStore::open(&dir, BOOT).unwrap().1.damaged, 0);
}

#[test]
fn no_more_doors_are_open_at_once_than_may_be() {
    let file = with(&[]);
    let mut store = open(&file).0;
    let opened = (1..10_000).take_while(|&number| store.put(&lease(number)).is_ok()).count();
    assert_eq!(opened, MOST);
    store.remove(lease(1).id).unwrap();
    store.put(&lease(9999)).unwrap();
}
