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
