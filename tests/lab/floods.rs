//! First hits from forged addresses by the ten thousand: whoever really knocks gets in at once all the while.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use crate::both::Both;
use crate::daemon::Daemon;
use crate::doors::{door_with, pad, sequence};
use crate::firewall;
use crate::frames::{SYN, Shot, Transport};
use crate::net::{Lab, SERVER_6};
use crate::pads::Pads;
use crate::tail::Tail;
use crate::timing::{AT_ONCE, opening};
use crate::wire::Wire;

/// How many addresses one flood forges, and how many packets it sends in a second if the machine lets it.
const SOURCES: u32 = 160_000;
const RATE: u32 = 20_000;
/// A slower flood than this says nothing.
const LEAST_RATE: u32 = RATE / 4;
/// How many people knock in the course of a flood.
const KNOCKS: u32 = 10;
/// How many floods there may be until one meets a machine that is not held up by something else.
const FLOODS: u32 = 4;
/// How much more memory a flood may take after another one, in KiB.
const SLACK: u64 = 4096;

struct Flood {
    /// Where the first hits go.
    ports: Vec<u16>,
    sources: Range<u32>,
}

impl Flood {
    /// Sends it, and says so at each step of the way; how many packets went out in a second.
    fn send(self, lab: &Lab, steps: &SyncSender<u32>) -> u32 {
        let packets: Vec<_> = self.sources.clone().map(|number| self.first_hit(number)).collect();
        let start = Instant::now();
        Wire::with(lab, |wire| {
            let mut pace = Pace::new();
            for (number, packet) in (1..).zip(&packets) {
                pace.next();
                wire.send(&[], packet);
                if number % (SOURCES / (KNOCKS + 1)) == 0 {
                    // The last step has nobody to hear it.
                    let _ = steps.try_send(number);
                }
            }
        });
        let rate = u128::from(SOURCES) * 1000 / start.elapsed().as_millis();
        u32::try_from(rate).expect("a rate")
    }

    fn first_hit(&self, number: u32) -> Vec<u8> {
        let source = 0x2001_0db8_00ff_0000_0000_0000_0000_0000 + u128::from(number);
        Shot {
            source: IpAddr::V6(Ipv6Addr::from(source)),
            target: SERVER_6.parse().expect("an address"),
            source_port: 40_000,
            port: self.ports[number as usize % self.ports.len()],
            transport: Transport::Tcp { flags: SYN, number },
        }
        .packet()
    }
}

/// Lets packets through at [`RATE`].  One that is late delays those that follow: to make up for it would be a burst that
/// no flood at this rate has.
struct Pace {
    next: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { next: Instant::now() }
    }

    fn next(&mut self) {
        const GRAIN: Duration = Duration::from_millis(2);
        self.next += Duration::from_secs(1) / RATE;
        let now = Instant::now();
        if self.next > now + GRAIN {
            thread::sleep(self.next - now);
        }
        self.next = self.next.max(now.checked_sub(GRAIN).unwrap_or(now));
    }
}

/// What the two doors of the test below open to, and what tells that one of them has opened.
struct Doors {
    daemon: Daemon,
    opened: Tail,
    lines: Vec<Vec<u16>>,
}

const STATIC: [u16; 3] = [7000, 8000, 9000];

impl Doors {
    fn start(lab: &Lab) -> Self {
        let pads = Pads::generate(lab, "once", 64, &[]);
        let command = format!("echo opened >>{}", lab.path("opened").display());
        let doors = door_with("static", &sequence("7000,8000,9000"), "syn", &command)
            + &door_with("once", &pad(&pads.server), "syn", &command);
        let daemon = Daemon::start(lab, &doors);
        Self {
            daemon,
            opened: Tail::new(&lab.path("opened")),
            lines: (0..64).map(|line| pads.tcp_ports(line)).collect(),
        }
    }

    /// Floods both doors while people knock at either in turn; how fast the flood was, and how long each had to wait.
    fn flood(&mut self, lab: &Lab, round: u32) -> (u32, Vec<Duration>) {
        let used = (KNOCKS / 2 * round) as usize;
        let lines = &self.lines[used..];
        // Half goes to the static door, half to the lines of the pad that are armed in the course of it.
        let ports = lines[..10].iter().flat_map(|line| [STATIC[0], line[0]]).collect();
        let flood = Flood { ports, sources: round * SOURCES..(round + 1) * SOURCES };
        let (steps, step) = mpsc::sync_channel(KNOCKS as usize);
        let opened = &mut self.opened;
        thread::scope(|scope| {
            let flood = scope.spawn(|| flood.send(lab, &steps));
            let knocks = lines.iter().flat_map(|line| [&STATIC[..], line]).take(KNOCKS as usize);
            let delays = knocks.map(|ports| {
                step.recv().expect("a step of the flood");
                opening(lab, opened, "opened", ports)
            });
            let delays = delays.collect();
            (flood.join().expect("the flood"), delays)
        })
    }
}

/// Every knock of every flood must open.  That all of them do so at once is asked of one flood: on a machine that does
/// other things at the same time, any knock may have to wait for its turn.
#[test]
fn during_a_flood_of_forged_first_hits_every_knock_opens_at_once() {
    let Some(lab) = Lab::new("during_a_flood_of_forged_first_hits_every_knock_opens_at_once") else { return };
    firewall::nft(&lab.server);
    let mut doors = Doors::start(&lab);
    doors.daemon.settle(&lab);
    let mut memories = vec![Both::of(&doors.daemon).memory()];
    let mut figures = String::new();
    let mut at_once = false;
    for round in 0..FLOODS {
        let (rate, delays) = doors.flood(&lab, round);
        doors.daemon.settle(&lab);
        memories.push(Both::of(&doors.daemon).memory());
        let openings = lab.read("opened").lines().count();
        assert_eq!(openings, (KNOCKS * (round + 1)) as usize, "somebody opened who did not knock");
        writeln!(figures, "{rate} forged packets in a second; openings took {delays:.1?}").expect("a line");
        at_once |= rate >= LEAST_RATE && delays.iter().all(|delay| *delay < AT_ONCE);
        if round > 0 && at_once {
            break;
        }
    }
    println!("{figures}memory before and after each flood: {memories:?} KiB");
    assert!(at_once, "not all doors opened within {AT_ONCE:?}:\n{figures}");
    assert!(memories[2] < memories[1] + SLACK, "memory grows with each flood: {memories:?} KiB");
}
