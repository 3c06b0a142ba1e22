//! `--status`: what a running daemon says of itself, and that asking harms nobody.

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::both::Both;
use crate::daemon::{Daemon, Launch};
use crate::doors::{door, pad, sequence};
use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, OTHER, SERVER};
use crate::once::{knock_next, reload, syn};
use crate::own_run;
use crate::pads::Pads;
use crate::people::{of_directory, person};
use crate::programs;
use crate::wait::{PATIENCE, wait_until};
use crate::wire::Wire;

/// The exit code when no daemon answers.
const NOBODY: i32 = 4;

const HITS: [Hit; 3] = [Hit::Tcp(7000), Hit::Tcp(8000), Hit::Tcp(9000)];

fn plain() -> String {
    door("plain", &sequence("7000,8000,9000"), "syn")
}

/// `knockd --status ARGS` for the daemon of this name.
fn run(lab: &Lab, name: &str, args: &[&str]) -> Output {
    let mut knockd = Command::new(programs::knockd());
    knockd.arg("--status").arg("-c").arg(lab.path(&format!("{name}.conf"))).args(args);
    lab.server.run(&own_run::seen_by(lab, &knockd))
}

#[track_caller]
fn said(lab: &Lab, args: &[&str]) -> String {
    let output = run(lab, "knockd", args);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaint}", output.status);
    assert_eq!(complaint, "");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
fn status(lab: &Lab) -> Value {
    serde_json::from_str(&said(lab, &["--json"])).expect("JSON")
}

/// Nobody answers, and these words are said of it.
#[track_caller]
fn nobody_answers(lab: &Lab, words: &str) {
    let output = run(lab, "knockd", &["--prometheus"]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(NOBODY), "{complaint}");
    assert!(complaint.starts_with("knockd: no daemon answers at /run/knockd/knockd.conf-"), "{complaint}");
    assert!(complaint.contains(words), "{complaint}");
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("\nknockd_up 0\n"));
}

/// The only socket there is.
#[track_caller]
fn socket(lab: &Lab) -> PathBuf {
    let entries = fs::read_dir(own_run::directory(lab).join("knockd")).expect("the sockets' directory");
    let paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let sockets: Vec<_> = paths.iter().filter(|path| !path.ends_with("lock")).collect();
    assert_eq!(sockets.len(), 1, "{paths:?}");
    sockets[0].clone()
}

fn leased_by_pads(lab: &Lab) -> String {
    format!(
        "\n[ssh]\n    {}\n    tcpflags = syn\n    start_command = true\n    cmd_timeout = 600\n    \
         stop_command = true\n{}",
        of_directory(lab),
        plain()
    )
}

#[test]
fn a_daemon_says_what_has_become_of_its_doors_pads_and_leases() {
    let Some(lab) = Lab::new("a_daemon_says_what_has_become_of_its_doors_pads_and_leases") else { return };
    let [alice, bob] = [("alice", 7), ("bob", 500)].map(|(name, lines)| person(&lab, name, lines));
    let daemon = Daemon::start(&lab, &leased_by_pads(&lab));
    let capture = daemon.capture().id();
    let fresh = status(&lab);
    assert_eq!(fresh["pid"], daemon.pid());
    assert_eq!(fresh["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(fresh["interfaces"][0]["name"], "eth0");
    assert_eq!(fresh["interfaces"][0]["state"], "listening");
    assert_eq!(fresh["leases"], Value::Array(Vec::new()));
    assert_eq!(fresh["doors"][0]["last_opened"], Value::Null);
    let left = |status: &Value| {
        status["pads"]
            .as_array()
            .expect("pads")
            .iter()
            .map(|pad| pad["lines_left"].as_u64())
            .collect::<Vec<_>>()
    };
    assert_eq!(left(&fresh), [Some(7), Some(500)]);

    let before = fresh["capture"]["packets_seen"].as_u64().expect("a number");
    for pads in [&alice, &bob, &bob] {
        knock_next(&lab, pads);
    }
    assert_eq!(daemon.openings(&lab, "ssh"), 3);
    let used = status(&lab);
    let ssh = &used["doors"][0];
    assert_eq!((&ssh["name"], &ssh["openings"], &ssh["refusals"]), (&"ssh".into(), &3.into(), &0.into()));
    assert_eq!(ssh["lines_struck"], 3);
    assert!(ssh["last_opened"].as_str().expect("a time").ends_with('Z'));
    assert_eq!(used["doors"][1]["openings"], 0);
    assert_eq!(left(&used), [Some(6), Some(498)]);
    let leases = used["leases"].as_array().expect("leases");
    assert_eq!(leases.len(), 1, "{used}");
    assert_eq!((&leases[0]["address"], &leases[0]["pad"]), (&CLIENT.into(), &"bob".into()));
    assert!((500..=600).contains(&leases[0]["seconds_left"].as_u64().expect("seconds")), "{used}");
    let seen = used["capture"]["packets_seen"].as_u64().expect("a number");
    assert!(seen >= before + 9, "{before}, then {seen}");
    assert_eq!((&used["capture"]["packets_dropped"], &used["capture"]["pid"]), (&0.into(), &capture.into()));
    assert_eq!(daemon.capture().id(), capture, "asking has cost the capture process its life");

    // A right sequence that cannot be struck.
    fs::set_permissions(&alice.server, fs::Permissions::from_mode(0o620)).expect("a mode");
    knock_next(&lab, &alice);
    daemon.says("right sequence, but not opened");
    let refused = status(&lab);
    assert_eq!((&refused["doors"][0]["openings"], &refused["doors"][0]["refusals"]), (&3.into(), &1.into()));
    assert!(refused["doors"][0]["last_refused"].is_string());
}

#[test]
fn all_three_forms_say_the_same_and_none_shows_what_opens_a_door() {
    let Some(lab) = Lab::new("all_three_forms_say_the_same_and_none_shows_what_opens_a_door") else { return };
    let alice = person(&lab, "alice", 30);
    let daemon = Daemon::start(&lab, &leased_by_pads(&lab));
    knock_next(&lab, &alice);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    let forms = [&[][..], &["--json"], &["--prometheus"]].map(|args| said(&lab, args));
    let [table, json, metrics] = &forms;
    assert!(table.starts_with("knockd ") && !table.contains('\x1b'), "{table}");
    assert!(table.lines().any(|line| line.starts_with("ssh   192.0.2.2  alice   in 9 min ")), "{table}");
    assert!(table.contains(&format!("alice  ssh     29  {}", alice.server.display())), "{table}");
    assert!(json.contains("\"lines_left\": 29"), "{json}");
    assert!(metrics.contains("\nknockd_door_openings_total{door=\"ssh\"} 1\n"), "{metrics}");
    assert!(metrics.contains("\nknockd_up 1\n") || metrics.contains("gauge\nknockd_up 1\n"), "{metrics}");
    for form in &forms {
        for line in 0..30 {
            assert!(!form.contains(alice.line(line).trim()), "a line of the pad is shown:\n{form}");
        }
        assert!(!form.contains("7000,8000,9000") && !form.contains("61003"), "{form}");
    }
}

#[test]
fn the_scan_guards_hits_are_counted() {
    let Some(lab) = Lab::new("the_scan_guards_hits_are_counted") else { return };
    let daemon = Daemon::start(&lab, &plain());
    let hits: Vec<Hit> = std::iter::once(7000).chain(20_000..20_020).map(Hit::Tcp).collect();
    for source in [CLIENT, OTHER] {
        send(&lab.client, source, SERVER, &hits);
    }
    daemon.settle(&lab);
    assert_eq!(status(&lab)["capture"]["scan_guard_hits"], 2);
}

#[test]
fn packets_that_the_kernel_has_no_place_for_are_counted() {
    let Some(lab) = Lab::new("packets_that_the_kernel_has_no_place_for_are_counted") else { return };
    let daemon = Daemon::start(&lab, &plain());
    assert_eq!(status(&lab)["capture"]["packets_dropped"], 0);
    let count = 20_000;
    daemon.held_up(|| {
        Wire::with(&lab, |wire| (0..count).for_each(|_| wire.send(&[], &syn(OTHER, "9"))));
    });
    let counted = || {
        let capture = status(&lab)["capture"].clone();
        ["packets_seen", "packets_dropped"].map(|name| capture[name].as_u64().expect("a number"))
    };
    assert!(wait_until(PATIENCE, || counted().iter().sum::<u64>() >= count), "{:?}", counted());
    let [seen, dropped] = counted();
    assert!(dropped > 0 && (1..count).contains(&seen), "{seen} seen, {dropped} dropped");
}

#[test]
fn a_capture_process_that_says_nothing_only_costs_its_numbers() {
    let Some(lab) = Lab::new("a_capture_process_that_says_nothing_only_costs_its_numbers") else { return };
    let daemon = Daemon::start(&lab, &plain());
    let capture = daemon.capture();
    capture.signal(Signal::STOP);
    for _ in 0..3 {
        let start = Instant::now();
        let status = status(&lab);
        assert!(start.elapsed() < Duration::from_secs(4), "it took {:?}", start.elapsed());
        assert_eq!(status["capture"]["packets_seen"], Value::Null);
        assert_eq!(status["capture"]["pid"], capture.id());
        assert_eq!(status["interfaces"][0]["state"], "listening");
        assert_eq!(status["doors"][0]["name"], "plain");
    }
    capture.signal(Signal::CONT);
    assert!(wait_until(PATIENCE, || status(&lab)["capture"]["packets_seen"].is_u64()));
    assert_eq!(daemon.capture().id(), capture.id());
    send(&lab.client, CLIENT, SERVER, &HITS);
    assert_eq!(daemon.openings(&lab, "plain"), 1);
}

#[test]
fn a_thousand_who_ask_and_never_read_hold_up_nobody() {
    let Some(lab) = Lab::new("a_thousand_who_ask_and_never_read_hold_up_nobody") else { return };
    // More than a socket holds, so that it takes readers.
    let many: String = (0..1500)
        .map(|n| door(&format!("door-{n}"), &sequence(&format!("{},8001,9001", 10_000 + n)), "syn"))
        .collect();
    let daemon = Daemon::start(&lab, &format!("{}{many}", plain()));
    let before = Both::of(&daemon).descriptors();
    let socket = socket(&lab);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut open = VecDeque::new();
            for number in 0..1000 {
                open.push_back(UnixStream::connect(&socket).expect("a connection"));
                if number % 10 != 0 {
                    open.pop_back();
                }
            }
            open.len()
        });
        let mut openings = 0;
        while !asking.is_finished() || openings < 5 {
            let start = Instant::now();
            openings += 1;
            send(&lab.client, CLIENT, SERVER, &HITS);
            daemon.says_times(openings, ": plain: OPEN SESAME");
            assert!(start.elapsed() < Duration::from_secs(3), "a knock took {:?}", start.elapsed());
        }
        assert_eq!(asking.join().expect("no panic"), 100);
    });
    assert!(status(&lab)["doors"].as_array().expect("doors").len() > 1500);
    assert!(wait_until(PATIENCE, || Both::of(&daemon).descriptors() == before), "descriptors are left open");
    Both::of(&daemon).falls_asleep();
}

#[test]
fn a_daemon_that_was_killed_is_not_there_and_the_next_one_takes_its_place() {
    let Some(lab) = Lab::new("a_daemon_that_was_killed_is_not_there_and_the_next_one_takes_its_place") else {
        return;
    };
    let mut daemon = Daemon::start(&lab, &plain());
    let metadata = fs::metadata(socket(&lab)).expect("the socket");
    assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (0, 0o600));
    daemon.signal(Signal::KILL);
    daemon.is_killed();
    assert!(socket(&lab).exists(), "nobody has removed it");
    nobody_answers(&lab, "is not running");
    let mut daemon = Daemon::start(&lab, &plain());
    assert_eq!(status(&lab)["pid"], daemon.pid());
    daemon.signal(Signal::USR1);
    assert!(daemon.ends_within(PATIENCE).expect("an end").success());
    nobody_answers(&lab, "there is no such socket");
}

#[test]
fn openings_are_counted_across_reloads_and_a_broken_or_missing_configuration_hides_nothing() {
    let test = "openings_are_counted_across_reloads_and_a_broken_or_missing_configuration_hides_nothing";
    let Some(lab) = Lab::new(test) else { return };
    let daemon = Daemon::start(&lab, &plain());
    send(&lab.client, CLIENT, SERVER, &HITS);
    assert_eq!(daemon.openings(&lab, "plain"), 1);
    daemon.rewrite(&format!("{}{}", door("new", &sequence("1000,3000,2000"), "syn"), plain()));
    reload(&lab, &daemon);
    let names = |status: &Value| {
        status["doors"]
            .as_array()
            .expect("doors")
            .iter()
            .map(|door| (door["name"].to_string(), door["openings"].as_u64()))
            .collect::<Vec<_>>()
    };
    let expected = [("\"new\"", Some(0)), ("\"plain\"", Some(1)), ("\"watchman\"", None)];
    let is_expected = |status: &Value| {
        let names = names(status);
        names.len() == 3
            && names.iter().zip(expected).all(|((name, count), (known, openings))| {
                name == known && (openings.is_none() || *count == openings)
            })
    };
    let reloaded = status(&lab);
    assert!(is_expected(&reloaded), "{reloaded}");
    daemon.rewrite("[broken]\nsequence = 70000\n");
    daemon.signal(Signal::HUP);
    daemon.says("the daemon goes on as before");
    let broken = status(&lab);
    assert!(is_expected(&broken), "{broken}");
    fs::remove_file(lab.path("knockd.conf")).expect("the configuration");
    assert!(is_expected(&status(&lab)));
}

#[test]
fn daemons_are_told_apart_by_their_configurations_and_the_second_of_one_serves_unasked() {
    let test = "daemons_are_told_apart_by_their_configurations_and_the_second_of_one_serves_unasked";
    let Some(lab) = Lab::new(test) else { return };
    let doors = plain();
    let first = Daemon::start(&lab, &doors);
    let other = Launch { name: "other", ..Launch::new(&doors) }.start(&lab);
    let pid = |name| -> Value {
        let output = run(&lab, name, &["--json"]);
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["pid"].clone()
    };
    assert_eq!((pid("knockd"), pid("other")), (first.pid().into(), other.pid().into()));
    let second = Daemon::start(&lab, &doors);
    second.says("nobody can ask how this daemon is (knockd --status): another daemon with the same configuration file");
    assert_eq!(pid("knockd"), first.pid());
    send(&lab.client, CLIENT, SERVER, &HITS);
    second.says_times(2, ": plain: OPEN SESAME");
    drop(second);
    assert_eq!(pid("knockd"), first.pid(), "the second one has removed the socket of the first");
}

#[test]
fn a_daemon_in_the_background_answers_as_soon_as_its_caller_is_left() {
    let Some(lab) = Lab::new("a_daemon_in_the_background_answers_as_soon_as_its_caller_is_left") else {
        return;
    };
    let pidfile = lab.path("pid");
    let args = &["-i", "eth0", "-d", "-p", pidfile.to_str().expect("UTF-8")];
    let doors = plain();
    let started = Launch { args, ..Launch::new(&doors) }.command(&lab).status().expect("a process");
    assert!(started.success());
    let pid: u32 = lab.read("pid").trim().parse().expect("a number");
    assert_eq!(status(&lab)["pid"], pid);
    crate::procfs::Process::of(pid).signal(Signal::TERM);
    assert!(wait_until(PATIENCE, || !Path::new(&pidfile).exists()));
}

#[test]
fn without_a_place_for_its_socket_a_daemon_warns_and_serves() {
    let Some(lab) = Lab::new("without_a_place_for_its_socket_a_daemon_warns_and_serves") else { return };
    let doors = plain();
    let daemon =
        Launch { before: "mkdir /run/knockd && chmod 777 /run/knockd", ..Launch::new(&doors) }.start(&lab);
    daemon.says("nobody can ask how this daemon is (knockd --status): /run/knockd can be written by its group and others");
    send(&lab.client, CLIENT, SERVER, &HITS);
    assert_eq!(daemon.openings(&lab, "plain"), 1);
    nobody_answers(&lab, "there is no such socket");
}

#[test]
fn a_daemon_of_a_lab_leaves_the_sockets_of_this_machine_alone() {
    let Some(lab) = Lab::new("a_daemon_of_a_lab_leaves_the_sockets_of_this_machine_alone") else { return };
    // Where there is a directory already, it is a daemon's of this machine.
    let there =
        || Path::new("/run/knockd").metadata().ok().map(|directory| (directory.ino(), directory.mtime()));
    let before = there();
    let daemon = Daemon::start(&lab, &plain());
    daemon.settle(&lab);
    socket(&lab);
    assert_eq!(there(), before, "/run/knockd");
}

#[test]
fn a_user_who_is_not_root_learns_nothing() {
    let Some(lab) = Lab::new("a_user_who_is_not_root_learns_nothing") else { return };
    let _daemon = Daemon::start(&lab, &plain());
    let mut knockd = Command::new("setpriv");
    knockd.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(programs::knockd());
    knockd.arg("--status").arg("-c").arg(lab.path("knockd.conf"));
    let output = lab.server.run(&own_run::seen_by(&lab, &knockd));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(NOBODY), 0), "{complaint}");
    assert!(complaint.contains("only root may ask"), "{complaint}");
}

#[test]
fn a_pad_of_thousands_of_lines_is_counted_as_it_is_used() {
    let Some(lab) = Lab::new("a_pad_of_thousands_of_lines_is_counted_as_it_is_used") else { return };
    let pads = Pads::generate(&lab, "long", 5000, &[]);
    let daemon = Daemon::start(&lab, &door("ssh", &pad(&pads.server), "syn"));
    let left = || status(&lab)["pads"][0]["lines_left"].as_u64();
    assert_eq!(left(), Some(5000));
    pads.lose(3);
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    assert_eq!(left(), Some(4996));
    let away = lab.path("away");
    fs::rename(&pads.server, &away).expect("a rename");
    daemon.says("there is no such file");
    assert_eq!(left(), None);
    fs::rename(&away, &pads.server).expect("a rename");
    daemon.says("can be read again");
    assert_eq!(left(), Some(4996));
}
