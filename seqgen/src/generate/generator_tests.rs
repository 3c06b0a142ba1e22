use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::chi_square::assert_uniform;
use crate::generate::draw::sources::Zeros;
use crate::generate::{Pool, PortRange, Protocols};
use crate::sequence::Protocol;

fn shape(length: usize, protocols: Protocols, ports: &str) -> Shape {
    let ranges: Vec<PortRange> = ports.split(',').map(|range| range.parse().unwrap()).collect();
    Shape { length, protocols, pool: Pool::new(&ranges, &[]) }
}

fn seq(text: &str) -> Sequence {
    Sequence::parse(text).unwrap()
}

fn lines(shape: &Shape, count: u64) -> Vec<Sequence> {
    Generator::new(shape.clone()).lines(count).unwrap().map(Result::unwrap).collect()
}

/// Every rule that a pad from this generator keeps.
fn assert_pad(pad: &[Sequence], shape: &Shape) {
    for sequence in pad {
        let ports: Vec<u16> = sequence.steps().iter().map(|step| step.port.get()).collect();
        assert_eq!(ports.len(), shape.length, "{sequence}");
        let distinct: HashSet<_> = ports.iter().collect();
        assert_eq!(distinct.len(), ports.len(), "no port twice, whatever the protocol: {sequence}");
        assert!(!ports.is_sorted() && !ports.iter().rev().is_sorted(), "neither up nor down: {sequence}");
        assert!(sequence.steps().iter().all(|step| shape.allows(*step)), "{sequence}");
    }
    let distinct: HashSet<_> = pad.iter().collect();
    assert_eq!(distinct.len(), pad.len(), "no line twice");
    for near in pad.windows(NEIGHBOURHOOD.min(pad.len().max(1))) {
        let firsts: HashSet<_> = near.iter().map(Sequence::first).collect();
        assert_eq!(firsts.len(), near.len(), "no first hit twice among neighbours");
    }
}

fn any_protocols() -> impl Strategy<Value = Protocols> {
    prop_oneof![Just(Protocols::Tcp), Just(Protocols::Udp), Just(Protocols::Mixed)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_pad_keeps_the_rules(
        length in 3_usize..=32, protocols in any_protocols(), first in 1_u16..30_000, ports in 32_u16..400,
        count in 1_u64..150,
    ) {
        let shape = shape(length, protocols, &format!("{first}-{}", first + ports - 1));
        let pad = lines(&shape, count);
        prop_assert_eq!(pad.len() as u64, count);
        assert_pad(&pad, &shape);
    }

    #[test]
    fn the_tightest_pads_keep_the_rules(length in 3_usize..=5, protocols in any_protocols(), ports in 5_u16..=33) {
        let shape = shape(length, protocols, &format!("1-{ports}"));
        let most = u64::try_from(shape.possible() / 2).unwrap().min(300);
        let count = if shape.first_hits() < NEIGHBOURHOOD { most.min(shape.first_hits() as u64) } else { most };
        assert_pad(&lines(&shape, count), &shape);
    }

    #[test]
    fn what_is_added_to_a_pad_fits_in(old in 1_u64..80, new in 1_u64..80, protocols in any_protocols()) {
        let shape = shape(3, protocols, "1-32");
        let mut pad = lines(&shape, old);
        let mut generator = Generator::new(shape.clone());
        for sequence in &pad {
            generator.avoid(sequence);
            generator.follow(sequence.first());
        }
        pad.extend(generator.lines(new).unwrap().map(Result::unwrap));
        prop_assert_eq!(pad.len() as u64, old + new);
        assert_pad(&pad, &shape);
    }
}

#[test]
fn a_sequence_that_is_to_be_avoided_is_not_made() {
    // Four sequences are possible; two are left, and one may be made.
    let shape = shape(3, Protocols::Tcp, "1-3");
    for _ in 0..40 {
        let mut generator = Generator::new(shape.clone());
        generator.avoid(&seq("1,3,2"));
        let made: Vec<Sequence> = generator.lines(1).unwrap().map(Result::unwrap).collect();
        assert_ne!(made[0], seq("1,3,2"));
    }
}

fn refusal(shape: Shape, count: u64) -> String {
    Generator::new(shape).lines(count).unwrap_err().to_string()
}

#[test]
fn impossible_requests_are_refused_with_what_is_possible() {
    use Protocols::{Mixed, Tcp};
    let message = refusal(shape(2, Tcp, "1-99"), 1);
    assert_eq!(message, "a sequence has 3 to 32 ports, not 2");
    assert_eq!(refusal(shape(33, Tcp, "1-99"), 1), "a sequence has 3 to 32 ports, not 33");

    let message = refusal(shape(5, Tcp, "1-4"), 1);
    assert!(
        message.starts_with("5 different ports are needed for one line, but only 4 are allowed"),
        "{message}"
    );
    assert!(refusal(shape(5, Mixed, "1-4"), 1).contains("only 4 are allowed"), "a port is used once a line");

    let message = refusal(shape(5, Tcp, "1-31"), 32);
    assert!(message.contains("so 32 are needed, but only 31 are possible"), "{message}");
    assert!(Generator::new(shape(5, Tcp, "1-31")).lines(31).is_ok());
    assert!(Generator::new(shape(5, Mixed, "1-16")).lines(32).is_ok());

    // 32 * 31 * 30 arrangements, a third of which are ascending or descending.
    let message = refusal(shape(3, Tcp, "1-32"), 9921);
    assert!(message.contains("of the 19840 possible ones, 0 are in the pad already"), "{message}");
    assert!(message.contains("so 9920 more can be made"), "{message}");
    assert!(Generator::new(shape(3, Tcp, "1-32")).lines(9920).is_ok());
}

#[test]
fn what_the_pad_holds_counts_against_what_is_possible() {
    let shape = shape(3, Protocols::Tcp, "1-32");
    let old = lines(&shape, 5000);
    let mut generator = Generator::new(shape);
    for sequence in &old {
        generator.avoid(sequence);
        generator.avoid(sequence);
    }
    // Lines of another shape are in nobody's way.
    generator.avoid(&seq("1,2,4,3"));
    generator.avoid(&seq("1,2,40"));
    assert!(generator.lines(4920).is_ok());
    let message = generator.lines(4921).unwrap_err().to_string();
    assert!(message.contains("5000 are in the pad already") && message.contains("so 4920 more"), "{message}");
}

#[test]
fn only_neighbours_of_this_shape_take_first_hits() {
    let mut generator = Generator::new(shape(3, Protocols::Tcp, "1-32"));
    for port in 1000..1031 {
        generator.follow(seq(&format!("{port}")).first());
    }
    assert!(generator.lines(32).is_ok());
    let mut generator = Generator::new(shape(3, Protocols::Tcp, "1-10"));
    for port in 1..=9 {
        generator.follow(seq(&format!("{port}")).first());
    }
    assert!(generator.lines(1).is_ok());
    assert!(matches!(generator.lines(2), Err(Impossible::FirstHits { first_hits: 10, needed: 11 })));
}

#[test]
fn a_source_that_never_varies_ends_with_an_error() {
    let mut generator = Generator::from_source(shape(3, Protocols::Tcp, "1-99"), Zeros(usize::MAX));
    let made: Vec<_> = generator.lines(5).unwrap().collect();
    assert!(matches!(made[..], [Err(GenerateError::Exhausted)]), "{made:?}");
}

#[test]
fn a_source_that_fails_ends_with_an_error() {
    let mut generator = Generator::from_source(shape(3, Protocols::Tcp, "1-99"), Zeros(0));
    let made: Vec<_> = generator.lines(5).unwrap().collect();
    assert!(matches!(made[..], [Err(GenerateError::Randomness(_))]), "{made:?}");
}

#[test]
fn a_pad_that_leaves_a_first_hit_nothing_ends_with_an_error() {
    let shape = shape(3, Protocols::Tcp, "1-32");
    let mut generator = Generator::new(shape);
    for (second, third) in (2..=32).flat_map(|a| (2..=32).map(move |b| (a, b))) {
        generator.avoid(&seq(&format!("1,{second},{third}")));
    }
    let made: Vec<_> = generator.lines(40).unwrap().collect();
    let (last, fine) = made.split_last().unwrap();
    assert!(matches!(last, Err(GenerateError::Exhausted)));
    assert!(fine.iter().all(Result::is_ok));
}

#[test]
fn ports_are_uniform_at_each_position() {
    // Of 40,000 ports, draws of 16 bits that were merely wrapped would make 25,536 twice as likely as the others.
    const LENGTH: usize = 8;
    let shape = shape(LENGTH, Protocols::Mixed, "1001-41000");
    let mut regions = vec![vec![0_u32; 100]; LENGTH];
    let mut endings = vec![vec![0_u32; 100]; LENGTH];
    let mut udp = vec![vec![0_u32; 2]; LENGTH];
    for line in lines(&shape, 20_000) {
        for (position, step) in line.steps().iter().enumerate() {
            let port = usize::from(step.port.get() - 1001);
            regions[position][port / 400] += 1;
            endings[position][port % 100] += 1;
            udp[position][usize::from(step.protocol == Protocol::Udp)] += 1;
        }
    }
    for position in 0..LENGTH {
        assert_uniform(&regions[position], &format!("regions at position {position}"));
        assert_uniform(&endings[position], &format!("last digits at position {position}"));
        assert_uniform(&udp[position], &format!("protocols at position {position}"));
    }
}

#[test]
fn all_sequences_are_equally_likely() {
    let shape = shape(4, Protocols::Tcp, "1-5");
    let possible = usize::try_from(shape.possible()).unwrap();
    let mut hits = std::collections::HashMap::new();
    let mut generator = Generator::new(shape);
    for _ in 0..200 * possible {
        generator.draws_left = MAX_DRAWS;
        if let Some(sequence) = generator.candidate().unwrap() {
            *hits.entry(sequence).or_insert(0_u32) += 1;
        }
    }
    assert_eq!(hits.len(), possible);
    assert_uniform(&hits.into_values().collect::<Vec<_>>(), "sequences");
}

#[test]
fn first_hits_are_uniform_even_when_neighbours_leave_few() {
    let mut hits = vec![0_u32; 40];
    for line in lines(&shape(5, Protocols::Tcp, "1-40"), 40_000) {
        hits[usize::from(line.first().port.get()) - 1] += 1;
    }
    assert_uniform(&hits, "first hits");
}
