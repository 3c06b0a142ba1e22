use super::*;

/// A source outside of [`ALICE`]'s and [`BOB`]'s network.
fn stranger(number: u32) -> String {
    std::net::Ipv4Addr::from(0xc633_6400 + number).to_string()
}

impl Slot {
    fn with_limit(self, strays: u16, from_before: bool) -> Slot {
        Slot { limit: Some(Limit { strays, from_before }), ..self }
    }
}

/// The table of strays is full, and the next one is of whoever has been in it for longest.
#[test]
fn a_stranger_who_is_forgotten_for_the_very_stray_that_it_makes_does_no_harm() {
    let slots = vec![slot(0, 0, "1,2", false).with_limit(60, true)];
    let mut lab = Lab::of(Plan { doors: vec![rule()], slots, ..small_plan() });
    for port in ["3", "4"] {
        lab.hit(ALICE, port);
    }
    let ports: Vec<String> = (10..60).map(|port| port.to_string()).collect();
    let mut packets = 2;
    for (number, port) in (0..).flat_map(|number| ports.iter().map(move |port| (number, port))) {
        lab.packets = 0;
        lab.hit(&stranger(number), port);
        packets += 1;
        if packets == crate::track::sources::NOTED {
            break;
        }
    }
    assert_eq!(lab.hit(ALICE, "5"), []);
    assert_eq!(lab.knock(&["1", "2"]), [0]);
}

/// A first hit may be that of several sequences, and then takes the place of as many attempts.
#[test]
fn a_first_hit_of_several_sequences_pushes_nobody_out_who_knows_the_second_port() {
    let mut slots = vec![slot(0, 0, "7,8,9", false)];
    slots.extend((1..=6).map(|id| slot(id, 0, "1,2,3", false)));
    let mut lab = Lab::of(Plan { doors: vec![rule()], slots, max_sources: 20, ..Plan::default() });
    let people: Vec<String> = (0..18).map(stranger).collect();
    for person in &people {
        lab.hit(person, "7");
        lab.hit(person, "8");
    }
    for number in 100..110 {
        let begun = lab.hit(&stranger(number), "1");
        assert_eq!(begun.len(), 6, "a newcomer is never refused");
        assert!(lab.tracker.attempts() <= 20);
    }
    for person in &people {
        assert_eq!(opened(&lab.hit(person, "9")), [0], "{person}");
    }
}

/// They are pushed out as by first hits, though nobody begins an attempt meanwhile.
#[test]
fn strays_of_those_who_have_attempts_are_bounded() {
    let slots = vec![slot(0, 0, "1,2,3", false).with_limit(400, false)];
    let mut lab = Lab::of(Plan { doors: vec![rule()], slots, ..small_plan() });
    lab.knock(&["1", "2"]);
    for number in 0..400 {
        lab.hit(&stranger(number), "1");
    }
    for port in 10..400 {
        lab.packets = 1000;
        for number in 0..400 {
            lab.hit(&stranger(number), &port.to_string());
        }
    }
    let strays = lab.tracker.table.sources.busy_strays();
    assert!((130_000..=131_072).contains(&strays), "{strays} strays");
    let attempts = lab.tracker.attempts();
    assert!((330..=340).contains(&attempts), "{attempts} attempts");
    assert_eq!(lab.knock(&["3"]), [0], "who knows the second port has been there for longest, and stays");
}
