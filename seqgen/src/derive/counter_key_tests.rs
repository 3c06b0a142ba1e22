use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::chi_square::assert_uniform;
use crate::derive::{Key, Label, LabelKey, Mode};
use crate::generate::{Pool, PortRange, Protocols, Shape};
use crate::sequence::Protocol;

fn form(length: usize, protocols: Protocols, ports: &str) -> Form {
    let ranges: Vec<PortRange> = ports.split(',').map(|range| range.parse().unwrap()).collect();
    Form::new(Shape { length, protocols, pool: Pool::new(&ranges, &[]) }).unwrap()
}

fn label_key(label: &str) -> LabelKey {
    Key::from_bytes(std::array::from_fn(|i| u8::try_from(i * 7).unwrap()))
        .label_key(&Label::new(label).unwrap())
}

fn sender(number: u32) -> IpAddr {
    Ipv4Addr::from(number).into()
}

fn time(step: u32) -> Mode {
    Mode::Time { step: NonZeroU32::new(step).unwrap() }
}

fn assert_uniform_at_each_position(sequences: impl Iterator<Item = Sequence>, from: u16, what: &str) {
    // The ports are 40,000 from the first one on.
    const LENGTH: usize = 6;
    let mut regions = vec![vec![0_u32; 100]; LENGTH];
    let mut endings = vec![vec![0_u32; 100]; LENGTH];
    let mut udp = vec![vec![0_u32; 2]; LENGTH];
    for sequence in sequences {
        assert_eq!(sequence.steps().len(), LENGTH);
        for (position, step) in sequence.steps().iter().enumerate() {
            let port = usize::from(step.port.get() - from);
            regions[position][port / 400] += 1;
            endings[position][port % 100] += 1;
            udp[position][usize::from(step.protocol == Protocol::Udp)] += 1;
        }
    }
    for position in 0..LENGTH {
        assert_uniform(&regions[position], &format!("{what}: regions at position {position}"));
        assert_uniform(&endings[position], &format!("{what}: last digits at position {position}"));
        assert_uniform(&udp[position], &format!("{what}: protocols at position {position}"));
    }
}

const COUNTERS: u32 = 10_000;

#[test]
fn ports_are_uniform_at_each_position() {
    let form = form(6, Protocols::Mixed, "1001-41000");
    let key = label_key("gate");
    let of = |mode, counter: u32, binding| {
        key.counter_key(mode, u64::from(counter), &form).sequence(&form, binding)
    };
    let unbound = (0..COUNTERS).map(|counter| of(Mode::Counter, counter, None));
    assert_uniform_at_each_position(unbound, 1001, "unbound");
    let bound = (0..COUNTERS).map(|counter| of(Mode::Counter, counter, Some(sender(0xc000_0201))));
    assert_uniform_at_each_position(bound, 1001, "bound");
    let timed = (0..COUNTERS).map(|counter| of(time(30), 58_000_000 + counter, None));
    assert_uniform_at_each_position(timed, 1001, "by time");
}

#[test]
fn ports_after_the_first_are_uniform_over_all_senders() {
    // So long that hardly any order ascends or descends: what the first port leaves out does not show.
    let form = form(8, Protocols::Tcp, "1001-41000");
    let key = label_key("gate").counter_key(Mode::Counter, 7, &form);
    let mut regions = vec![vec![0_u32; 100]; 8];
    for number in 0..COUNTERS {
        let sender = match number % 2 {
            0 => sender(0xc633_6400 + number),
            _ => Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(number)).into(),
        };
        for (position, step) in key.sequence(&form, Some(sender)).steps().iter().enumerate() {
            regions[position][usize::from(step.port.get() - 1001) / 400] += 1;
        }
    }
    assert_eq!(regions[0].iter().filter(|&&hits| hits > 0).count(), 1, "the first hit is the same for all");
    for (position, regions) in regions.iter().enumerate().skip(1) {
        assert_uniform(regions, &format!("position {position}"));
    }
}

#[test]
fn first_hits_are_exactly_uniform_and_so_is_what_may_follow_each() {
    let form = form(4, Protocols::Tcp, "1-5");
    let key = label_key("gate");
    let mut firsts = vec![0_u32; 5];
    let mut followers: HashMap<u16, HashMap<Sequence, u32>> = HashMap::new();
    for counter in 0..20_000 {
        let sequence = key.counter_key(Mode::Counter, counter, &form).sequence(&form, None);
        let first = sequence.first().port.get();
        firsts[usize::from(first) - 1] += 1;
        *followers.entry(first).or_default().entry(sequence).or_default() += 1;
    }
    assert_uniform(&firsts, "first hits");
    for (first, sequences) in followers {
        // From 1 four orders ascend, from 2 one; from 5 four descend, from 4 one.
        let wild = match first {
            1 | 5 => 24 - 4,
            2 | 4 => 24 - 1,
            _ => 24,
        };
        assert_eq!(sequences.len(), wild, "after {first}");
        assert_uniform(&sequences.into_values().collect::<Vec<_>>(), &format!("what follows {first}"));
    }
}

/// How far apart the ports of two sequences are, position by position, among 40,000 of them.
fn distances(one: &Sequence, other: &Sequence) -> impl Iterator<Item = usize> {
    one.steps()
        .iter()
        .zip(other.steps())
        .map(|(a, b)| (40_000 + usize::from(a.port.get()) - usize::from(b.port.get())) % 40_000)
        .collect::<Vec<_>>()
        .into_iter()
}

#[test]
fn whatever_is_changed_gives_an_unrelated_sequence() {
    let usual = form(5, Protocols::Tcp, "1001-41000");
    let others = [form(6, Protocols::Tcp, "1001-41000"), form(5, Protocols::Mixed, "1001-41000")];
    let fewer = form(5, Protocols::Tcp, "1001-40999");
    let (gate, yard) = (label_key("gate"), label_key("yard"));
    let of = |key: &LabelKey, mode, counter, form: &Form, binding| {
        key.counter_key(mode, counter, form).sequence(form, binding)
    };
    let here = Some(sender(0xc000_0201));
    for (what, skip, change) in [
        ("another label", 0, &(|c| of(&yard, Mode::Counter, c, &usual, here)) as &dyn Fn(u64) -> Sequence),
        ("the next counter", 0, &|c| of(&gate, Mode::Counter, c + 1, &usual, here)),
        ("a far counter", 0, &|c| of(&gate, Mode::Counter, c + (1 << 32), &usual, here)),
        ("time", 0, &|c| of(&gate, time(30), c, &usual, here)),
        ("another length", 0, &|c| of(&gate, Mode::Counter, c, &others[0], here)),
        ("other protocols", 0, &|c| of(&gate, Mode::Counter, c, &others[1], here)),
        ("other ports", 0, &|c| of(&gate, Mode::Counter, c, &fewer, here)),
        // The first hit is the same for all of these.
        ("nobody", 1, &|c| of(&gate, Mode::Counter, c, &usual, None)),
        ("another sender", 1, &|c| of(&gate, Mode::Counter, c, &usual, Some(sender(0xc000_0202)))),
    ] {
        let mut regions = vec![0_u32; 50];
        for counter in 0..1500 {
            let (one, other) = (of(&gate, Mode::Counter, counter, &usual, here), change(counter));
            assert_ne!(one, other, "{what}");
            assert!(skip == 0 || one.first() == other.first(), "{what}");
            for distance in distances(&one, &other).skip(skip) {
                regions[distance / 800] += 1;
            }
        }
        assert_uniform(&regions, what);
    }
}

#[test]
fn steps_of_time_of_different_lengths_have_nothing_in_common() {
    let form = form(5, Protocols::Tcp, "1024-65535");
    let key = label_key("gate");
    let modes = [Mode::Counter, time(1), time(30), time(u32::MAX)];
    let keys = modes.map(|mode| *key.counter_key(mode, 5, &form).as_bytes());
    assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), modes.len());
}

fn any_protocols() -> impl Strategy<Value = Protocols> {
    prop_oneof![Just(Protocols::Tcp), Just(Protocols::Udp), Just(Protocols::Mixed)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_sequence_keeps_the_rules(
        bytes: [u8; 32], label in "[^\\p{Cc}]{0,60}", counter: u64, step in 0_u32..4, length in 3_usize..=32,
        protocols in any_protocols(), first in 1_u16..60_000, more in 0_u16..200, v4: [u8; 4], v6: [u8; 16],
    ) {
        let length_of_pool = u16::try_from(length).unwrap() + more;
        let form = form(length, protocols, &format!("{first}-{}", first + length_of_pool - 1));
        let mode = NonZeroU32::new(step).map_or(Mode::Counter, |step| Mode::Time { step });
        let label = Label::new(&label).unwrap();
        let key = Key::from_bytes(bytes).label_key(&label).counter_key(mode, counter, &form);
        let (v4, v6) = (Ipv4Addr::from(v4), Ipv6Addr::from(v6));
        for binding in [None, Some(v4.into()), Some(v6.into())] {
            let sequence = key.sequence(&form, binding);
            // The right length, allowed hits, no port twice, neither up nor down.
            prop_assert!(form.shape().fits(&sequence), "{}", sequence);
            prop_assert_eq!(sequence.first(), key.first(&form), "whoever it is bound to");
            let again = CounterKey::from_bytes(key.as_bytes());
            prop_assert_eq!(again.sequence(&form, binding), sequence);
        }
        prop_assert_eq!(key.sequence(&form, Some(v4.to_ipv6_mapped().into())), key.sequence(&form, Some(v4.into())));
    }

    #[test]
    fn a_bound_sequence_is_good_for_its_sender_alone(bytes: [u8; 32], counter: u64, one: [u8; 16], other: [u8; 16]) {
        prop_assume!(one != other);
        // Of so many, two are never the same by accident.
        let form = form(8, Protocols::Tcp, "1024-65535");
        let key = Key::from_bytes(bytes).label_key(&Label::default()).counter_key(Mode::Counter, counter, &form);
        let [one, other] = [one, other].map(|address| key.sequence(&form, Some(Ipv6Addr::from(address).into())));
        let unbound = key.sequence(&form, None);
        for (a, b) in [(&one, &other), (&one, &unbound), (&other, &unbound)] {
            prop_assert_ne!(&a.steps()[1..], &b.steps()[1..]);
        }
    }
}

#[test]
fn an_ipv4_address_is_none_of_ipv6_that_merely_ends_alike() {
    let form = form(5, Protocols::Tcp, "1024-65535");
    let key = label_key("gate").counter_key(Mode::Counter, 0, &form);
    let of = |address: &str| key.sequence(&form, Some(address.parse().unwrap()));
    assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    assert_ne!(of("192.0.2.1"), of("::192.0.2.1"));
    assert_ne!(of("192.0.2.1"), of("64:ff9b::192.0.2.1"));
}
