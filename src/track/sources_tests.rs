use seqgen::sequence::{Protocol, Step};

use super::*;
use crate::packet::{Hit, Segment};

fn step(port: u16) -> Step {
    Step { port: port.try_into().unwrap(), protocol: Protocol::Udp }
}

fn at(seconds: u64) -> Moment {
    Moment::after_start(Duration::from_secs(seconds))
}

fn address(number: u32) -> IpAddr {
    std::net::Ipv4Addr::from(0xc633_6400 + number).into()
}

fn identity(port: u16) -> Identity {
    Identity::of(&Hit {
        source: address(0),
        destination: address(0),
        source_port: 1024,
        port: port.try_into().unwrap(),
        segment: Segment::Udp,
        by_loopback: false,
    })
}

/// A stray of this source, as the tracker notes it.
fn stray(sources: &mut Sources, number: u32, port: u16) {
    let who = sources.who(address(number));
    let newcomer = |first_hit| Newcomer {
        at: at(1),
        stamp: 1,
        identity: identity(port),
        first_hit,
        begun: 0,
        is_stray: true,
    };
    match sources.find(&who).id {
        None => sources.greet(&who, newcomer(None)),
        Some(id) => {
            sources.get_to_know(id, 70);
            sources.change_strays(id, |strays, ports| strays.note(ports, step(port), at(1), 70));
        }
    }
}

fn strays(sources: &Sources, number: u32) -> Option<usize> {
    let id = sources.find(&sources.who(address(number))).id?;
    Some(sources.newcomer(id).map_or_else(|| sources.strays(id).len(), |_| 1))
}

#[test]
fn a_source_takes_one_cache_line() {
    assert!(size_of::<Source>() <= 64, "{} bytes", size_of::<Source>());
    assert_eq!(size_of::<Slab<Source>>(), size_of::<Slab<u8>>());
    let (one, two) = (Slab::<Source>::with_capacity(1), Slab::<[u8; 64]>::with_capacity(1));
    assert_eq!(one.capacity(), two.capacity());
}

#[test]
fn addresses_come_out_as_they_went_in() {
    for text in ["192.0.2.1", "0.0.0.1", "2001:db8::1", "::1", "::", "fe80::1:2:3:4", "255.255.255.254"] {
        let ip: IpAddr = text.parse().unwrap();
        assert_eq!(Address::of(ip).to_ip(), ip);
    }
    assert!(Address::of("192.0.2.1".parse().unwrap()) != Address::of("::192.0.2.1".parse().unwrap()));
}

#[test]
fn few_timeouts_have_a_class() {
    let mut timeouts = Vec::new();
    let seconds = |number: u64| Duration::from_secs(number);
    for number in 0..20 {
        let class = Class::of(seconds(number), &mut timeouts);
        assert_eq!(
            class.map(Class::index),
            usize::try_from(number).ok().filter(|index| *index < Class::MOST)
        );
        assert_eq!(
            Class::of(seconds(3.min(number)), &mut timeouts).map(Class::index),
            Some(number.min(3) as usize)
        );
    }
}

#[test]
fn addresses_that_have_the_same_hash_in_one_table_differ_in_another() {
    let (one, other) = (Sources::new(), Sources::new());
    let bucket = |sources: &Sources, number: u32| sources.who(address(number)).hash >> 22;
    let same: Vec<u32> = (0..100_000).filter(|number| bucket(&one, *number) == bucket(&one, 0)).collect();
    let still = same.iter().filter(|number| bucket(&other, **number) == bucket(&other, 0)).count();
    // One in 1024 of them by chance, and the first one itself.
    assert!(same.len() < 5000 && still < 20 + same.len() / 2, "{still} of {}", same.len());
}

#[test]
fn strays_go_where_the_attempt_goes() {
    let mut sources = Sources::new();
    for port in [5, 6] {
        stray(&mut sources, 1, port);
    }
    stray(&mut sources, 2, 7);
    let who = sources.who(address(1));
    let id = sources.add_attempt(&who, sources.find(&who));
    assert_eq!((sources.busy, sources.noted), (2, 1));
    assert_eq!(strays(&sources, 1), Some(2));
    sources.end_attempt(id);
    assert_eq!((sources.busy, sources.noted), (0, 3));
    assert_eq!(strays(&sources, 1), Some(2));
}

#[test]
fn who_has_neither_attempts_nor_strays_is_forgotten() {
    let mut sources = Sources::new();
    let who = sources.who(address(1));
    let found = sources.find(&who);
    let id = sources.add_attempt(&who, found);
    sources.add_attempt(&who, sources.find(&who));
    sources.end_attempt(id);
    let found = sources.find(&who);
    assert_eq!(found.id, Some(id));
    sources.end_attempt(id);
    assert_eq!(sources.again(&who, found).id, None);
    assert_eq!((sources.table.len(), sources.by_address.len()), (0, 0));
}

#[test]
fn however_many_strangers_come_the_oldest_are_forgotten() {
    let mut sources = Sources::new();
    for number in 0..3 * 16_384 {
        stray(&mut sources, number, 5);
    }
    assert_eq!((sources.table.len(), sources.strangers_count), (STRANGERS, STRANGERS));
    assert_eq!(sources.by_address.len(), STRANGERS);
    assert_eq!(strays(&sources, 0), None);
    assert_eq!(strays(&sources, 3 * 16_384 - 1), Some(1));
}

#[test]
fn however_many_ports_they_hit_the_strays_are_bounded() {
    let mut sources = Sources::new();
    for number in 0..4000 {
        for port in 1..=70 {
            stray(&mut sources, number, port);
        }
    }
    assert!(sources.noted <= NOTED && sources.noted > NOTED - 70);
    assert_eq!(sources.noted, sources.ports.len());
}

#[test]
fn a_stranger_who_comes_back_is_not_forgotten_for_having_been_there_before() {
    let mut sources = Sources::new();
    stray(&mut sources, 0, 5);
    let who = sources.who(address(0));
    let id = sources.find(&who).id.unwrap();
    sources.get_to_know(id, 70);
    sources.add_attempt(&who, sources.find(&who));
    sources.end_attempt(id);
    for number in 1..16_384 {
        stray(&mut sources, number, 5);
    }
    assert_eq!(strays(&sources, 0), Some(1));
}

/// First hits of any number of sources; what is left of them when their time is up is as with any stranger.
#[test]
fn the_oldest_newcomer_goes_first() {
    let mut sources = Sources::new();
    let mut timeouts = Vec::new();
    let classes = [20, 10].map(|time| Class::of(Duration::from_secs(time), &mut timeouts));
    sources.resize(1000, timeouts);
    for number in 0..6u32 {
        let who = sources.who(address(number));
        let (first_hit, is_stray) = (classes[number as usize % 2], number > 1);
        let (stamp, at) = (number.into(), at(number.into()));
        sources.greet(&who, Newcomer { at, stamp, identity: identity(5), first_hit, begun: 2, is_stray });
    }
    assert_eq!((sources.first_hits(), sources.busy_strays(), sources.noted), (12, 4, 0));
    let mut oldest = Vec::new();
    let mut due = Vec::new();
    while let Some((at, id)) = sources.oldest_newcomer() {
        due.push(sources.next_due().map(|(at, ..)| at));
        oldest.push(at);
        sources.turn_away(id);
    }
    assert_eq!(oldest, (0..6).map(at).collect::<Vec<_>>());
    assert_eq!(due, [11, 11, 13, 13, 15, 15].map(|time| Some(at(time))));
    assert_eq!((sources.first_hits(), sources.busy_strays(), sources.noted), (0, 0, 4));
    let known: Vec<_> = (0..6).map(|number| strays(&sources, number)).collect();
    assert_eq!(known, [None, None, Some(1), Some(1), Some(1), Some(1)]);
}
