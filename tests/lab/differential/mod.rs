//! The same random doors and knocks for our daemon and for knockd 0.8: the same openings, but for the rules by
//! which we differ on purpose.
//!
//! Both daemons listen in one host on one interface, so they see the very same packets.  `KNOCK_LAB_SEED=NUMBER`
//! chooses other scenarios.

mod door;
mod model;
mod packet;
mod random;
mod scenario;
mod verdict;

use std::env;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::door::Door;
use self::model::{Openings, Rules, openings};
use self::packet::{Packet, source_number};
use self::random::Random;
use self::scenario::{KINDS, Maker, Scenario};
use self::verdict::Table;
use crate::daemon::{Daemon, Launch};
use crate::net::{Lab, read_if_there};
use crate::wait::{PATIENCE, wait_until};
use crate::wire::Wire;

const DEFAULT_SEED: u64 = 1;
const BATCHES: usize = 4;
const SCENARIOS: usize = 55;

/// When packets leave, in milliseconds after [`PHASE`] of a second of the clock: each 200 or more away from what
/// decides about `seq_timeout`, be it counted exactly or in whole seconds.
const MOMENTS: [u64; 5] = [0, 800, 1350, 1800, 2400];
const LATER: [usize; 4] = [1, 2, 3, 4];
const PHASE: u64 = 400;

/// How much later than it was sent a packet may reach a daemon without making a difference.
const SLACK: Duration = Duration::from_millis(120);
/// How often a batch is tried on a machine that is too busy to send in time.
const TRIES: usize = 5;

/// Everything that happens at once: many scenarios' doors in one configuration, their packets mingled.
struct Batch {
    scenarios: Vec<Scenario>,
    doors: Vec<Door>,
    packets: Vec<(usize, Packet)>,
}

impl Batch {
    /// `with_elder`: a source that knocks once first and never again, so that the oldest attempt lasts.
    fn random(random: &mut Random, with_elder: bool) -> Self {
        let mut maker = Maker::new(random);
        let elder = with_elder.then(|| maker.lasting());
        let scenarios: Vec<_> = (0..SCENARIOS).map(|n| maker.make(KINDS[n % KINDS.len()])).collect();
        let mut doors: Vec<Door> = scenarios.iter().flat_map(|scenario| scenario.doors.clone()).collect();
        let mut packets = Vec::new();
        if let Some((door, packet)) = elder {
            doors.push(door);
            packets.push((0, packet));
        }
        let mut queues: Vec<_> =
            scenarios.iter().map(|scenario| scenario.packets.iter().copied().peekable()).collect();
        for moment in 0..MOMENTS.len() {
            loop {
                let ready: Vec<_> = (0..queues.len())
                    .filter(|queue| queues[*queue].peek().is_some_and(|(when, _)| *when == moment))
                    .collect();
                if ready.is_empty() {
                    break;
                }
                packets.extend(queues[random.pick(&ready)].next());
            }
        }
        Self { scenarios, doors, packets }
    }

    /// The numbers of a scenario's doors.
    fn doors_of(&self, scenario: usize) -> std::ops::Range<usize> {
        let before: usize = self.scenarios[..scenario].iter().map(|scenario| scenario.doors.len()).sum();
        before..before + self.scenarios[scenario].doors.len()
    }

    fn sections(&self, notes: &Path) -> String {
        let section = |(number, door): (usize, &Door)| {
            let name = format!("door{number}");
            door.section(&name, &format!("echo %IP%: {name}: >>{}", notes.display()))
        };
        self.doors.iter().enumerate().map(section).collect()
    }
}

/// What was seen of one batch.
struct Outcome {
    /// When each packet left, by the clock.
    sent: Vec<(Duration, Packet)>,
    classic: Openings,
    ours: Openings,
}

impl Outcome {
    /// Whether it would have made no difference if packets had been seen somewhat later.
    fn is_certain(&self, batch: &Batch) -> bool {
        let predict = |rules, is_late: &dyn Fn(usize) -> bool| {
            let late = |((at, packet), (moment, _)): (&(Duration, Packet), &(usize, Packet))| {
                (*at + if is_late(*moment) { SLACK } else { Duration::ZERO }, *packet)
            };
            let packets: Vec<_> = self.sent.iter().zip(&batch.packets).map(late).collect();
            openings(rules, &batch.doors, &packets)
        };
        [Rules::NONE, Rules::ALL].into_iter().all(|rules| {
            let in_time = predict(rules, &|_| false);
            in_time == predict(rules, &|_| true)
                && (1..MOMENTS.len()).all(|from| in_time == predict(rules, &|moment| moment >= from))
        })
    }
}

fn run(batch: &Batch) -> Option<Outcome> {
    let (lab, peer) = Lab::with_peer("differential")?;
    let start = |program: &Path, name: &'static str, options: &'static str| {
        let doors = batch.sections(&lab.path(&format!("{name}.notes")));
        Launch { program: program.to_owned(), name, options, ..Launch::new(&doors) }.start(&lab)
    };
    let classic = start(&peer.knockd, "classic", "");
    // One host knocks at hundreds of doors here, which is what a scanner does.
    let ours = start(&crate::programs::knockd(), "ours", "    scan_guard = off\n");
    let sent = send(&lab, &batch.packets);
    Some(Outcome { sent, classic: seen(&lab, &classic, "classic"), ours: seen(&lab, &ours, "ours") })
}

/// Sends the packets at their moments, and tells when each left.
fn send(lab: &Lab, packets: &[(usize, Packet)]) -> Vec<(Duration, Packet)> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    let phase = Duration::from_millis(PHASE);
    Wire::with(lab, |wire| {
        let start = Duration::from_secs(now().as_secs() + 1) + phase;
        let leave = |(moment, packet): &(usize, Packet)| {
            // The one thing that can only be had by waiting: a time of the clock.
            thread::sleep((start + Duration::from_millis(MOMENTS[*moment])).saturating_sub(now()));
            let at = now();
            wire.send(&[], &packet.shot().packet());
            (at, *packet)
        };
        packets.iter().map(leave).collect()
    })
}

/// Which doors opened for whom: what the log says, which must be what the commands say.
fn seen(lab: &Lab, daemon: &Daemon, name: &str) -> Openings {
    daemon.settle(lab);
    let notes = lab.path(&format!("{name}.notes"));
    let of = |text: &str, mark: &str| {
        let mut openings = Openings::new();
        let opening = |line: &str| -> Option<(usize, u8)> {
            let (source, door) = line.strip_suffix(mark)?.split_once(": door")?;
            let address = source.rsplit(' ').next()?.parse().ok()?;
            Some((door.parse().ok()?, source_number(address)?))
        };
        for numbers in text.lines().filter_map(opening) {
            *openings.entry(numbers).or_default() += 1;
        }
        openings
    };
    let logged = of(&daemon.log(), ": OPEN SESAME");
    let ran = || of(&read_if_there(&notes), ":");
    assert!(wait_until(PATIENCE, || ran() == logged), "{name} ran {:?}\nand logged {logged:?}", ran());
    logged
}

#[test]
fn our_daemon_opens_as_the_classic_one_does_but_for_the_rules_that_are_listed() {
    let seed = env::var("KNOCK_LAB_SEED")
        .map_or(DEFAULT_SEED, |seed| seed.parse().expect("KNOCK_LAB_SEED is a number"));
    let mut random = Random::new(seed);
    let mut table = Table::default();
    for number in 0..BATCHES {
        let with_elder = number % 2 == 0;
        let batch = Batch::random(&mut random, with_elder);
        let mut certain = None;
        for _ in 0..TRIES {
            let Some(outcome) = run(&batch) else { return };
            if outcome.is_certain(&batch) {
                certain = Some(outcome);
                break;
            }
        }
        let outcome = certain.expect("the machine is too busy to send packets in time");
        table.judge(&format!("KNOCK_LAB_SEED={seed}, batch {number}"), &batch, &outcome);
    }
    println!("{table}");
    table.says_something();
    if seed == DEFAULT_SEED {
        table.shows_every_rule();
    }
    for rule in model::Rule::ALL {
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md"))
            .expect("docs/compatibility.md");
        assert!(page.contains(&format!("`{}`", rule.name())), "{} is not in the page", rule.name());
    }
}
