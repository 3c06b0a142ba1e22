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

#[test]
fn a_plan_for_fewer_sources_keeps_those_who_know_the_second_port() {
    let plan = |max_sources| {
        let slots = vec![slot(0, 0, "1,2,3", false)];
        Plan { doors: vec![rule()], slots, max_sources, ..Plan::default() }
    };
    let mut lab = Lab::of(plan(100));
    lab.knock(&["1", "2"]);
    for number in 0..99 {
        lab.hit(&stranger(number), "1");
    }
    assert_eq!(lab.tracker.attempts(), 100);
    lab.tracker.adopt(plan(20));
    assert_eq!(lab.tracker.attempts(), 20);
    assert_eq!(lab.knock(&["3"]), [0]);
    assert_eq!(lab.hit(&stranger(98), "2").len(), 1, "the youngest stay");
}

/// What a first packet began is begun at adoption, where the new plan may have other timeouts and other doors.
#[test]
fn a_new_plan_keeps_what_a_first_packet_has_begun() {
    let mut lab = Lab::with(&["7000,8000", "7000,9000", "1,2"]);
    lab.hit(ALICE, "7000");
    lab.hit(BOB, "1");
    lab.now += 1;
    let longer = DoorRule { seq_timeout: Duration::from_secs(2 * TIMEOUT), ..rule() };
    let slots = vec![slot(7, 0, "7000,9000", false), slot(0, 1, "7000,8000", false)];
    lab.tracker.adopt(Plan { doors: vec![rule(), longer], slots, ..small_plan() });
    assert_eq!(lab.tracker.attempts(), 1, "slot 7 is new, and slots 1 and 2 are gone");
    assert_eq!(lab.wait(2 * TIMEOUT - 2), []);
    assert_eq!(lab.knock(&["9000", "8000"]), [0]);
    assert_eq!(lab.hit(BOB, "2"), []);
}

#[test]
fn a_slot_that_is_disarmed_after_the_first_packet_is_no_more_begun() {
    let mut lab = Lab::with(&["7000,8000", "7000,9000"]);
    lab.hit(ALICE, "7000");
    lab.hit(BOB, "7000");
    lab.tracker.disarm(SlotId(0));
    assert_eq!(lab.knock(&["8000", "9000"]), [1]);
    let timed_out = Report::TimedOut { slot: SlotId(1), source: BOB.parse().unwrap(), stage: 1 };
    assert_eq!(lab.wait(TIMEOUT), [timed_out]);
    assert_eq!((lab.tracker.attempts(), lab.tracker.next_deadline()), (0, None));
}

#[test]
fn a_slot_that_is_armed_after_the_first_packet_was_not_begun_by_it() {
    let mut lab = Lab::with(&["7000,8000"]);
    lab.hit(ALICE, "7000");
    lab.hit(BOB, "7000");
    lab.tracker.arm(slot(9, 0, "7000,8000", false));
    assert_eq!(lab.knock(&["8000"]), [0]);
    assert_eq!(lab.knock(&["7000", "8000"]), [0, 9]);
    let timed_out = Report::TimedOut { slot: SlotId(0), source: BOB.parse().unwrap(), stage: 1 };
    assert_eq!(lab.wait(TIMEOUT), [timed_out], "and nothing of slot 9, nor of what is over");
}

/// The first packet counts as a stray for a sequence that does not have its port, as any other does.
#[test]
fn a_slot_that_is_armed_after_the_first_packet_sees_it_as_a_stray() {
    let mut lab = Lab::of(Plan {
        doors: vec![rule()],
        slots: vec![slot(0, 0, "7000,8000", false).with_limit(1, true)],
        ..small_plan()
    });
    lab.hit(ALICE, "7000");
    lab.tracker.arm(slot(1, 0, "1,2", false).with_limit(1, true));
    assert_eq!(lab.knock(&["1", "3", "2"]), [0; 0], "7000 and 3 are two");
    lab.hit(BOB, "7000");
    assert_eq!(opened(&[lab.hit(BOB, "1"), lab.hit(BOB, "2")].concat()), [1], "7000 is one");
}

/// Each has its own time, so one packet cannot stand for both.
#[test]
fn doors_with_different_timeouts_may_share_a_first_port() {
    let longer = DoorRule { seq_timeout: Duration::from_secs(2 * TIMEOUT), ..rule() };
    let slots = vec![slot(0, 0, "7000,8000", false), slot(1, 1, "7000,9000", false)];
    let mut lab = Lab::of(Plan { doors: vec![rule(), longer], slots, ..small_plan() });
    let timed_out = |slot| Report::TimedOut { slot: SlotId(slot), source: BOB.parse().unwrap(), stage: 1 };
    lab.hit(BOB, "7000");
    assert_eq!(lab.hit(ALICE, "7000"), [stage(0, 1), stage(1, 1)]);
    lab.knock(&["443"]);
    lab.now += TIMEOUT;
    let due = lab.wait(0);
    assert!(due.len() == 2 && due.contains(&timed_out(0)), "{due:?}");
    assert_eq!(lab.knock(&["8000", "9000"]), [1]);
    assert_eq!(lab.wait(TIMEOUT), [timed_out(1)]);
    assert_eq!((lab.tracker.attempts(), lab.wait(TIMEOUT)), (1, vec![]), "hits of the open door are known");
    assert_eq!((lab.tracker.attempts(), lab.tracker.next_deadline()), (0, None));
}

/// Only eight timeouts have a class; whoever has made the first hit of another door is remembered all the same.
#[test]
fn any_number_of_timeouts_is_kept() {
    let door = |seconds| DoorRule { seq_timeout: Duration::from_secs(seconds), ..rule() };
    let doors: Vec<_> = (5..25).map(door).collect();
    let sequence = |id: u64| slot(id, usize::try_from(id).unwrap(), &format!("{},9,10", 100 + id), false);
    let mut lab = Lab::of(Plan { doors, slots: (0..20).map(sequence).collect(), ..small_plan() });
    for id in (0..20).rev() {
        lab.hit(BOB, &(100 + id).to_string());
        lab.hit(&stranger(id), &(100 + id).to_string());
    }
    for id in 0..20 {
        assert_eq!(lab.tracker.next_deadline(), Some(Moment::after_start(Duration::from_secs(5 + id))));
        lab.now = 5 + id;
        let due = lab.wait(0);
        let due: Vec<_> = due.iter().filter_map(Report::attempt).map(|(slot, who)| (slot.0, who)).collect();
        let mut expected =
            [(id, stranger(u32::try_from(id).unwrap()).parse().unwrap()), (id, BOB.parse().unwrap())];
        expected.sort_unstable();
        let mut due = due;
        due.sort_unstable();
        assert_eq!(due[..], expected[..]);
    }
    assert_eq!((lab.tracker.attempts(), lab.tracker.next_deadline()), (0, None));
}

#[test]
fn a_first_packet_over_udp_begins_what_the_same_port_over_tcp_does_not() {
    let traffic = crate::message::Traffic { tcp: vec![FlagRule::SYN], udp: true };
    let slots = vec![slot(0, 0, "53:udp,54:udp", false), slot(1, 0, "53,54", false)];
    let mut lab = Lab::of(Plan { doors: vec![rule()], slots, traffic, ..small_plan() });
    let first = lab.packet(ALICE, "53:udp");
    assert_eq!(lab.send(&first), [stage(0, 1)]);
    assert_eq!(lab.send(&first), [], "a repeat");
    assert_eq!(lab.knock(&["54", "54:udp"]), [0]);
    lab.now += TIMEOUT;
    assert_eq!(lab.hit(ALICE, "53"), [stage(1, 1)]);
    assert_eq!(lab.knock(&["54:udp", "54"]), [1]);
}

/// More than what one packet can be remembered to have begun.
#[test]
fn any_number_of_sequences_may_begin_alike() {
    let slots = (0..70_000).map(|id| slot(id, 0, "1,2", false)).collect();
    let mut lab = Lab::of(Plan { doors: vec![rule()], slots, max_sources: 140_000, ..Plan::default() });
    assert_eq!(lab.hit(ALICE, "1").len(), 70_000);
    assert_eq!(lab.hit(BOB, "1").len(), 70_000);
    assert_eq!(lab.tracker.attempts(), 140_000);
    assert_eq!(lab.knock(&["2"]).len(), 70_000);
    lab.wait(TIMEOUT);
    let slots = (0..65_535).map(|id| slot(id, 0, "1,2", false)).collect();
    lab.tracker.adopt(Plan { doors: vec![rule()], slots, max_sources: 70_000, ..Plan::default() });
    for source in [BOB, ALICE] {
        assert_eq!(lab.hit(source, "1").len(), 65_535);
        assert_eq!(lab.tracker.attempts(), 65_535, "there is room for one of them only");
    }
    assert_eq!(lab.knock(&["2"]).len(), 65_535);
}
