//! Pads that cannot be used for a while: somebody else's, unreadable, or no files at all.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::daemon::{Daemon, Launch};
use crate::doors::{door, sequence};
use crate::hardship::{STATIC, knock_static};
use crate::net::{CLIENT, Lab};
use crate::once::{knock_line, knock_next, reload};
use crate::pads::Pads;
use crate::people::{directory, of_directory, person};

/// A daemon which files can be closed to, as they can to other users than root.
const WITHOUT_OVERRIDE: &str =
    "exec setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all \"$@\"";

/// A door with the pads of two people, and a daemon as above that has one door more.
fn two_people(lab: &Lab) -> ([Pads; 2], String) {
    let people = ["alice", "bob"].map(|name| person(lab, name, 14));
    let doors = door("ssh", &of_directory(lab), "syn") + &door("fixed", &sequence(STATIC), "syn");
    (people, doors)
}

/// Lets somebody knock with their next line, which opens.
#[track_caller]
fn opens(lab: &Lab, daemon: &Daemon, name: &str, pads: &Pads) {
    let opened = format!("{CLIENT}: ssh: OPEN SESAME ({name})");
    daemon.settle(lab);
    let already = daemon.count(&opened);
    knock_next(lab, pads);
    daemon.says_times(already + 1, &opened);
}

/// Lets the static door open beside whatever is wrong with others.
#[track_caller]
fn static_opens(lab: &Lab, daemon: &Daemon) {
    let already = daemon.openings(lab, "fixed");
    knock_static(lab);
    assert_eq!(daemon.openings(lab, "fixed"), already + 1, "the other door did not open");
}

const DENIED: &str = "permission denied; whoever uses a pad must be able to read and write it";

#[test]
fn a_pad_that_belongs_to_somebody_else_is_told_of_and_waited_for() {
    let test = "a_pad_that_belongs_to_somebody_else_is_told_of_and_waited_for";
    let Some(lab) = Lab::new(test) else { return };
    let ([alice, bob], doors) = two_people(&lab);
    let path = alice.server.display().to_string();
    chown(&alice.server, Some(12_345), None).expect("another owner");
    let mut daemon = Launch { before: WITHOUT_OVERRIDE, ..Launch::new(&doors) }.start(&lab);
    daemon.says(&format!("ssh: this pad is waited for: {path}: {DENIED}"));
    knock_line(&lab, &alice, 0);
    opens(&lab, &daemon, "bob", &bob);
    static_opens(&lab, &daemon);
    chown(&alice.server, Some(0), None).expect("its owner");
    daemon.says(&format!("ssh: {path} can be read again, sequences: 14"));
    daemon.arms(&lab);
    opens(&lab, &daemon, "alice", &alice);

    // While it is armed: what is shown to the wire now is used up.
    chown(&alice.server, Some(12_345), None).expect("another owner");
    daemon.says_times(2, &format!("ssh: this pad is waited for: {path}: {DENIED}"));
    knock_next(&lab, &alice);
    daemon.says(&format!("ssh (alice): right sequence, but not opened: {path}: {DENIED}"));
    opens(&lab, &daemon, "bob", &bob);
    static_opens(&lab, &daemon);
    reload(&lab, &daemon);
    chown(&alice.server, Some(0), None).expect("its owner");
    daemon.says_times(2, &format!("ssh: {path} can be read again"));
    daemon.arms(&lab);
    knock_line(&lab, &alice, 1);
    opens(&lab, &daemon, "alice", &alice);
    assert_eq!(daemon.count("OPEN SESAME (alice)"), 2, "a line that was shown to the wire opened");
    assert!(daemon.runs());
}

#[test]
fn a_directory_of_pads_that_cannot_be_read_is_told_of_and_waited_for() {
    let test = "a_directory_of_pads_that_cannot_be_read_is_told_of_and_waited_for";
    let Some(lab) = Lab::new(test) else { return };
    let ([alice, bob], doors) = two_people(&lab);
    let pads = directory(&lab);
    let close = |mode| fs::set_permissions(&pads, Permissions::from_mode(mode)).expect("its mode");
    close(0o000);
    let mut daemon = Launch { before: WITHOUT_OVERRIDE, ..Launch::new(&doors) }.start(&lab);
    let words = format!("ssh: the pads in {} cannot be listed: Permission denied", pads.display());
    daemon.says(&words);
    knock_line(&lab, &alice, 0);
    static_opens(&lab, &daemon);
    assert_eq!(daemon.count(": ssh: OPEN SESAME"), 0);
    close(0o700);
    // It says nothing of pads that are new to it.
    reload(&lab, &daemon);
    opens(&lab, &daemon, "bob", &bob);

    close(0o000);
    daemon.says_times(2, &words);
    knock_next(&lab, &alice);
    daemon.says("ssh (alice): right sequence, but not opened: ");
    static_opens(&lab, &daemon);
    close(0o700);
    daemon.says(&format!("ssh: {} can be read again, sequences: 14", alice.server.display()));
    daemon.arms(&lab);
    opens(&lab, &daemon, "alice", &alice);
    knock_line(&lab, &alice, 0);
    daemon.settle(&lab);
    assert_eq!(daemon.count("OPEN SESAME (alice)"), 1, "a line that was shown to the wire opened");
    assert!(daemon.runs());
}

/// What the daemon says of something that is no pad, and how that is made.
type Odd<'a> = (&'a str, &'a dyn Fn(&Path));

#[test]
fn what_is_no_file_in_the_place_of_a_pad_is_told_of_and_holds_nobody_up() {
    let test = "what_is_no_file_in_the_place_of_a_pad_is_told_of_and_holds_nobody_up";
    let Some(lab) = Lab::new(test) else { return };
    let ([alice, bob], doors) = two_people(&lab);
    let (place, aside) = (alice.server.clone(), lab.path("aside"));
    let mut daemon = Daemon::start(&lab, &doors);
    let make_fifo = |path: &Path| {
        assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
    };
    let odd: [Odd; 5] = [
        ("not a regular file but a FIFO", &make_fifo),
        ("not a regular file but a directory", &|path| fs::create_dir(path).expect("a directory")),
        ("not a regular file but a socket", &|path| drop(UnixListener::bind(path).expect("a socket"))),
        ("not a regular file but a device", &|path| symlink("/dev/zero", path).expect("a link")),
        ("Too many levels of symbolic links", &|path| symlink(path, path).expect("a link")),
    ];
    for (round, (what, make)) in odd.into_iter().enumerate() {
        fs::rename(&place, &aside).expect("a rename");
        daemon.says_times(round + 1, "there is no such file");
        make(&place);
        let words = format!("ssh: this pad is waited for: {}: {what}", place.display());
        daemon.says(&words);
        opens(&lab, &daemon, "bob", &bob);
        static_opens(&lab, &daemon);
        knock_next(&lab, &alice);
        daemon.says(&format!("ssh (alice): right sequence, but not opened: {}: {what}", place.display()));
        assert_eq!(daemon.count(&words), 1, "said more than once, though nothing has changed");
        reload(&lab, &daemon);
        static_opens(&lab, &daemon);

        if place.is_dir() { fs::remove_dir(&place) } else { fs::remove_file(&place) }.expect("what is there");
        fs::rename(&aside, &place).expect("a rename");
        daemon.says_times(round + 1, "can be read again");
        daemon.arms(&lab);
        // What was shown to the wire in the meantime.
        knock_line(&lab, &alice, 2 * round);
        opens(&lab, &daemon, "alice", &alice);
        assert_eq!(daemon.count("OPEN SESAME (alice)"), round + 1, "{what}: a used line opened");
    }
    assert!(daemon.runs());
}
