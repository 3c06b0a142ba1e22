//! What a door costs whose sequences follow from keys, beside one with a pad.

use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use seqgen::counter::LockedCounter;
use seqgen::derive::Mode;

use crate::daemon::{Daemon, Launch};
use crate::doors::{door_with, pad};
use crate::hits::Hit;
use crate::keyrings::Keyring;
use crate::latency::{LIMIT, Openings, Pauses};
use crate::machine;
use crate::meter::Meter;
use crate::net::{CLIENT, Lab, SERVER};
use crate::numbers::Sorted;
use crate::pads::Pads;
use crate::programs;
use crate::sender::Sender;
use crate::tail::Tail;

/// How often each way has a turn.
const ROUNDS: usize = 3;
/// How many knocks there are in a turn.
const KNOCKS: usize = 100;
/// How many runs of the client there are in a turn.
const RUNS: usize = 30;
/// How many people there are where there are many.
const MANY: usize = 1000;
/// How long a daemon may need until it is at rest.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the door has, and how many of them.
#[derive(Clone, Copy)]
enum Way {
    Pads(usize),
    Keys(usize),
}

const WAYS: [Way; 4] = [Way::Pads(1), Way::Keys(1), Way::Pads(MANY), Way::Keys(MANY)];

impl Way {
    fn name(self) -> String {
        match self {
            Way::Pads(1) => "a pad".to_owned(),
            Way::Keys(1) => "a key".to_owned(),
            Way::Pads(count) => format!("one of {count} pads"),
            Way::Keys(count) => format!("one of {count} keys"),
        }
    }
}

/// What was measured of a way.
#[derive(Default)]
struct Figures {
    openings: Openings,
    /// The daemon's processor time for each opening, in milliseconds.
    cpu: Vec<f64>,
    /// In MiB.
    memory: Vec<f64>,
    client: Vec<Duration>,
}

/// Everybody's turns, as Markdown.
pub(crate) fn markdown() -> String {
    let lab = Lab::new("the live benchmark").expect("this needs root");
    let load = machine::load();
    let mut all = WAYS.map(|_| Figures::default());
    for round in 0..ROUNDS {
        for (way, figures) in WAYS.into_iter().zip(&mut all) {
            eprintln!("round {}: {}", round + 1, way.name());
            turn(&lab, &format!("{round}-{}", way.name().replace(' ', "-")), way, figures);
        }
    }
    let mut text = format!(
        "{}; load average {load} before it began.\n\n| | opening, ms: median | 99 of 100 | opened | CPU for each, ms | \
         memory, MiB | `knock`, ms |\n|---|---|---|---|---|---|---|\n",
        machine::description()
    );
    for (way, Figures { openings, cpu, memory, client }) in WAYS.into_iter().zip(all) {
        let shown = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        let delays = Sorted::milliseconds(&openings.delays);
        let opened = openings.delays.len();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {opened} of {} | {} | {} | {} |",
            way.name(),
            shown(delays.median()),
            shown(delays.at(99)),
            opened + openings.lost,
            shown(Sorted::new(cpu).median()),
            shown(Sorted::new(memory).median()),
            shown(Sorted::milliseconds(&client).median()),
        );
    }
    text
}

/// Knocks that a person has to make, and with what.
struct Person {
    knocks: Vec<Vec<u16>>,
    /// What the client is told.
    arguments: [String; 2],
}

/// A daemon of its own for each turn.
fn turn(lab: &Lab, name: &str, way: Way, figures: &mut Figures) {
    let directory = lab.path(name);
    DirBuilder::new().mode(0o700).create(&directory).expect("a directory");
    let (trigger, person) = match way {
        Way::Pads(count) => pads(lab, name, &directory, count),
        Way::Keys(count) => keys(&directory, count),
    };
    let file = lab.path(&format!("{name}.opened"));
    let mut opened = Tail::new(&file);
    let doors = door_with("measured", &trigger, "syn", &format!("echo opened >>{}", file.display()));
    let options = format!("    counter_dir = {}\n", directory.display());
    // New files that are not on the disk yet would go there with the first strikes.
    rustix::fs::sync();
    let launch = Launch { name, options: &options, args: &["-i", "eth0"], ..Launch::new(&doors) };
    let daemon = launch.start(lab);
    knock(lab, &daemon, &person, &mut opened, figures);
    drop(daemon);
    for _ in 0..RUNS {
        let mut client = Command::new(programs::knock());
        client.env("XDG_STATE_HOME", lab.path("client")).args(&person.arguments).args(["-d", "0", SERVER]);
        let start = Instant::now();
        lab.client.succeeds(&client);
        figures.client.push(start.elapsed());
    }
}

/// Knocks so often.
fn knock(lab: &Lab, daemon: &Daemon, person: &Person, opened: &mut Tail, figures: &mut Figures) {
    let mut processes = vec![daemon.process()];
    processes.extend(daemon.process().captures());
    let meter = Meter::on(processes);
    assert!(meter.rests_within(PATIENCE), "the daemon does not come to rest");
    let before = meter.cpu();
    let source = CLIENT.parse().expect("an address");
    let mut pauses = Pauses::new();
    Sender::with(lab, |sender| {
        for ports in &person.knocks {
            pauses.pass();
            let start = sender.knock(source, ports);
            match opened.awaits_within(LIMIT, "opened\n", 1) {
                Some(seen) => figures.openings.delays.push(seen.duration_since(start)),
                None => figures.openings.lost += 1,
            }
        }
    });
    assert!(meter.rests_within(PATIENCE), "the daemon does not come to rest");
    let taken = meter.cpu().saturating_sub(before);
    figures.cpu.push(taken.as_secs_f64() * 1e3 / person.knocks.len() as f64);
    figures.memory.push(meter.memory() as f64 / 1024.0);
}

/// A directory with so many pads, of which the first one is used.
fn pads(lab: &Lab, name: &str, directory: &Path, count: usize) -> (String, Person) {
    let used = Pads::generate(lab, name, KNOCKS + RUNS, &[]).served_at(directory.join("person0.pad"));
    for number in 1..count {
        let other = Pads::generate(lab, &format!("{name}-{number}"), KNOCKS, &[]);
        other.served_at(directory.join(format!("person{number}.pad")));
    }
    let knocks = (0..KNOCKS).map(|line| used.tcp_ports(line)).collect();
    let client = used.client.display().to_string();
    (
        pad(if count == 1 { &used.server } else { directory }),
        Person { knocks, arguments: ["-f".to_owned(), client] },
    )
}

/// The same with keys, all of whose counters are at 0.
fn keys(directory: &Path, count: usize) -> (String, Person) {
    let path = |number: usize| -> PathBuf { directory.join(format!("person{number}.key")) };
    let rings: Vec<_> = (0..count).map(|number| Keyring::at(path(number))).collect();
    for ring in &rings {
        LockedCounter::create(&directory.join(ring.counter_name()), 0).expect("a counter");
    }
    let port = |hit: Hit| match hit {
        Hit::Tcp(port) => port,
        Hit::Udp(_) => panic!("all are over TCP where nobody says otherwise"),
    };
    let used = &rings[0];
    let knock = |counter| used.hits(Mode::Counter, counter, Some(CLIENT)).into_iter().map(port).collect();
    let trigger = if count == 1 { used.trigger() } else { format!("one_time_key = {}", directory.display()) };
    let arguments = ["-k".to_owned(), used.path.display().to_string()];
    (trigger, Person { knocks: (0..KNOCKS as u64).map(knock).collect(), arguments })
}
