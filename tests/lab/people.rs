//! Pads of several people for one door.

use std::fs::{self, File};
use std::path::PathBuf;

use fs2::FileExt;

use crate::daemon::Daemon;
use crate::doors::{door, sequence};
use crate::net::{CLIENT, Lab, SERVER};
use crate::once::{knock_line, knock_next};
use crate::pads::Pads;
use crate::tail::Tail;

/// The directory of the pads, which is made if it is not there.
pub(crate) fn directory(lab: &Lab) -> PathBuf {
    let path = lab.path("pads");
    fs::create_dir_all(&path).expect("a directory");
    path
}

/// A person whose pad is in the directory.
pub(crate) fn person(lab: &Lab, name: &str, lines: usize) -> Pads {
    Pads::generate(lab, name, lines, &[]).served_at(directory(lab).join(format!("{name}.pad")))
}

pub(crate) fn of_directory(lab: &Lab) -> String {
    format!("one_time_sequences = {}", directory(lab).display())
}

fn each_opens_in_their_own_name(lab: &Lab, [alice, bob]: &[Pads; 2], pads: &str) {
    let told = lab.path("told");
    let tell = |what: &str| format!("echo {what} $KNOCK_DOOR $KNOCK_PAD $KNOCK_IP >>{}", told.display());
    let doors = format!(
        "
[ssh]
    {pads}
    tcpflags        = syn
    one_time_resync = 0
    start_command   = {}
    cmd_timeout     = 1
    stop_command    = {}
",
        tell("start"),
        tell("stop")
    );
    let daemon = Daemon::start(lab, &doors);
    let (mut told, mut log) = (Tail::new(&told), daemon.tail());
    for (name, pads) in [("alice", alice), ("bob", bob), ("alice", alice)] {
        knock_next(lab, pads);
        log.awaits(&format!("{CLIENT}: ssh: OPEN SESAME ({name})\n"), 1);
        told.awaits(&format!("start ssh {name} {CLIENT}\n"), 1);
        told.awaits(&format!("stop ssh {name} {CLIENT}\n"), 1);
    }
    alice.server_has_struck(2);
    bob.server_has_struck(1);
    // Each pad has a window of its own.
    knock_line(lab, alice, 6);
    log.awaits("ssh (alice): 4 skipped sequences struck too\n", 1);
    log.awaits("ssh: OPEN SESAME (alice)\n", 1);
    knock_line(lab, bob, 6);
    assert_eq!(daemon.openings(lab, "ssh"), 4, "a line beyond bob's window opened the door");
    knock_line(lab, bob, 5);
    log.awaits("ssh: OPEN SESAME (bob)\n", 1);
    alice.server_has_struck(7);
    bob.server_has_struck(6);
}

#[test]
fn each_person_opens_with_their_own_pad_of_a_directory() {
    let Some(lab) = Lab::new("each_person_opens_with_their_own_pad_of_a_directory") else { return };
    let people = ["alice", "bob"].map(|name| person(&lab, name, 14));
    each_opens_in_their_own_name(&lab, &people, &of_directory(&lab));
}

#[test]
fn each_person_opens_with_their_own_pad_of_several_files() {
    let Some(lab) = Lab::new("each_person_opens_with_their_own_pad_of_several_files") else { return };
    let people = ["alice", "bob"].map(|name| person(&lab, name, 14));
    let paths =
        format!("one_time_sequences = {}, {}", people[0].server.display(), people[1].server.display());
    each_opens_in_their_own_name(&lab, &people, &paths);
}

#[test]
fn what_is_no_pad_in_a_directory_is_not_read() {
    let Some(lab) = Lab::new("what_is_no_pad_in_a_directory_is_not_read") else { return };
    let alice = person(&lab, "alice", 9);
    let others = ["alice.pad~", ".alice.pad.swp", "README", "#alice.pad#", "alice.pad.bak", "al ice.pad"]
        .map(|name| Pads::generate(&lab, name, 2, &[]).served_at(directory(&lab).join(name)));
    let daemon = Daemon::start(&lab, &door("ssh", &of_directory(&lab), "syn"));
    for pads in &others {
        knock_line(&lab, pads, 0);
        assert_eq!(daemon.openings(&lab, "ssh"), 0, "{} was read", pads.server.display());
        pads.server_has_struck(0);
    }
    let odd = directory(&lab).join("al ice.pad");
    daemon.says(&format!(
        "ssh: {} is not read: a pad's name has letters, digits, `_` and `-` only",
        odd.display()
    ));
    assert_eq!(daemon.count(" is not read"), 1);
    knock_next(&lab, &alice);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    // The only pad of a directory is somebody's all the same.
    daemon.says("ssh: OPEN SESAME (alice)");
}

/// The order in the log tells, as long as the whole is done within the second for which the lock is waited for; on a
/// busy machine that may take more than one attempt.
#[test]
fn a_lock_on_one_pad_holds_up_no_other_pad_or_door() {
    let Some(lab) = Lab::new("a_lock_on_one_pad_holds_up_no_other_pad_or_door") else { return };
    let [alice, bob] = ["alice", "bob"].map(|name| person(&lab, name, 14));
    let fixed = door("fixed", &sequence("7000,8000,9000"), "syn");
    let daemon = Daemon::start(&lab, &(door("ssh", &of_directory(&lab), "syn") + &fixed));
    let stranger = File::open(&alice.server).expect("a pad that can be read");
    FileExt::lock_exclusive(&stranger).expect("a lock that nobody has");
    let mut log = daemon.tail();
    let overtaken = (0..8).any(|_| {
        let already = daemon.log().len();
        knock_next(&lab, &alice);
        knock_next(&lab, &bob);
        lab.knock(&["-d", "1", SERVER, "7000", "8000", "9000"]);
        log.awaits("ssh (alice): right sequence, but not opened: ", 1);
        daemon.settle(&lab);
        let said = daemon.log().split_off(already);
        let place = |words: &str| said.find(words).unwrap_or_else(|| panic!("no `{words}` in:\n{said}"));
        let refused = place("ssh (alice): right sequence, but not opened: ");
        place("ssh: OPEN SESAME (bob)") < refused && place("fixed: OPEN SESAME") < refused
    });
    assert!(overtaken, "the lock on a pad holds others up");
    FileExt::unlock(&stranger).expect("our own lock");
    assert_eq!(daemon.count("OPEN SESAME (alice)"), 0);
    knock_next(&lab, &alice);
    log.awaits("ssh: OPEN SESAME (alice)\n", 1);
}
