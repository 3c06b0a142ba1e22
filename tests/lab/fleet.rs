//! Several servers with one key: a label for each, or counters that they share.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use crate::daemon::{Daemon, Launch};
use crate::doors::door;
use crate::hits::send;
use crate::host::Host;
use crate::keyrings::{Keyring, begins, init_counter};
use crate::net::{CLIENT, Lab, MIDST, SERVER};
use crate::tracer::Tracer;

/// How many sequences are raced for.
const ROUNDS: u64 = 24;

/// One of two servers.
#[derive(Clone, Copy)]
enum Node {
    One,
    Two,
}

use Node::{One, Two};

impl Node {
    fn address(self) -> &'static str {
        match self {
            One => SERVER,
            Two => MIDST,
        }
    }

    fn name(self) -> &'static str {
        match self {
            One => "one",
            Two => "two",
        }
    }
}

/// Two servers, and a client that reaches both.
struct Pair {
    lab: Lab,
    second: Host,
    key: Keyring,
}

impl Pair {
    fn new(test: &str) -> Option<Self> {
        let (lab, second) = Lab::with_midst(test)?;
        let key = Keyring::new(&lab, "ssh");
        Some(Self { lab, second, key })
    }

    /// The launch of a daemon on this node, with files of its own.
    fn launch<'a>(&'a self, node: Node, doors: &'a str) -> Launch<'a> {
        let on = match node {
            One => None,
            Two => Some((&self.second, MIDST)),
        };
        Launch { name: node.name(), on, ..Launch::new(doors) }
    }

    /// Knocks at this node with a sequence of the key.
    fn knock(&self, node: Node, counter: u64) {
        self.knock_with(&self.key, node, counter);
    }

    fn knock_with(&self, key: &Keyring, node: Node, counter: u64) {
        send(&self.lab.client, CLIENT, node.address(), &key.counted(counter, Some(CLIENT)));
    }
}

/// Daemons on both nodes, each with a state directory of its own, and one directory of counters, mounted at both.
struct Sharing {
    pair: Pair,
    doors: String,
}

impl Sharing {
    fn new(test: &str, more: &str) -> Option<Self> {
        let pair = Pair::new(test)?;
        for directory in ["shared", "one.counters", "two.counters"] {
            let path = pair.lab.path(directory);
            fs::create_dir(&path).expect("a directory");
            fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("its mode");
        }
        let doors = door("ssh", &format!("{}\n    {more}", pair.key.trigger()), "syn");
        let sharing = Self { pair, doors };
        sharing.with_launch(One, |launch| {
            let output = init_counter(&sharing.pair.lab, launch, "ssh=0");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        });
        Some(sharing)
    }

    fn with_launch<T>(&self, node: Node, deed: impl FnOnce(&Launch<'_>) -> T) -> T {
        let lab = &self.pair.lab;
        let here = lab.path(&format!("{}.counters", node.name()));
        let before = format!("mount -n --bind {} {} || exit", lab.path("shared").display(), here.display());
        let options = format!("    counter_dir = {}\n", here.display());
        deed(&Launch { before: &before, options: &options, ..self.pair.launch(node, &self.doors) })
    }

    fn start(&self, node: Node) -> Daemon {
        self.with_launch(node, |launch| launch.start(&self.pair.lab))
    }

    fn start_both(&self) -> [Daemon; 2] {
        [One, Two].map(|node| self.start(node))
    }

    #[track_caller]
    fn openings(&self, daemon: &Daemon) -> usize {
        daemon.openings(&self.pair.lab, "ssh")
    }

    /// How often both have opened.
    #[track_caller]
    fn all_openings(&self, daemons: &[Daemon; 2]) -> [usize; 2] {
        daemons.each_ref().map(|daemon| self.openings(daemon))
    }
}

#[test]
fn a_sequence_for_one_label_is_refused_by_the_other_server_before_and_after_its_use() {
    let test = "a_sequence_for_one_label_is_refused_by_the_other_server_before_and_after_its_use";
    let Some(pair) = Pair::new(test) else { return };
    let lab = &pair.lab;
    let (gate, mail) = (pair.key.labelled("gate"), pair.key.labelled("mail"));
    let doors = [&gate, &mail].map(|key| door("ssh", &key.trigger(), "syn"));
    let daemons = [One, Two].map(|node| {
        let launch = pair.launch(node, &doors[node as usize]);
        assert!(init_counter(lab, &launch, "ssh=0").status.success());
        launch.start(lab)
    });
    let openings = || daemons.each_ref().map(|daemon| daemon.openings(lab, "ssh"));
    for counter in 0..3 {
        let opened = usize::try_from(counter).expect("few");
        pair.knock_with(&gate, Two, counter);
        pair.knock_with(&mail, One, counter);
        assert_eq!(openings(), [opened; 2], "the other's {counter} opened before it was used");
        pair.knock_with(&gate, One, counter);
        pair.knock_with(&mail, Two, counter);
        assert_eq!(openings(), [opened + 1; 2], "{counter}");
        pair.knock_with(&gate, Two, counter);
        pair.knock_with(&mail, One, counter);
        assert_eq!(openings(), [opened + 1; 2], "the other's {counter} opened after it was used");
    }
}

/// What two servers must not have.
#[test]
fn one_label_at_two_servers_that_share_nothing_opens_each_of_them_once() {
    let test = "one_label_at_two_servers_that_share_nothing_opens_each_of_them_once";
    let Some(pair) = Pair::new(test) else { return };
    let doors = door("ssh", &pair.key.trigger(), "syn");
    let daemons = [One, Two].map(|node| {
        let launch = pair.launch(node, &doors);
        assert!(init_counter(&pair.lab, &launch, "ssh=0").status.success());
        launch.start(&pair.lab)
    });
    pair.knock(One, 0);
    pair.knock(Two, 0);
    assert_eq!(daemons.each_ref().map(|daemon| daemon.openings(&pair.lab, "ssh")), [1, 1]);
}

#[test]
fn what_one_of_a_pair_has_used_is_refused_by_the_other_one() {
    let Some(sharing) = Sharing::new("what_one_of_a_pair_has_used_is_refused_by_the_other_one", "") else {
        return;
    };
    let daemons = sharing.start_both();
    let pair = &sharing.pair;
    pair.knock(One, 0);
    assert_eq!(sharing.all_openings(&daemons), [1, 0]);
    pair.knock(Two, 0);
    assert_eq!(sharing.all_openings(&daemons), [1, 0], "it opened at the other one");
    pair.knock(Two, 1);
    assert_eq!(sharing.all_openings(&daemons), [1, 1]);
    pair.knock(One, 1);
    assert_eq!(sharing.all_openings(&daemons), [1, 1], "it opened at the other one");
    // Those that were skipped are passed at both.
    pair.knock(One, 5);
    assert_eq!(sharing.all_openings(&daemons), [2, 1]);
    for counter in 0..=5 {
        pair.knock(Two, counter);
    }
    assert_eq!(sharing.all_openings(&daemons), [2, 1], "one that was skipped opened at the other one");
    pair.knock(Two, 6);
    assert_eq!(sharing.all_openings(&daemons), [2, 2]);
}

#[test]
fn a_sequence_that_comes_to_both_of_a_pair_at_once_opens_one_of_them() {
    let test = "a_sequence_that_comes_to_both_of_a_pair_at_once_opens_one_of_them";
    let Some(sharing) = Sharing::new(test, "") else { return };
    let daemons = sharing.start_both();
    let mut before = [0, 0];
    for counter in 0..ROUNDS {
        let both = || {
            sharing.pair.knock(One, counter);
            sharing.pair.knock(Two, counter);
        };
        // Either as fast as they are, or both woken when it has come to each of them.
        match counter % 3 {
            0 => both(),
            1 => daemons[0].held_up(|| daemons[1].held_up(both)),
            _ => daemons[1].held_up(|| daemons[0].held_up(both)),
        }
        let now = sharing.all_openings(&daemons);
        let opened = now[0] + now[1];
        assert_eq!(u64::try_from(opened), Ok(counter + 1), "{counter}: {before:?} openings, then {now:?}");
        before = now;
    }
    assert!(before.iter().all(|openings| *openings > 0), "one of them never won: {before:?}");
}

#[test]
fn one_of_a_pair_that_is_killed_holds_up_the_other_one_and_takes_nothing_back() {
    let test = "one_of_a_pair_that_is_killed_holds_up_the_other_one_and_takes_nothing_back";
    let Some(sharing) = Sharing::new(test, "") else { return };
    let [mut one, two] = sharing.start_both();
    let pair = &sharing.pair;
    pair.knock(One, 0);
    assert_eq!(sharing.openings(&one), 1);
    // Killed while it has the lock, with the counter half written.
    let tracer = Tracer::attach_to_main(
        &pair.lab,
        &one,
        &["-e", "trace=fdatasync", "-e", "inject=fdatasync:signal=SIGKILL:when=1"],
    );
    pair.knock(One, 1);
    one.is_killed();
    drop(tracer);
    assert_eq!(one.count("OPEN SESAME"), 1 + one.count("watchman: OPEN SESAME"));
    drop(one);
    pair.knock(Two, 0);
    assert_eq!(sharing.openings(&two), 0, "a used one opened");
    for counter in 2..4 {
        pair.knock(Two, counter);
    }
    assert_eq!(sharing.openings(&two), 2, "the other one does not go on");
    let one = sharing.start(One);
    for counter in 0..4 {
        pair.knock(One, counter);
        pair.knock(Two, counter);
    }
    assert_eq!((sharing.openings(&one), sharing.openings(&two)), (1, 2), "a used one opened");
    pair.knock(One, 4);
    assert_eq!(sharing.openings(&one), 2);
    one.signal(Signal::KILL);
    pair.knock(Two, 4);
    pair.knock(Two, 5);
    assert_eq!(sharing.openings(&two), 3);
}

/// What a pair does not share.
#[test]
fn what_was_shown_without_opening_is_remembered_by_the_one_that_saw_it() {
    let test = "what_was_shown_without_opening_is_remembered_by_the_one_that_saw_it";
    let Some(sharing) = Sharing::new(test, "seq_timeout = 1") else { return };
    let [one, two] = sharing.start_both();
    let pair = &sharing.pair;
    let first = pair.key.counted(0, Some(CLIENT));
    send(&pair.lab.client, CLIENT, SERVER, &first[..first.len() - 1]);
    one.says("a sequence was shown without opening, and is struck");
    pair.knock(One, 0);
    assert_eq!(sharing.openings(&one), 0, "what was shown opened where it was seen");
    pair.knock(Two, 0);
    assert_eq!(sharing.openings(&two), 1, "the other one knows nothing of it");
    pair.knock(One, 1);
    assert_eq!(sharing.openings(&one), 1);
}

#[test]
fn a_node_that_comes_back_from_a_backup_is_told_where_to_go_on() {
    let test = "a_node_that_comes_back_from_a_backup_is_told_where_to_go_on";
    let Some(pair) = Pair::new(test) else { return };
    let lab = &pair.lab;
    let doors = door("ssh", &pair.key.trigger(), "syn");
    begins(lab, &doors, "ssh=0");
    let daemon = Daemon::start(lab, &doors);
    for counter in 0..4 {
        pair.knock(One, counter);
    }
    assert_eq!(daemon.openings(lab, "ssh"), 4);
    drop(daemon);
    // The backup has the key and the configuration, and no state.
    fs::remove_dir_all(lab.path("knockd.state")).expect("the state directory");
    begins(lab, &doors, "ssh=100");
    let daemon = Daemon::start(lab, &doors);
    for counter in 0..10 {
        pair.knock(One, counter);
    }
    assert_eq!(daemon.openings(lab, "ssh"), 4, "a used one opened");
    // The person's own counter is behind; knock(1) is told the new one.
    pair.knock(One, 100);
    assert_eq!(daemon.openings(lab, "ssh"), 5);
}
