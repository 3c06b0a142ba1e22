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

const TIMEOUT: Duration = Duration::from_secs(10);

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

fn slots() -> impl Strategy<Value = Vec<Slot>> {
    let slot = (sequence(), any::<bool>(), 0u16..=3, 0u8..=3);
    proptest::collection::vec(slot, 1..=4).prop_map(|slots| {
        let slot = |(id, (sequence, once, strays, kind)): (usize, (Sequence, bool, u16, u8))| {
            let limit = match kind {
                0 => None,
                1 => Limit::auto(&sequence),
                _ => Limit::of(strays, &sequence),
            };
            Slot { id: SlotId(id as u64), door: 0, sequence, once, limit }
        };
        slots.into_iter().enumerate().map(slot).collect()
    })
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

fn agree(slots: &[Slot], packets: &[Packet], guide: &[usize]) -> Result<bool, TestCaseError> {
    let door = DoorRule { flags: FlagRule::SYN, target: None, allow: None, seq_timeout: TIMEOUT };
    let traffic = Traffic { tcp: vec![FlagRule::SYN], udp: true };
    let plan = Plan { doors: vec![door], slots: slots.to_vec(), traffic, max_sources: 1000 };
    let mut tracker = Tracker::new(Here::Anywhere, Families::Both);
    tracker.adopt(plan);
    let mut reference = Reference::new(slots.to_vec(), TIMEOUT);
    let mut sent: Vec<Hit> = Vec::new();
    let mut now = Moment::after_start(Duration::from_secs(100));
    let mut opened = false;
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
        opened |= ours.iter().any(|report| matches!(report, Report::Completed { .. }));
        prop_assert_eq!(sorted(ours), sorted(theirs), "at packet {}", index);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    tracker.expire(now + TIMEOUT, &mut ours);
    reference.expire(now + TIMEOUT, &mut theirs);
    prop_assert_eq!(sorted(ours), sorted(theirs), "at the end");
    prop_assert_eq!(tracker.attempts(), 0);
    Ok(opened)
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
    let result = runner.run(&(slots(), packets(), guide), |(slots, packets, guide)| {
        let opened = agree(&slots, &packets, &guide)?;
        openings.set(openings.get() + u32::from(opened));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}\n");
    }
    assert!(openings.get() > CASES / 10, "only {} of {CASES} cases opened anything", openings.get());
}
