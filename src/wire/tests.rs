use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use proptest::prelude::*;
use seqgen::derive::{CounterKey, Form};
use seqgen::generate::{Pool, PortRange, Protocols, Shape};
use seqgen::sequence::{Protocol, Sequence, Step};

use super::*;
use crate::flags::{FlagRule, TcpFlags};
use crate::message::{BoundSlot, DoorRule, Generation, Order, Plan, Report, Sighting, Slot, SlotId, Traffic};
use crate::networks::Networks;
use crate::track::Limit;

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

fn flags() -> impl Strategy<Value = FlagRule> {
    (0u8..64, 0u8..64).prop_map(|(set, clear)| {
        FlagRule::new(TcpFlags::from_bits(set & !clear), TcpFlags::from_bits(clear)).unwrap()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let protocol = any::<bool>().prop_map(|udp| if udp { Protocol::Udp } else { Protocol::Tcp });
    (any::<NonZeroU16>(), protocol).prop_map(|(port, protocol)| Step { port, protocol })
}

fn slot() -> impl Strategy<Value = Slot> {
    let limit = (any::<u16>(), any::<bool>()).prop_map(|(strays, from_before)| Limit { strays, from_before });
    let sequence = prop::collection::vec(step(), 1..=32).prop_map(|steps| Sequence::new(steps).unwrap());
    (any::<u64>(), any::<u32>(), sequence, any::<bool>(), prop::option::of(limit)).prop_map(
        |(id, door, sequence, once, limit)| Slot {
            id: SlotId(id),
            door: usize::try_from(door).unwrap(),
            sequence,
            once,
            limit,
        },
    )
}

fn bound() -> impl Strategy<Value = BoundSlot> {
    let limit = (any::<u16>(), any::<bool>()).prop_map(|(strays, from_before)| Limit { strays, from_before });
    (any::<u64>(), any::<u32>(), any::<[u8; 32]>(), any::<u32>(), prop::option::of(limit)).prop_map(
        |(id, door, key, form, limit)| BoundSlot {
            id: SlotId(id),
            door: usize::try_from(door).unwrap(),
            key: CounterKey::from_bytes(&key),
            form: usize::try_from(form).unwrap(),
            limit,
        },
    )
}

fn form() -> impl Strategy<Value = Arc<Form>> {
    let protocols = prop::sample::select(vec![Protocols::Tcp, Protocols::Udp, Protocols::Mixed]);
    let range = (any::<NonZeroU16>(), any::<NonZeroU16>())
        .prop_map(|(one, other)| PortRange::new(one.min(other), one.max(other)).unwrap());
    let pool = prop::collection::vec(range, 1..4).prop_map(|ranges| Pool::new(&ranges, &[]));
    (3..=32_usize, protocols, pool)
        .prop_filter_map("no sequence looks like that", |(length, protocols, pool)| {
            Form::new(Shape { length, protocols, pool }).ok().map(Arc::new)
        })
}

fn traffic() -> impl Strategy<Value = Traffic> {
    (prop::collection::vec(flags(), 0..4), any::<bool>()).prop_map(|(tcp, udp)| Traffic { tcp, udp })
}

fn door() -> impl Strategy<Value = DoorRule> {
    let network = (address(), 0u8..=32).prop_map(|(address, prefix)| IpNet::new(address, prefix).unwrap());
    let allow = prop::collection::vec(network, 0..5).prop_map(|networks| Networks::of(&networks));
    (flags(), prop::option::of(address()), allow, any::<u32>()).prop_map(
        |(flags, target, allow, milliseconds)| DoorRule {
            flags,
            target,
            allow,
            seq_timeout: Duration::from_millis(milliseconds.into()),
        },
    )
}

fn plan() -> impl Strategy<Value = Plan> {
    let doors = prop::collection::vec(door(), 0..5);
    let slots = prop::collection::vec(slot(), 0..8);
    let forms = prop::collection::vec(form(), 0..3);
    let bound = prop::collection::vec(bound(), 0..4);
    (any::<u32>(), doors, slots, traffic(), any::<u32>(), forms, bound).prop_map(
        |(generation, doors, slots, traffic, max_sources, forms, bound)| Plan {
            generation: Generation(generation),
            doors,
            slots,
            forms,
            bound,
            traffic,
            max_sources: usize::try_from(max_sources).unwrap(),
        },
    )
}

/// What comes out at the other end.
fn passed_on(messages: impl Iterator<Item = OrderMessage>, reader: &mut Reader) -> Vec<Instruction> {
    let mut frames = Frames::<ORDER_SIZE>::default();
    let mut out = Vec::new();
    for message in messages {
        let bytes = encode::<_, ORDER_SIZE>(&message).expect("room for every order");
        // In two parts, as a socket may hand it over.
        frames.add(&bytes[..7]);
        assert!(frames.next_frame().is_none());
        frames.add(&bytes[7..]);
        let frame = frames.next_frame().unwrap();
        out.extend(reader.take(decode(frame).unwrap()).unwrap());
    }
    out
}

proptest! {
    #[test]
    fn a_plan_arrives_as_it_was_sent(plan in plan()) {
        let order = Order::Adopt(plan.clone());
        let arrived = passed_on(messages(order, plan.generation), &mut Reader::default());
        prop_assert_eq!(arrived, [Instruction::Adopt(plan)]);
    }

    #[test]
    fn what_changes_a_plan_arrives_as_it_was_sent(
        plan in plan(), slot in slot(), bound in bound(), id in any::<u64>(), traffic in traffic()
    ) {
        let generation = plan.generation;
        let mut reader = Reader::default();
        passed_on(messages(Order::Adopt(plan), generation), &mut reader);
        let orders = [
            Order::Arm(slot.clone()),
            Order::ArmBound(bound.clone()),
            Order::Disarm(SlotId(id)),
            Order::Watch(traffic.clone()),
        ];
        let sent = orders.into_iter().flat_map(|order| messages(order, generation));
        let expected = [
            Instruction::Arm(slot),
            Instruction::ArmBound(bound),
            Instruction::Disarm(SlotId(id)),
            Instruction::Watch(traffic),
        ];
        prop_assert_eq!(passed_on(sent, &mut reader), expected);
    }

    #[test]
    fn any_bytes_are_a_message_or_refused(bytes in prop::collection::vec(any::<u8>(), SIGHTING_SIZE)) {
        let _ = decode::<Sight>(&bytes);
        let _ = decode::<Setup>(&bytes);
        if let Ok(message) = decode::<OrderMessage>(&bytes[..ORDER_SIZE]) {
            let _ = Reader::default().take(message);
        }
    }
}

fn report(slot: u64, source: &str, kind: ProgressKind) -> Steps {
    Steps { slot, source: source.parse().unwrap(), kind }
}

#[test]
fn a_whole_knock_is_one_entry_and_comes_out_line_by_line() {
    let (slot, source) = (SlotId(u64::MAX), "2001:db8::2".parse().unwrap());
    let stages: Vec<Report> = (1..=32).map(|stage| Report::Stage { slot, source, stage }).collect();
    let mut progress = Progress { generation: u32::MAX, ..Progress::default() };
    assert!(stages.iter().all(|stage| progress.add(*stage)));
    assert_eq!(
        progress.steps,
        [report(u64::MAX, "2001:db8::2", ProgressKind::Stages { first: 1, last: 32 })]
    );
    assert_eq!(progress.lines(), 32);
    let bytes = encode::<_, SIGHTING_SIZE>(&Sight::Progress(progress)).unwrap();
    let told = sightings(&decode(&bytes).unwrap());
    let generation = Generation(u32::MAX);
    let expected: Vec<Sighting> = stages.into_iter().map(|report| Sighting { generation, report }).collect();
    assert_eq!(told, expected);
}

#[test]
fn the_longest_progress_has_room_and_more_is_refused() {
    let mut progress = Progress { generation: u32::MAX, ..Progress::default() };
    let source: IpAddr = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap();
    let stage = |slot: u64| Report::Stage { slot: SlotId(u64::MAX - slot), source, stage: 32 };
    assert!((0..7).all(|slot| progress.add(stage(slot))));
    assert!(!progress.add(stage(7)));
    assert!(progress.add(Report::LeftOut { count: u64::MAX - 7 }));
    assert_eq!(progress.lines(), u64::MAX);
    assert!(encode::<_, SIGHTING_SIZE>(&Sight::Progress(progress)).is_some());
}

#[test]
fn the_longest_setup_and_the_longest_order_have_room() {
    let words = "x".repeat(MOST_WORDS);
    let setup = Setup::NotOpened { number: u32::MAX, lasting: true, words };
    assert!(encode::<_, SIGHTING_SIZE>(&setup).is_some());
    let step = Step { port: NonZeroU16::MAX, protocol: Protocol::Udp };
    let slot = Slot {
        id: SlotId(u64::MAX),
        door: usize::try_from(u32::MAX).unwrap(),
        sequence: Sequence::new(vec![step; 32]).unwrap(),
        once: true,
        limit: Some(Limit { strays: u16::MAX, from_before: true }),
    };
    assert!(encode::<_, ORDER_SIZE>(&OrderMessage::Arm(u32::MAX, (&slot).into())).is_some());
}

#[test]
fn what_belongs_to_no_whole_is_refused() {
    let orphan = |message| Reader::default().take(message);
    let network = OrderMessage::Network { address: "192.0.2.0".parse().unwrap(), prefix: 24 };
    let ports = OrderMessage::Ports { first: NonZeroU16::MIN, last: NonZeroU16::MAX };
    let refused = [network, ports, OrderMessage::PlanEnd, OrderMessage::TrafficEnd, OrderMessage::HereEnd];
    assert!(refused.into_iter().all(|message| orphan(message) == Err(BadMessage)));
    assert_eq!(orphan(OrderMessage::Disarm(7, 1)), Err(BadMessage), "of another configuration");
}

#[test]
fn a_form_that_no_sequence_has_is_refused() {
    let plan = OrderMessage::Plan { generation: 1, max_sources: 16, udp: false };
    let port = |number: u16| NonZeroU16::new(number).unwrap();
    for (length, tcp, ports) in [(2, true, 1..=9), (5, true, 1..=4), (5, false, 1..=9), (33, true, 1..=99)] {
        let mut reader = Reader::default();
        let form = OrderMessage::Form { length, tcp, udp: false };
        let ports = OrderMessage::Ports { first: port(*ports.start()), last: port(*ports.end()) };
        let taken = [plan.clone(), form, ports, OrderMessage::PlanEnd].map(|message| reader.take(message));
        assert!(taken.iter().any(|taken| *taken == Err(BadMessage)), "{length} {tcp}");
    }
}

#[test]
fn a_key_is_not_shown() {
    let slot = BoundSlot {
        id: SlotId(u64::MAX),
        door: usize::try_from(u32::MAX).unwrap(),
        key: CounterKey::from_bytes(&[0x5a; 32]),
        form: usize::try_from(u32::MAX).unwrap(),
        limit: Some(Limit { strays: u16::MAX, from_before: true }),
    };
    let message = OrderMessage::ArmBound(u32::MAX, (&slot).into());
    assert!(!format!("{slot:?} {message:?}").contains("90"), "{slot:?} {message:?}");
    assert!(encode::<_, ORDER_SIZE>(&message).is_some());
}

#[test]
fn a_door_that_is_for_some_never_becomes_one_for_all() {
    let mut reader = Reader::default();
    let plan = OrderMessage::Plan { generation: 1, max_sources: 16, udp: false };
    let door = OrderMessage::Door {
        flags: FlagRule::SYN.into(),
        target: None,
        seq_timeout: Duration::from_secs(25),
        choosy: true,
    };
    assert_eq!(reader.take(plan), Ok(None));
    assert_eq!(reader.take(door), Ok(None));
    assert_eq!(reader.take(OrderMessage::PlanEnd), Err(BadMessage));
}

#[test]
fn what_follows_a_message_must_be_nothing() {
    let mut bytes = encode::<_, SIGHTING_SIZE>(&Sight::Synced(1)).unwrap();
    assert_eq!(decode(&bytes), Ok(Sight::Synced(1)));
    bytes[SIGHTING_SIZE - 1] = 1;
    assert_eq!(decode::<Sight>(&bytes), Err(BadMessage));
}

#[test]
fn each_message_has_one_encoding() {
    let message = Sight::Synced(1);
    let mut bytes = encode::<_, SIGHTING_SIZE>(&message).unwrap();
    assert_eq!((bytes[..3].to_vec(), decode(&bytes)), (vec![3, 1, 0], Ok(message)));
    // The same number, and the same variant, in one byte more.
    for longer in [[3, 0x81, 0, 0], [0x83, 0, 1, 0]] {
        bytes[..4].copy_from_slice(&longer);
        assert_eq!(decode::<Sight>(&bytes), Err(BadMessage), "{longer:?}");
    }
}
