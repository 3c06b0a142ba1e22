//! What one hit costs the tracker.

use std::net::Ipv4Addr;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use knockd::flags::{FlagRule, TcpFlags};
use knockd::message::{DoorRule, Families, Plan, Report, Slot, SlotId, Traffic};
use knockd::moment::Moment;
use knockd::packet::{Hit, Segment};
use knockd::track::{Here, Limit, Tracker};
use seqgen::sequence::{Protocol, Sequence, Step};

/// A tracker, and where its traffic has got to.
struct Core {
    tracker: Tracker,
    reports: Vec<Report>,
    now: Moment,
    number: u32,
}

/// The hits that the line of this number asks for; no two lines share one.
fn ports(line: u32) -> [u16; 3] {
    [10_000, 30_000, 20_000].map(|base| u16::try_from(base + line).expect("a port"))
}

impl Core {
    /// With so many doors, and so many lines armed for each.
    fn new(doors: u32, window: u32) -> Core {
        let door = DoorRule {
            flags: FlagRule::SYN,
            target: None,
            allow: None,
            seq_timeout: Duration::from_secs(25),
        };
        let slot = |number: u32| {
            let step = |port: u16| Step { port: port.try_into().expect("a port"), protocol: Protocol::Tcp };
            let sequence = Sequence::new(ports(number).map(step).to_vec()).expect("a sequence");
            let limit = Limit::auto(&sequence);
            let door = (number / window) as usize;
            Slot { id: SlotId(number.into()), door, sequence, once: false, limit }
        };
        let mut tracker = Tracker::new(Here::Anywhere, Families::Both);
        tracker.adopt(Plan {
            doors: vec![door; doors as usize],
            slots: (0..doors * window).map(slot).collect(),
            traffic: Traffic { tcp: vec![FlagRule::SYN], udp: false },
            max_sources: 65_536,
            ..Plan::default()
        });
        Core { tracker, reports: Vec::new(), now: Moment::START, number: 0 }
    }

    /// Lets so many sources make their first hit.
    fn known(mut self, sources: u32) -> Core {
        (0..sources).for_each(|source| self.hit(source, ports(0)[0]));
        self
    }

    fn hit(&mut self, source: u32, port: u16) {
        self.number = self.number.wrapping_add(1);
        self.now = self.now + Duration::from_micros(20);
        let hit = Hit {
            source: Ipv4Addr::from(0xc612_0000 + source).into(),
            destination: Ipv4Addr::new(192, 0, 2, 1).into(),
            source_port: 1024,
            port: port.try_into().expect("a port"),
            segment: Segment::Tcp { flags: TcpFlags::SYN, number: self.number },
            by_loopback: false,
        };
        self.tracker.hit(divan::black_box(&hit), self.now, &mut self.reports);
        self.reports.clear();
    }

    /// The next hit of knocks of these sources, one after the other, with all lines in turn.
    fn knock(&mut self, sources: u32, lines: u32) {
        let knock = self.number / 3;
        self.hit(knock % sources, ports(knock % lines)[self.number as usize % 3]);
    }
}

fn measure(bencher: Bencher, mut core: Core, mut deed: impl FnMut(&mut Core)) {
    // So that the tables have their size.
    (0..10_000).for_each(|_| deed(&mut core));
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| deed(&mut core));
}

#[divan::bench(args = [1, 100, 10_000])]
fn a_hit_of_a_knock_by_doors(bencher: Bencher, doors: u32) {
    measure(bencher, Core::new(doors, 1), |core| core.knock(1000, doors));
}

#[divan::bench(args = [1, 10_000, 65_536])]
fn a_hit_of_a_knock_by_sources(bencher: Bencher, sources: u32) {
    measure(bencher, Core::new(1, 1).known(sources), |core| core.knock(sources, 1));
}

#[divan::bench(args = [1, 50])]
fn a_hit_of_a_knock_by_window(bencher: Bencher, window: u32) {
    measure(bencher, Core::new(1, window), |core| core.knock(1000, window));
}

#[divan::bench(args = [1, 10_000, 65_536])]
fn a_stray_by_sources(bencher: Bencher, sources: u32) {
    measure(bencher, Core::new(1, 1), |core| core.hit(core.number % sources, 443));
}

#[divan::bench(args = [1, 50])]
fn a_first_hit_with_a_full_table_by_window(bencher: Bencher, window: u32) {
    measure(bencher, Core::new(1, window).known(65_536), |core| core.hit(core.number % 131_072, ports(0)[0]));
}
