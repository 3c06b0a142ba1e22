//! Files that others than root and the daemon's user can change.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use rustix::process::Signal;

use crate::daemon::{Daemon, Launch};
use crate::doors::{door, pad, sequence};
use crate::hardship::{STATIC, knock_static};
use crate::net::{CLIENT, Lab, SERVER};
use crate::once::{knock_line, knock_next, reload};
use crate::pads::Pads;
use crate::people::{directory, of_directory, person};
use crate::wait::PATIENCE;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode");
}

/// The pads of two people at one door, and a static door beside it.
struct Scene {
    lab: Lab,
    alice: Pads,
    bob: Pads,
    doors: String,
}

impl Scene {
    fn new(test: &str) -> Option<Self> {
        let lab = Lab::new(test)?;
        let [alice, bob] = ["alice", "bob"].map(|name| person(&lab, name, 20));
        let doors = door("ssh", &of_directory(&lab), "syn") + &door("fixed", &sequence(STATIC), "syn");
        Some(Self { lab, alice, bob, doors })
    }

    /// Lets somebody knock with their next line, which opens.
    #[track_caller]
    fn opens(&self, daemon: &Daemon, name: &str, pads: &Pads) {
        let opened = format!("{CLIENT}: ssh: OPEN SESAME ({name})");
        daemon.settle(&self.lab);
        let already = daemon.count(&opened);
        knock_next(&self.lab, pads);
        daemon.says_times(already + 1, &opened);
    }

    /// What needs nothing of Alice's goes on.
    #[track_caller]
    fn others_open(&self, daemon: &Daemon) {
        self.opens(daemon, "bob", &self.bob);
        self.static_opens(daemon);
    }

    #[track_caller]
    fn static_opens(&self, daemon: &Daemon) {
        let already = daemon.openings(&self.lab, "fixed");
        knock_static(&self.lab);
        assert_eq!(daemon.openings(&self.lab, "fixed"), already + 1, "the other door did not open");
    }
}

#[test]
fn a_pad_that_others_can_write_to_opens_nothing_until_it_is_mended() {
    let test = "a_pad_that_others_can_write_to_opens_nothing_until_it_is_mended";
    let Some(scene) = Scene::new(test) else { return };
    let Scene { lab, alice, .. } = &scene;
    let path = alice.server.display().to_string();
    set_mode(&alice.server, 0o602);
    let mut daemon = Daemon::start(lab, &scene.doors);
    let why = format!("{path} can be written by others (mode 0602): chmod o-w {path}\n");
    daemon.says(&format!("ssh: this pad is waited for: {why}"));
    knock_line(lab, alice, 0);
    scene.others_open(&daemon);
    set_mode(&alice.server, 0o600);
    daemon.says(&format!("ssh: {path} can be read again, sequences: 20\n"));
    daemon.arms(lab);
    scene.opens(&daemon, "alice", alice);

    // While it is armed.
    let mut struck = vec![0];
    for (round, (mode, who, letters)) in
        [(0o620, "its group", "g"), (0o602, "others", "o"), (0o622, "its group and others", "go")]
            .into_iter()
            .enumerate()
    {
        set_mode(&alice.server, mode);
        let why = format!("{path} can be written by {who} (mode {mode:04o}): chmod {letters}-w {path}\n");
        knock_next(lab, alice);
        daemon.says(&format!("{CLIENT}: ssh (alice): right sequence, but not opened: {why}"));
        daemon.says_times(1, &format!("ssh: this pad is waited for: {why}"));
        alice.server_has_struck_only(&struck);
        scene.others_open(&daemon);
        reload(lab, &daemon);
        set_mode(&alice.server, 0o600);
        daemon.says_times(round + 2, &format!("ssh: {path} can be read again"));
        daemon.arms(lab);
        // What was shown to the wire meanwhile.
        knock_line(lab, alice, 2 * round + 1);
        daemon.settle(lab);
        scene.opens(&daemon, "alice", alice);
        struck.push(2 * round + 2);
        alice.server_has_struck_only(&struck);
    }
    assert_eq!(daemon.count("OPEN SESAME (alice)"), 4, "a line opened that was shown to the wire");
    assert!(daemon.runs());
}

#[test]
fn a_pad_that_becomes_somebody_elses_opens_nothing_until_it_is_mended() {
    let test = "a_pad_that_becomes_somebody_elses_opens_nothing_until_it_is_mended";
    let Some(scene) = Scene::new(test) else { return };
    let Scene { lab, alice, .. } = &scene;
    let daemon = Daemon::start(lab, &scene.doors);
    let path = alice.server.display();
    let why = format!(
        "{path} belongs to user 12345, not to root or the user that knockd runs as: chown root {path}\n"
    );
    chown(&alice.server, Some(12_345), None).expect("another owner");
    daemon.says(&format!("ssh: this pad is waited for: {why}"));
    knock_next(lab, alice);
    daemon.says(&format!("{CLIENT}: ssh (alice): right sequence, but not opened: {why}"));
    scene.others_open(&daemon);
    chown(&alice.server, Some(0), None).expect("its owner");
    daemon.says(&format!("ssh: {path} can be read again"));
    daemon.arms(lab);
    scene.opens(&daemon, "alice", alice);
    assert_eq!(daemon.count(&why), 2, "said more than once, though nothing has changed");
}

#[test]
fn a_directory_on_the_way_to_pads_that_others_can_write_to_keeps_their_door_shut() {
    let test = "a_directory_on_the_way_to_pads_that_others_can_write_to_keeps_their_door_shut";
    let Some(scene) = Scene::new(test) else { return };
    let Scene { lab, alice, bob, .. } = &scene;
    let daemon = Daemon::start(lab, &scene.doors);
    let pads = directory(lab);
    let why = |mode: &str, letter: &str, place: &Path| {
        let (pad, place) = (alice.server.display(), place.display());
        let who = if letter == "g" { "its group" } else { "others" };
        format!(
            "{place}, on the way to {pad}, can be written by {who} (mode {mode}): chmod {letter}-w {place}\n"
        )
    };
    let again = format!("ssh: {} can be read again", alice.server.display());
    // The directory itself, which is noticed at once.
    set_mode(&pads, 0o770);
    daemon.says(&format!("ssh: this pad is waited for: {}", why("0770", "g", &pads)));
    knock_next(lab, alice);
    daemon.says(&format!("ssh (alice): right sequence, but not opened: {}", why("0770", "g", &pads)));
    scene.static_opens(&daemon);
    set_mode(&pads, 0o700);
    daemon.says(&again);
    daemon.arms(lab);
    scene.opens(&daemon, "alice", alice);

    // The one above it: what counts is how it is when a line is used.
    let above = pads.parent().expect("a directory above it");
    set_mode(above, 0o757);
    knock_next(lab, bob);
    let shut = "ssh (bob): right sequence, but not opened: ";
    daemon.says(shut);
    knock_next(lab, alice);
    daemon.says(&format!("ssh (alice): right sequence, but not opened: {}", why("0757", "o", above)));
    scene.static_opens(&daemon);
    set_mode(above, 0o755);
    reload(lab, &daemon);
    daemon.says_times(2, &again);
    scene.opens(&daemon, "alice", alice);
    scene.opens(&daemon, "bob", bob);

    // As /tmp is: what stands in it can be removed by its owners only.
    set_mode(&pads, 0o1777);
    scene.opens(&daemon, "alice", alice);
    assert_eq!(daemon.count("OPEN SESAME (alice)"), 3);
    alice.server_has_struck_only(&[1, 3, 4]);
}

#[test]
fn a_pad_behind_a_link_is_judged_by_where_it_is_and_by_whose_the_link_is() {
    let test = "a_pad_behind_a_link_is_judged_by_where_it_is_and_by_whose_the_link_is";
    let Some(scene) = Scene::new(test) else { return };
    let Scene { lab, alice, .. } = &scene;
    let (real, links) = (lab.path("real"), lab.path("links"));
    for directory in [&real, &links] {
        fs::create_dir(directory).expect("a directory");
    }
    fs::rename(&alice.server, real.join("pad")).expect("a rename");
    symlink("../links/further", &alice.server).expect("a link");
    symlink(real.join("pad"), links.join("further")).expect("a link");
    let daemon = Daemon::start(lab, &scene.doors);
    scene.opens(&daemon, "alice", alice);
    for (round, place) in [&links, &real].into_iter().enumerate() {
        set_mode(place, 0o775);
        let (pad, shown) = (alice.server.display(), place.display());
        let why = format!(
            "{shown}, on the way to {pad}, can be written by its group (mode 0775): chmod g-w {shown}\n"
        );
        daemon.says(&format!("ssh: this pad is waited for: {why}"));
        knock_next(lab, alice);
        daemon.says(&format!("ssh (alice): right sequence, but not opened: {why}"));
        scene.others_open(&daemon);
        set_mode(place, 0o755);
        daemon.says_times(round + 1, &format!("ssh: {pad} can be read again"));
        daemon.arms(lab);
        scene.opens(&daemon, "alice", alice);
    }
    // Of everybody's directory a link is as good as its owner.
    set_mode(&links, 0o1777);
    scene.opens(&daemon, "alice", alice);
    lchown(links.join("further"), Some(12_345), None).expect("another owner");
    knock_next(lab, alice);
    daemon.says("ssh (alice): right sequence, but not opened: ");
    scene.others_open(&daemon);
    assert_eq!(daemon.count("OPEN SESAME (alice)"), 4);
}

#[test]
fn a_pad_that_others_can_read_opens_and_is_warned_of_once() {
    let test = "a_pad_that_others_can_read_opens_and_is_warned_of_once";
    let Some(scene) = Scene::new(test) else { return };
    let Scene { lab, alice, .. } = &scene;
    set_mode(&alice.server, 0o644);
    let daemon = Daemon::start(lab, &scene.doors);
    let path = alice.server.display();
    let warning = |who: &str, mode: &str, letters: &str| {
        format!(
            "warning: ssh: {path} can be read by {who} (mode {mode}), and whoever has read it can knock: chmod {letters}-r {path}\n"
        )
    };
    let both = warning("its group and others", "0644", "go");
    daemon.says(&both);
    for _ in 0..3 {
        scene.opens(&daemon, "alice", alice);
        scene.others_open(&daemon);
    }
    assert_eq!(daemon.count(&both), 1, "said more than once, though nothing has changed");
    set_mode(&alice.server, 0o640);
    daemon.says(&warning("its group", "0640", "g"));
    scene.opens(&daemon, "alice", alice);
    set_mode(&alice.server, 0o600);
    // Nothing is said of a pad that is as it should be, so that it was seen so has to be made certain.
    reload(lab, &daemon);
    scene.opens(&daemon, "alice", alice);
    set_mode(&alice.server, 0o644);
    daemon.says_times(2, &both);
    assert_eq!(daemon.count("can be read by"), 3);
    alice.server_has_struck(5);
}

/// What the daemon says of a configuration that others can change, how it becomes one, and how that is mended.
type Way<'a> = (String, &'a dyn Fn(), &'a dyn Fn());

#[test]
fn a_configuration_that_others_can_change_is_not_taken_at_a_reload() {
    let Some(lab) = Lab::new("a_configuration_that_others_can_change_is_not_taken_at_a_reload") else {
        return;
    };
    let pads = Pads::generate(&lab, "once", 8, &[]);
    let doors =
        |fixed: &str| door("once", &pad(&pads.server), "syn") + &door("fixed", &sequence(fixed), "syn");
    let mut daemon = Daemon::start(&lab, &doors(STATIC));
    let config = lab.path("knockd.conf");
    daemon.rewrite(&doors("7001,8001,9001"));
    let refused = |place: &Path, what: &str, command: &str| {
        let place = place.display();
        format!(
            "error: the configuration is refused: {place}{what}: {command} {place}; the daemon goes on as before\n"
        )
    };
    let above = config.parent().expect("a directory");
    let on_the_way =
        format!(", on the way to {}, can be written by its group and others (mode 0777)", config.display());
    let not_roots = " belongs to user 12345, not to root or the user that knockd runs as";
    let ways: [Way; 3] = [
        (
            refused(&config, " can be written by its group (mode 0664)", "chmod g-w"),
            &|| set_mode(&config, 0o664),
            &|| set_mode(&config, 0o644),
        ),
        (
            refused(&config, not_roots, "chown root"),
            &|| chown(&config, Some(12_345), None).expect("another owner"),
            &|| chown(&config, Some(0), None).expect("its owner"),
        ),
        (refused(above, &on_the_way, "chmod go-w"), &|| set_mode(above, 0o777), &|| set_mode(above, 0o755)),
    ];
    for (words, harm, mend) in ways {
        harm();
        reload(&lab, &daemon);
        daemon.says(&words);
        mend();
        let already = daemon.openings(&lab, "fixed");
        lab.knock(&[SERVER, "7001", "8001", "9001"]);
        knock_static(&lab);
        assert_eq!(daemon.openings(&lab, "fixed"), already + 1, "not the doors of before");
        knock_next(&lab, &pads);
        // Before the next harm is done, which would meet the pad too.
        daemon.settle(&lab);
    }
    assert_eq!(daemon.openings(&lab, "once"), 3);
    reload(&lab, &daemon);
    daemon.says("reloaded: door fixed has changed: sequence\n");
    lab.knock(&[SERVER, "7001", "8001", "9001"]);
    assert_eq!(daemon.openings(&lab, "fixed"), 4);
    assert!(daemon.runs());
}

#[test]
fn a_daemon_does_not_start_where_others_could_replace_its_state() {
    let test = "a_daemon_does_not_start_where_others_could_replace_its_state";
    let Some(lab) = Lab::new(test) else { return };
    let pads = Pads::generate(&lab, "once", 4, &[]);
    let shared = lab.path("shared");
    fs::create_dir(&shared).expect("a directory");
    let options = format!("    state_dir = {}\n", shared.join("state").display());
    let doors = door("once", &pad(&pads.server), "syn");
    let launch = Launch { options: &options, ..Launch::new(&doors) };
    for mode in [0o777, 0o775] {
        set_mode(&shared, mode);
        let output = launch.command(&lab).output().expect("ip: install iproute2");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let command = if mode == 0o777 { "chmod go-w" } else { "chmod g-w" };
        assert!(
            said.contains(&format!("knockd: the state directory cannot be trusted: {}", shared.display())),
            "{said}"
        );
        assert!(said.ends_with(&format!("(mode {mode:04o}): {command} {}\n", shared.display())), "{said}");
        assert!(!shared.join("state").exists());
    }
    set_mode(&shared, 0o755);
    let mut daemon = launch.start(&lab);
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "once"), 1);
    daemon.signal(Signal::TERM);
    assert!(daemon.ends_within(PATIENCE).is_some_and(|status| status.success()));
}
