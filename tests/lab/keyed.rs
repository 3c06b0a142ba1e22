//! Doors whose sequences follow from a key.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::daemon::{Daemon, Launch};
use crate::doors::door;
use crate::hits::{Hit, send};
use crate::keyrings::{Keyring, begins, init_counter};
use crate::net::{CLIENT, CLIENT_6, Lab, OTHER, SERVER, SERVER_6};
use crate::once::reload;
use crate::wait::PATIENCE;

/// A lab with a key, and a door for it whose counter is at 0.
fn with_key(test: &str, more: &str) -> Option<(Lab, Keyring, String)> {
    let lab = Lab::new(test)?;
    let key = Keyring::new(&lab, "ssh");
    let doors = door("ssh", &format!("{}\n    {more}", key.trigger()), "syn");
    begins(&lab, &doors, "ssh=0");
    Some((lab, key, doors))
}

fn knock(lab: &Lab, hits: &[Hit]) {
    send(&lab.client, CLIENT, SERVER, hits);
}

fn state(lab: &Lab) -> PathBuf {
    lab.path("knockd.state")
}

#[test]
fn each_sequence_opens_once_and_only_to_whom_it_is_bound() {
    let Some((lab, key, doors)) = with_key("each_sequence_opens_once_and_only_to_whom_it_is_bound", "")
    else {
        return;
    };
    let daemon = Daemon::start(&lab, &doors);
    for counter in 0..3 {
        let opened = usize::try_from(counter).expect("few");
        knock(&lab, &key.counted(counter, None));
        assert_eq!(daemon.openings(&lab, "ssh"), opened, "a sequence that is bound to nobody opened");
        key.knock(&lab.client, CLIENT, counter);
        assert_eq!(daemon.openings(&lab, "ssh"), opened + 1, "{counter}");
        key.knock(&lab.client, CLIENT, counter);
        assert_eq!(daemon.openings(&lab, "ssh"), opened + 1, "a replay of {counter} opened");
    }
    send(&lab.client, CLIENT_6, SERVER_6, &key.counted(3, Some(CLIENT_6)));
    assert_eq!(daemon.openings(&lab, "ssh"), 4, "over IPv6");
    assert!(!daemon.log().contains("one_time_key = "), "{}", daemon.log());
}

#[test]
fn a_door_with_a_key_sees_no_more_than_any_other() {
    let test = "a_door_with_a_key_sees_no_more_than_any_other";
    let cases = [
        ("allow = 192.0.2.2", &["-i", "eth0", "-v"][..], (OTHER, SERVER)),
        ("target = 192.0.2.1", &["-i", "eth0", "-v"], (CLIENT_6, SERVER_6)),
        ("", &["-i", "eth0", "-v", "-4"], (CLIENT_6, SERVER_6)),
    ];
    for (more, args, (outside, there)) in cases {
        let Some((lab, key, doors)) = with_key(test, more) else { return };
        let daemon = Launch { args, ..Launch::new(&doors) }.start(&lab);
        send(&lab.client, outside, there, &key.counted(0, Some(outside)));
        assert_eq!(daemon.openings(&lab, "ssh"), 0, "{more} {args:?}");
        assert!(!daemon.log().contains(&format!("{outside}: ssh")), "it takes notice of {outside}");
        key.knock(&lab.client, CLIENT, 0);
        assert_eq!(daemon.openings(&lab, "ssh"), 1, "{more} {args:?}");
    }
}

#[test]
fn one_that_is_bound_to_nobody_opens_to_whoever_knows_it() {
    let test = "one_that_is_bound_to_nobody_opens_to_whoever_knows_it";
    let Some((lab, key, doors)) = with_key(test, "one_time_bind = no") else { return };
    let daemon = Daemon::start(&lab, &doors);
    key.knock(&lab.client, CLIENT, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "one that is bound opened a door that asks for none");
    for counter in 0..3 {
        knock(&lab, &key.counted(counter, None));
        assert_eq!(daemon.openings(&lab, "ssh"), usize::try_from(counter).expect("few") + 1);
    }
}

#[test]
fn knocks_that_were_lost_are_skipped_and_two_far_ahead_open() {
    let test = "knocks_that_were_lost_are_skipped_and_two_far_ahead_open";
    let Some((lab, key, doors)) = with_key(test, "") else { return };
    let daemon = Daemon::start(&lab, &doors);
    let mut log = daemon.tail();
    key.knock(&lab.client, CLIENT, 4);
    log.awaits("ssh: 4 skipped sequences struck too\n", 1);
    log.awaits("ssh: OPEN SESAME\n", 1);
    for counter in 0..=4 {
        key.knock(&lab.client, CLIENT, counter);
    }
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "one that was skipped opened");

    key.knock(&lab.client, CLIENT, 70);
    log.awaits("a sequence from beyond the window; the next one after it opens the door\n", 1);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "a single one from far ahead opened");
    key.knock(&lab.client, CLIENT, 71);
    assert_eq!(daemon.openings(&lab, "ssh"), 2, "the second one in a row did not open");
    for counter in [5, 69, 70, 71] {
        key.knock(&lab.client, CLIENT, counter);
    }
    assert_eq!(daemon.openings(&lab, "ssh"), 2, "one that was skipped opened");
    key.knock(&lab.client, CLIENT, 72);
    assert_eq!(daemon.openings(&lab, "ssh"), 3);
}

#[test]
fn a_key_without_a_counter_opens_nothing_until_somebody_says_where_to_begin() {
    let test = "a_key_without_a_counter_opens_nothing_until_somebody_says_where_to_begin";
    let Some((lab, key, doors)) = with_key(test, "") else { return };
    let daemon = Daemon::start(&lab, &doors);
    for counter in 0..3 {
        key.knock(&lab.client, CLIENT, counter);
    }
    assert_eq!(daemon.openings(&lab, "ssh"), 3);
    // The machine is lost with its state, and set up again.
    drop(daemon);
    fs::remove_dir_all(state(&lab)).expect("the state directory");
    let daemon = Daemon::start(&lab, &doors);
    daemon.says("there is no counter for ");
    daemon.says("knockd --init-counter ssh=N sets it");
    for counter in 0..4 {
        key.knock(&lab.client, CLIENT, counter);
    }
    assert_eq!(daemon.openings(&lab, "ssh"), 3, "a door without a counter opened");

    let launch = Launch::new(&doors);
    let told = init_counter(&lab, &launch, "ssh=5");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    assert!(String::from_utf8_lossy(&told.stdout).ends_with(", next counter 5\n"));
    daemon.says("can be used again");
    daemon.arms(&lab);
    for counter in 0..5 {
        key.knock(&lab.client, CLIENT, counter);
    }
    assert_eq!(daemon.openings(&lab, "ssh"), 3, "what may have been used before opened");
    key.knock(&lab.client, CLIENT, 5);
    assert_eq!(daemon.openings(&lab, "ssh"), 4);

    let back = init_counter(&lab, &launch, "ssh=5");
    let said = String::from_utf8_lossy(&back.stderr).into_owned();
    assert_eq!(back.status.code(), Some(1), "{said}");
    assert!(said.contains("the counter is at 6 and never goes back"), "{said}");
    let nowhere = init_counter(&lab, &launch, "smtp=5");
    let said = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert_eq!(nowhere.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no door [smtp] with a key; with one there is [ssh]"), "{said}");
}

#[test]
fn no_end_of_the_daemon_takes_a_counter_back() {
    let Some((lab, key, doors)) = with_key("no_end_of_the_daemon_takes_a_counter_back", "") else { return };
    let mut daemon = Daemon::start(&lab, &doors);
    for counter in 0..8 {
        key.knock(&lab.client, CLIENT, counter);
        daemon.says_times(usize::try_from(counter).expect("few") + 1, "ssh: OPEN SESAME");
        match counter % 4 {
            0 => reload(&lab, &daemon),
            1 => {
                daemon.signal(Signal::KILL);
                daemon.is_killed();
                drop(daemon);
                daemon = Daemon::start(&lab, &doors);
            }
            2 => {
                daemon.signal(Signal::TERM);
                assert!(daemon.ends_within(PATIENCE).expect("an end").success());
                drop(daemon);
                daemon = Daemon::start(&lab, &doors);
            }
            _ => {
                // Another process takes over from the one that captures packets.
                let already = daemon.count("capturing goes on");
                daemon.capture().signal(Signal::KILL);
                daemon.says_times(already + 1, "capturing goes on");
            }
        }
        let already = daemon.openings(&lab, "ssh");
        for used in 0..=counter {
            key.knock(&lab.client, CLIENT, used);
        }
        assert_eq!(daemon.openings(&lab, "ssh"), already, "a sequence up to {counter} opened again");
    }
}

#[test]
fn one_that_was_shown_without_opening_is_remembered_and_the_counter_stays() {
    let test = "one_that_was_shown_without_opening_is_remembered_and_the_counter_stays";
    let Some((lab, key, doors)) = with_key(test, "seq_timeout = 1") else { return };
    let mut daemon = Daemon::start(&lab, &doors);
    let first = key.counted(0, Some(CLIENT));
    knock(&lab, &first[..4]);
    daemon.says("a sequence was shown without opening, and is struck");
    for round in 0..2 {
        knock(&lab, &first);
        assert_eq!(daemon.openings(&lab, "ssh"), 0, "round {round}");
        if round == 0 {
            daemon.signal(Signal::KILL);
            daemon.is_killed();
            drop(daemon);
            daemon = Daemon::start(&lab, &doors);
        }
    }
    key.knock(&lab.client, CLIENT, 1);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
}

#[test]
fn a_key_that_is_taken_away_opens_nothing_and_one_in_its_place_begins_anew() {
    let test = "a_key_that_is_taken_away_opens_nothing_and_one_in_its_place_begins_anew";
    let Some((lab, key, doors)) = with_key(test, "") else { return };
    let daemon = Daemon::start(&lab, &doors);
    let away = lab.path("away");
    fs::rename(&key.path, &away).expect("a rename");
    daemon.says("the door is shut to a key: ");
    daemon.arms(&lab);
    key.knock(&lab.client, CLIENT, 0);
    daemon.says("right sequence, but not opened: ");
    fs::rename(&away, &key.path).expect("a rename");
    daemon.says("can be used again");
    daemon.arms(&lab);
    key.knock(&lab.client, CLIENT, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "what was shown while the key was away opened");
    key.knock(&lab.client, CLIENT, 1);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);

    let other = Keyring::at(lab.path("other.key"));
    fs::rename(&other.path, &key.path).expect("a rename");
    daemon.says_times(1, "there is no counter for ");
    daemon.arms(&lab);
    key.knock(&lab.client, CLIENT, 2);
    other.knock(&lab.client, CLIENT, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    begins(&lab, &doors, "ssh=0");
    daemon.says_times(2, "can be used again");
    daemon.arms(&lab);
    other.knock(&lab.client, CLIENT, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 2);
}

#[test]
fn a_directory_has_a_key_for_each_person() {
    let Some(lab) = Lab::new("a_directory_has_a_key_for_each_person") else { return };
    let directory = lab.path("keys");
    fs::create_dir(&directory).expect("a directory");
    let alice = Keyring::at(directory.join("alice.key"));
    let bob = Keyring::at(directory.join("bob.key"));
    let doors = door("ssh", &format!("one_time_key = {}", directory.display()), "syn");
    let refused = init_counter(&lab, &Launch::new(&doors), "ssh=0");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("say whose counter to set, as DOOR/NAME=N; there are those of alice, bob"),
        "{said}"
    );
    begins(&lab, &doors, "ssh/alice=0");
    begins(&lab, &doors, "ssh/bob=7");
    let daemon = Daemon::start(&lab, &doors);
    let mut log = daemon.tail();
    bob.knock(&lab.client, CLIENT, 7);
    log.awaits(&format!("{CLIENT}: ssh: OPEN SESAME (bob)\n"), 1);
    alice.knock(&lab.client, CLIENT, 0);
    log.awaits(&format!("{CLIENT}: ssh: OPEN SESAME (alice)\n"), 1);
    // A person who comes later; one whose file others could read opens nothing.
    let carol = Keyring::at(directory.join("carol.key"));
    log.awaits("there is no counter for ", 1);
    begins(&lab, &doors, "ssh/carol=3");
    log.awaits("carol.key can be used again\n", 1);
    daemon.arms(&lab);
    carol.knock(&lab.client, CLIENT, 3);
    log.awaits(&format!("{CLIENT}: ssh: OPEN SESAME (carol)\n"), 1);
    // The same key under another name is no second key.
    let copy = directory.join("dave.key");
    fs::copy(&alice.path, &copy).expect("a copy");
    log.awaits("dave.key is the same key, with the same label, as that of [ssh] (alice)", 1);
    alice.knock(&lab.client, CLIENT, 1);
    log.awaits(&format!("{CLIENT}: ssh: OPEN SESAME (alice)\n"), 1);
    assert_eq!(daemon.count("OPEN SESAME (dave)"), 0);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some((lab, key, doors)) = with_key("a_key_that_others_can_read_is_refused", "") else { return };
    fs::set_permissions(&key.path, fs::Permissions::from_mode(0o640)).expect("its mode");
    let daemon = Daemon::start(&lab, &doors);
    daemon.says("can be read by its group (mode 0640)");
    key.knock(&lab.client, CLIENT, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 0);
    fs::set_permissions(&key.path, fs::Permissions::from_mode(0o600)).expect("its mode");
    daemon.says("can be used again");
    daemon.arms(&lab);
    key.knock(&lab.client, CLIENT, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
}

#[test]
fn the_key_of_a_label_is_all_that_a_server_needs() {
    let Some(lab) = Lab::new("the_key_of_a_label_is_all_that_a_server_needs") else { return };
    let key = Keyring::new(&lab, "mine").labelled("gate");
    let served = lab.path("gate.key");
    key.write_label_key(&served);
    let doors = door("gate", &format!("one_time_key = {}", served.display()), "syn");
    begins(&lab, &doors, "gate=0");
    let daemon = Daemon::start(&lab, &doors);
    key.labelled("mail").knock(&lab.client, CLIENT, 0);
    assert_eq!(daemon.openings(&lab, "gate"), 0, "another host's sequence opened");
    key.knock(&lab.client, CLIENT, 0);
    assert_eq!(daemon.openings(&lab, "gate"), 1);
}
