//! The tracker against a slow and obvious matcher, over random traffic.

#![expect(clippy::unwrap_used, reason = "what fails a test panics")]

mod reference;

use std::time::Duration;

use knockd::flags::{FlagRule, TcpFlags};
use knockd::message::{DoorRule, Families, Plan, Report, Slot, SlotId, Traffic};
use knockd::moment::Moment;
use knockd::packet::{Hit, Segment};
use knockd::track::{Here, Limit, Tracker};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use reference::Reference;
use seqgen::sequence::{Protocol, Sequence, Step};

/// How long a sequence may take at each door.
const TIMEOUTS: [Duration; 4] =
    [Duration::from_secs(10), Duration::from_secs(10), Duration::from_secs(7), Duration::from_secs(15)];

/// How many random cases the normal run tries.
const CASES: u32 = 100_000;

/// One packet: who, which port, how it relates to those before, and the pause before it.
#[derive(Clone, Debug)]
struct Packet {
    source: u8,
    port: u16,
    udp: bool,
    /// Sends the packet that many before once more, if there is one.
    repeat: Option<usize>,
    pause: u64,
}

/// A sequence over few ports, so that random traffic gets somewhere with it.
fn sequence() -> impl Strategy<Value = Sequence> {
    let step = (1u16..=7, proptest::bool::weighted(0.2)).prop_map(|(port, udp)| Step {
        port: port.try_into().unwrap(),
        protocol: if udp { Protocol::Udp } else { Protocol::Tcp },
    });
    proptest::collection::vec(step, 1..=6).prop_map(|steps| Sequence::new(steps).unwrap())
}

/// A slot without a number.
fn slot() -> impl Strategy<Value = Slot> {
    let parts = (sequence(), any::<bool>(), 0u16..=3, 0u8..=3, 0..TIMEOUTS.len());
    parts.prop_map(|(sequence, once, strays, kind, door)| {
        let limit = match kind {
            0 => None,
            1 => Limit::auto(&sequence),
            _ => Limit::of(strays, &sequence),
        };
        Slot { id: SlotId(0), door, sequence, once, limit }
    })
}

fn slots() -> impl Strategy<Value = Vec<Slot>> {
    proptest::collection::vec(slot(), 1..=4).prop_map(|mut slots| {
        for (number, slot) in (0..).zip(&mut slots) {
            slot.id = SlotId(number);
        }
        slots
    })
}

/// What the executor does in between.
#[derive(Clone, Debug)]
enum Change {
    Arm(Slot),
    /// One of those that there have been so far.
    Disarm(usize),
}

impl Change {
    fn make(&self, slots: &mut Vec<Slot>, tracker: &mut Tracker, reference: &mut Reference) {
        match self {
            Change::Arm(slot) => {
                let slot = Slot { id: SlotId(slots.len() as u64), ..slot.clone() };
                slots.push(slot.clone());
                tracker.arm(slot.clone());
                reference.arm(slot);
            }
            Change::Disarm(which) => {
                let slot = slots[which % slots.len()].id;
                tracker.disarm(slot);
                reference.disarm(slot);
            }
        }
    }
}

/// Changes, and which packets they come after.
fn changes() -> impl Strategy<Value = Vec<(usize, Change)>> {
    // What came before it was armed is not kept for a slot that looks back, unless there was another one that does.
    let forwards = |limit: Limit| Limit { from_before: false, ..limit };
    let arm = slot().prop_map(move |slot| Change::Arm(Slot { limit: slot.limit.map(forwards), ..slot }));
    let change = prop_oneof![arm, (0usize..8).prop_map(Change::Disarm)];
    proptest::collection::vec((0usize..24, change), 0..=2)
}

/// Mostly the next right port of some slot, so that sequences are completed often, and noise in between.
fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let packet = (
        0u8..2,
        1u16..=9,
        proptest::bool::weighted(0.2),
        proptest::option::weighted(0.15, 0usize..4),
        0u64..=3,
    )
        .prop_map(|(source, port, udp, repeat, pause)| Packet {
            source,
            port,
            udp,
            repeat,
            pause: pause.saturating_sub(1),
        });
    proptest::collection::vec(packet, 1..=24)
}

fn hit(packet: &Packet, index: usize) -> Hit {
    let segment = if packet.udp {
        Segment::Udp
    } else {
        Segment::Tcp { flags: TcpFlags::SYN, number: u32::try_from(index).unwrap() }
    };
    Hit {
        source: [192, 0, 2, 2 + packet.source].into(),
        destination: [192, 0, 2, 1].into(),
        source_port: 30_000 + u16::try_from(index).unwrap(),
        port: packet.port.try_into().unwrap(),
        segment,
        by_loopback: false,
    }
}

/// Reports in an order of their own, for what falls due at once is reported in no particular one.
fn sorted(mut reports: Vec<Report>) -> Vec<String> {
    let mut words: Vec<String> = reports.drain(..).map(|report| format!("{report:?}")).collect();
    words.sort();
    words
}

/// What came of a case.
#[derive(Clone, Copy, Default)]
struct Outcome {
    opened: bool,
    /// A line was shown unopened, and whether that was among very many strays.
    exposed: Option<bool>,
}

impl Outcome {
    fn note(&mut self, reports: &[Report]) {
        for report in reports {
            match report {
                Report::Completed { .. } => self.opened = true,
                Report::Exposed { crowded, .. } => self.exposed = self.exposed.max(Some(*crowded)),
                _ => {}
            }
        }
    }
}

/// Very many strays to one port, all at once.
#[derive(Clone, Copy, Debug)]
struct Burst {
    /// Which packet they come after.
    after: usize,
    source: u8,
    packets: u32,
}

impl Burst {
    /// Makes its source knock with a line most of the time, since few random cases get far with one.
    fn aim(self, slots: &mut [Slot], packets: &mut [Packet], guide: &mut Vec<usize>) {
        let line = Sequence::parse("1,2,3,4,5").unwrap();
        slots[0] = Slot { id: SlotId(0), door: 3, limit: Limit::of(0, &line), sequence: line, once: true };
        for packet in &mut *packets {
            packet.source = self.source;
        }
        guide.resize(packets.len(), 0);
        guide.iter_mut().filter(|slot| **slot < 3).for_each(|slot| *slot = 0);
    }

    fn send(
        self,
        now: Moment,
        tracker: &mut Tracker,
        reference: &mut Reference,
    ) -> Result<(), TestCaseError> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let stray = Packet { source: self.source, port: 9, udp: false, repeat: None, pause: 0 };
        let mut hit = hit(&stray, 1000);
        for number in 0..self.packets {
            hit.segment = Segment::Tcp { flags: TcpFlags::SYN, number };
            tracker.hit(&hit, now, &mut ours);
        }
        reference.hit(&hit, now, &mut theirs);
        reference.more_strays(hit.source, self.packets as usize - 1);
        prop_assert_eq!(sorted(ours), sorted(theirs), "in a burst");
        Ok(())
    }
}

/// In few cases, since they take as long as a thousand others.
fn burst() -> impl Strategy<Value = Option<Burst>> {
    let burst = (0usize..20, 0u8..2, 9_980u32..=10_005);
    let burst = burst.prop_map(|(after, source, packets)| Burst { after, source, packets });
    proptest::option::weighted(0.01, burst)
}

fn agree(
    slots: &[Slot],
    packets: &[Packet],
    guide: &[usize],
    changes: &[(usize, Change)],
    burst: Option<Burst>,
) -> Result<Outcome, TestCaseError> {
    let (slots, packets, guide) = (&mut slots.to_vec(), &mut packets.to_vec(), &mut guide.to_vec());
    if let Some(burst) = burst {
        burst.aim(slots, packets, guide);
    }
    let door = |seq_timeout| DoorRule { flags: FlagRule::SYN, target: None, allow: None, seq_timeout };
    let doors = TIMEOUTS.map(door).to_vec();
    let traffic = Traffic { tcp: vec![FlagRule::SYN], udp: true };
    let plan = Plan { doors, slots: slots.clone(), traffic, max_sources: 1000, ..Plan::default() };
    let mut tracker = Tracker::new(Here::Anywhere, Families::Both);
    tracker.adopt(plan);
    let mut reference = Reference::new(slots.clone(), TIMEOUTS.to_vec());
    let mut sent: Vec<Hit> = Vec::new();
    let mut now = Moment::after_start(Duration::from_secs(100));
    let mut outcome = Outcome::default();
    for (index, packet) in packets.iter().enumerate() {
        now = now + Duration::from_secs(packet.pause);
        let before = packet.repeat.and_then(|back| sent.len().checked_sub(back + 1));
        let mut this = before.map_or_else(|| hit(packet, index), |at| sent[at]);
        if before.is_none()
            && let Some(&slot) = guide.get(index)
        {
            // Follow a sequence, step by step.
            let steps = slots[slot % slots.len()].sequence.steps();
            let step = steps[index % steps.len()];
            this.port = step.port;
            this.segment = match step.protocol {
                Protocol::Tcp => Segment::Tcp { flags: TcpFlags::SYN, number: u32::try_from(index).unwrap() },
                Protocol::Udp => Segment::Udp,
            };
        }
        sent.push(this);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        tracker.hit(&this, now, &mut ours);
        reference.hit(&this, now, &mut theirs);
        outcome.note(&ours);
        prop_assert_eq!(sorted(ours), sorted(theirs), "at packet {}", index);
        if let Some(burst) = burst.filter(|burst| burst.after == index) {
            burst.send(now, &mut tracker, &mut reference)?;
        }
        for (_, change) in changes.iter().filter(|(after, _)| *after == index) {
            change.make(slots, &mut tracker, &mut reference);
            // Whether a packet is a stray depends on what is armed when it comes.
            now = now + Duration::from_secs(1);
        }
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let end = now + Duration::from_secs(15);
    tracker.expire(end, &mut ours);
    reference.expire(end, &mut theirs);
    outcome.note(&ours);
    prop_assert_eq!(sorted(ours), sorted(theirs), "at the end");
    prop_assert_eq!(tracker.attempts(), 0);
    Ok(outcome)
}

#[test]
fn the_tracker_does_what_the_rules_say() {
    // The same cases in every run; KNOCK_MODEL_SEED=N tries others.
    let seed = std::env::var("KNOCK_MODEL_SEED").ok().and_then(|seed| seed.parse::<u8>().ok()).unwrap_or(1);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner =
        TestRunner::new_with_rng(ProptestConfig { cases: CASES, ..ProptestConfig::default() }, rng);
    let openings = std::cell::Cell::new(0u32);
    let guide = proptest::collection::vec(0usize..4, 0..=24);
    let [certain, crowded] = [const { std::cell::Cell::new(0u32) }; 2];
    let cases = (slots(), packets(), guide, changes(), burst());
    let result = runner.run(&cases, |(slots, packets, guide, changes, burst)| {
        let outcome = agree(&slots, &packets, &guide, &changes, burst)?;
        openings.set(openings.get() + u32::from(outcome.opened));
        certain.set(certain.get() + u32::from(outcome.exposed == Some(false)));
        crowded.set(crowded.get() + u32::from(outcome.exposed == Some(true)));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}\n");
    }
    let (certain, crowded) = (certain.get(), crowded.get());
    println!("{} cases opened, {certain} showed a line, {crowded} among many strays", openings.get());
    assert!(certain > CASES / 200, "only {certain} of {CASES} cases showed a line");
    assert!(crowded > CASES / 10_000, "only {crowded} of {CASES} cases showed a line among many strays");
    assert!(openings.get() > CASES / 10, "only {} of {CASES} cases opened anything", openings.get());
}
