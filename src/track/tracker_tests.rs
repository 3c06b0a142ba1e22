use std::time::Duration;

use seqgen::sequence::{Protocol, Sequence, Step};

use super::*;
use crate::flags::{FlagRule, TcpFlags};

const ALICE: &str = "192.0.2.2";
const BOB: &str = "192.0.2.3";
const TIMEOUT: u64 = 10;

/// A tracker with a clock of its own, in seconds, and a fresh source port and TCP number for each packet.
struct Lab {
    tracker: Tracker,
    now: u64,
    packets: u32,
}

fn rule() -> DoorRule {
    DoorRule { flags: FlagRule::SYN, target: None, allow: None, seq_timeout: Duration::from_secs(TIMEOUT) }
}

fn slot(id: u64, door: usize, sequence: &str, once: bool) -> Slot {
    Slot { id: SlotId(id), door, sequence: Sequence::parse(sequence).unwrap(), once, limit: None }
}

fn small_plan() -> Plan {
    Plan { max_sources: 1000, ..Plan::default() }
}

impl Lab {
    /// One door for each static sequence; slot and door have the sequence's index.
    fn with(sequences: &[&str]) -> Lab {
        let slots = sequences.iter().enumerate().map(|(i, s)| slot(i as u64, i, s, false)).collect();
        Lab::of(Plan { doors: vec![rule(); sequences.len()], slots, ..small_plan() })
    }

    fn of(plan: Plan) -> Lab {
        let ours = ["192.0.2.1", "2001:db8::1"].iter().map(|a| a.parse().unwrap()).collect();
        let mut tracker = Tracker::new(Here::Addresses(ours), Families::Both);
        tracker.adopt(plan);
        Lab { tracker, now: 0, packets: 0 }
    }

    fn moment(&self) -> Moment {
        Moment::after_start(Duration::from_secs(self.now))
    }

    fn packet(&mut self, source: &str, text: &str) -> Hit {
        self.packets += 1;
        let step = Step::parse(text, Protocol::Tcp).unwrap();
        let segment = match step.protocol {
            Protocol::Tcp => Segment::Tcp { flags: TcpFlags::SYN, number: self.packets },
            Protocol::Udp => Segment::Udp,
        };
        let destination = if source.contains(':') { "2001:db8::1" } else { "192.0.2.1" };
        Hit {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            source_port: u16::try_from(30000 + self.packets).unwrap(),
            port: step.port,
            segment,
            by_loopback: false,
        }
    }

    fn send(&mut self, hit: &Hit) -> Vec<Report> {
        let now = self.moment();
        let mut reports = Vec::new();
        self.tracker.hit(hit, now, &mut reports);
        reports
    }

    fn hit(&mut self, source: &str, text: &str) -> Vec<Report> {
        let hit = self.packet(source, text);
        self.send(&hit)
    }

    /// Hits the ports from ALICE and says which slots opened.
    fn knock(&mut self, ports: &[&str]) -> Vec<u64> {
        ports.iter().flat_map(|port| opened(&self.hit(ALICE, port))).collect()
    }

    fn wait(&mut self, seconds: u64) -> Vec<Report> {
        self.now += seconds;
        let mut reports = Vec::new();
        self.tracker.expire(self.moment(), &mut reports);
        reports
    }
}

fn opened(reports: &[Report]) -> Vec<u64> {
    let slots = reports.iter().filter_map(|report| match report {
        Report::Completed { slot, .. } => Some(slot.0),
        _ => None,
    });
    slots.collect()
}

fn stage(slot: u64, stage: u8) -> Report {
    Report::Stage { slot: SlotId(slot), source: ALICE.parse().unwrap(), stage }
}

#[test]
fn the_right_ports_in_order_open_once_and_each_stage_is_reported() {
    let mut lab = Lab::with(&["7000,8000,9000"]);
    assert_eq!(lab.hit(ALICE, "7000"), [stage(0, 1)]);
    assert_eq!(lab.hit(ALICE, "8000"), [stage(0, 2)]);
    let completed = Report::Completed { slot: SlotId(0), source: ALICE.parse().unwrap() };
    assert_eq!(lab.hit(ALICE, "9000"), [stage(0, 3), completed]);
    assert_eq!(lab.hit(ALICE, "9000"), []);
}

#[test]
fn a_wrong_order_opens_nothing() {
    for ports in [["7000", "9000", "8000"], ["9000", "8000", "7000"], ["8000", "7000", "9000"]] {
        assert_eq!(Lab::with(&["7000,8000,9000"]).knock(&ports), [0; 0], "{ports:?}");
    }
}

#[test]
fn a_wrong_protocol_opens_nothing() {
    assert_eq!(Lab::with(&["7000,8000:udp,9000"]).knock(&["7000", "8000", "9000"]), [0; 0]);
    assert_eq!(Lab::with(&["7000,8000:udp,9000"]).knock(&["7000", "8000:udp", "9000"]), [0]);
}

#[test]
fn one_port_is_a_sequence_too() {
    let mut lab = Lab::with(&["7000"]);
    assert_eq!(lab.knock(&["7000", "7000"]), [0, 0]);
}

#[test]
fn a_sequence_may_name_a_port_twice() {
    assert_eq!(Lab::with(&["7000,7000,8000"]).knock(&["7000", "7000", "8000"]), [0]);
    assert_eq!(Lab::with(&["7000,8000,7000"]).knock(&["7000", "8000", "7000"]), [0]);
}

#[test]
fn one_source_never_touches_anothers_attempt() {
    let mut lab = Lab::with(&["7000,8000,9000"]);
    let script = [(ALICE, "7000"), (BOB, "9000"), (BOB, "7000"), (ALICE, "8000"), (BOB, "9000")];
    for (source, port) in script {
        assert_eq!(opened(&lab.hit(source, port)), [0; 0]);
    }
    assert_eq!(lab.knock(&["9000"]), [0]);
}

#[test]
fn rule_1_a_repeat_of_a_counted_hit_changes_nothing_at_any_stage() {
    let mut lab = Lab::with(&["7000,8000,9000,10000"]);
    let first = lab.packet(ALICE, "7000");
    let second = lab.packet(ALICE, "8000");
    let third = lab.packet(ALICE, "9000");
    for hit in [first, first, second, first, second, third, second, first, third] {
        assert_eq!(opened(&lab.send(&hit)), [0; 0]);
    }
    assert_eq!(lab.knock(&["10000"]), [0]);
}

#[test]
fn rule_1_a_repeat_is_known_for_seq_timeout_after_opening() {
    let mut lab = Lab::with(&["7000"]);
    let hit = lab.packet(ALICE, "7000");
    assert_eq!(opened(&lab.send(&hit)), [0]);
    lab.wait(TIMEOUT - 1);
    assert_eq!(lab.send(&hit), []);
    lab.wait(1);
    assert_eq!(opened(&lab.send(&hit)), [0]);
}

#[test]
fn rule_1_late_repeats_of_a_finished_knock_do_not_disturb_the_next() {
    let mut lab = Lab::with(&["7000,8000,9000"]);
    let hits = ["7000", "8000", "9000"].map(|port| lab.packet(ALICE, port));
    for hit in &hits {
        lab.send(hit);
    }
    lab.hit(ALICE, "7000");
    for hit in &hits {
        assert_eq!(lab.send(hit), []);
    }
    assert_eq!(lab.knock(&["8000", "9000"]), [0]);
}

#[test]
fn rule_1_udp_repeats_are_told_by_source_port() {
    let mut lab = Lab::with(&["7000:udp,8000:udp"]);
    let first = lab.packet(ALICE, "7000:udp");
    lab.send(&first);
    assert_eq!(lab.send(&first), []);
    let second = Hit { source_port: first.source_port, ..lab.packet(ALICE, "8000:udp") };
    assert_eq!(opened(&lab.send(&second)), [0], "a client may send all its hits from one port");
}

/// As of a browser, which opens several connections and tries each again.
#[test]
fn rule_1_repeats_of_hits_in_parallel_are_known_when_later_hits_have_been_made() {
    let mut lab = Lab::with(&["7000,8000,9000"]);
    let first: Vec<_> = (0..7).map(|_| lab.packet(ALICE, "7000")).collect();
    let second: Vec<_> = (0..7).map(|_| lab.packet(ALICE, "8000")).collect();
    for hit in first.iter().chain(&second).chain(&first).chain(&second) {
        assert_eq!(opened(&lab.send(hit)), [0; 0]);
    }
    assert_eq!(lab.knock(&["9000"]), [0]);
}

/// Or else everybody's attempt could be made as large as one likes.
#[test]
fn hits_in_parallel_are_remembered_as_long_as_they_are_few() {
    let mut lab = Lab::with(&["7000,8000,9000"]);
    let first: Vec<_> = (0..8).map(|_| lab.packet(ALICE, "7000")).collect();
    for hit in &first {
        lab.send(hit);
    }
    lab.hit(ALICE, "8000");
    assert_ne!(lab.send(&first[7]), [], "it begins another attempt");
}

#[test]
fn rule_3_the_last_hit_once_more_changes_nothing() {
    let mut lab = Lab::with(&["7000,8000,9000"]);
    assert_eq!(lab.knock(&["7000", "8000", "8000", "9000"]), [0]);
}

#[test]
fn rule_3_at_stage_1_the_timer_starts_again() {
    let mut lab = Lab::with(&["7000,8000"]);
    lab.hit(ALICE, "7000");
    lab.wait(TIMEOUT - 1);
    lab.hit(ALICE, "7000");
    assert_eq!(lab.wait(TIMEOUT - 1), []);
    assert_eq!(lab.knock(&["8000"]), [0]);
}

#[test]
fn rule_3_beyond_stage_1_the_timer_goes_on() {
    let mut lab = Lab::with(&["7000,8000,9000"]);
    lab.knock(&["7000", "8000"]);
    lab.wait(TIMEOUT - 1);
    lab.hit(ALICE, "8000");
    lab.wait(1);
    assert_eq!(lab.knock(&["9000"]), [0; 0]);
}

#[test]
fn rule_4_the_first_port_starts_the_attempt_again() {
    let mut lab = Lab::with(&["7000,8000,9000"]);
    lab.knock(&["7000", "8000"]);
    lab.wait(TIMEOUT - 1);
    assert_eq!(lab.hit(ALICE, "7000"), [stage(0, 1)]);
    lab.wait(TIMEOUT - 1);
    assert_eq!(lab.knock(&["8000", "9000"]), [0]);
}

#[test]
fn rule_5_another_port_of_the_sequence_ends_the_attempt() {
    let mut lab = Lab::with(&["7000,8000,9000,10000"]);
    assert_eq!(lab.knock(&["7000", "8000", "10000", "9000", "10000"]), [0; 0]);
    assert_eq!(lab.knock(&["7000", "8000", "9000", "10000"]), [0]);
}

#[test]
fn rule_6_a_stray_leaves_the_attempt_alone() {
    let mut lab = Lab::with(&["7000,8000,9000"]);
    assert_eq!(lab.knock(&["7000", "443", "8000", "443", "22", "9000"]), [0]);
}

#[test]
fn seq_timeout_counts_from_the_first_hit() {
    let mut lab = Lab::with(&["7000,8000,9000"]);
    lab.hit(ALICE, "7000");
    lab.now += TIMEOUT - 1;
    lab.hit(ALICE, "8000");
    lab.now += 1;
    assert_eq!(lab.knock(&["9000"]), [0; 0]);
}

#[test]
fn running_out_of_time_is_reported_once_with_the_stage() {
    let mut lab = Lab::with(&["7000,8000,9000"]);
    lab.knock(&["7000", "8000"]);
    assert_eq!(lab.tracker.next_deadline(), Some(Moment::after_start(Duration::from_secs(TIMEOUT))));
    assert_eq!(lab.wait(TIMEOUT - 1), []);
    let timed_out = Report::TimedOut { slot: SlotId(0), source: ALICE.parse().unwrap(), stage: 2 };
    assert_eq!(lab.wait(1), [timed_out]);
    assert_eq!(lab.wait(100), []);
    assert_eq!(lab.tracker.next_deadline(), None);
}

#[test]
fn a_late_hit_reports_the_timeout_first() {
    let mut lab = Lab::with(&["7000,8000"]);
    lab.hit(ALICE, "7000");
    lab.now += TIMEOUT;
    let timed_out = Report::TimedOut { slot: SlotId(0), source: ALICE.parse().unwrap(), stage: 1 };
    assert_eq!(lab.hit(ALICE, "7000"), [timed_out, stage(0, 1)]);
}

#[test]
fn one_source_may_attempt_several_doors_at_once() {
    let mut lab = Lab::with(&["7000,8000,9000", "7000,9000,8000", "8000,9000"]);
    assert_eq!(lab.knock(&["7000", "8000", "9000"]), [0, 2]);
}

#[test]
fn two_doors_with_one_sequence_both_open() {
    assert_eq!(Lab::with(&["7000,8000", "7000,8000"]).knock(&["7000", "8000"]), [0, 1]);
}

#[test]
fn every_armed_line_of_a_window_is_followed() {
    let lines = [slot(10, 0, "1,5,9", true), slot(11, 0, "1,9,5", true), slot(12, 0, "4,5,6", true)];
    let plan = Plan { doors: vec![rule()], slots: lines.to_vec(), ..small_plan() };
    assert_eq!(Lab::of(plan.clone()).knock(&["1", "9", "5"]), [11]);
    assert_eq!(Lab::of(plan).knock(&["4", "5", "6"]), [12]);
}

#[test]
fn a_line_of_a_pad_opens_once_and_for_one_source_only() {
    let mut lab =
        Lab::of(Plan { doors: vec![rule()], slots: vec![slot(10, 0, "1,5,9", true)], ..small_plan() });
    lab.hit(BOB, "1");
    lab.hit(BOB, "5");
    assert_eq!(lab.knock(&["1", "5", "9"]), [10]);
    assert_eq!(lab.hit(BOB, "9"), []);
    assert_eq!(lab.knock(&["1", "5", "9"]), [0; 0]);
    assert_eq!(lab.wait(100), [], "attempts at a line that is gone are forgotten in silence");
    assert_eq!(lab.tracker.next_deadline(), None);
}

#[test]
fn a_disarmed_slot_opens_nothing_even_half_way() {
    let mut lab = Lab::with(&["7000,8000"]);
    lab.hit(ALICE, "7000");
    lab.tracker.disarm(SlotId(0));
    assert_eq!(lab.knock(&["8000", "7000", "8000"]), [0; 0]);
}

#[test]
fn disarming_one_of_two_that_begin_alike_leaves_the_other() {
    let mut lab = Lab::with(&["7000,8000", "7000,9000"]);
    lab.tracker.disarm(SlotId(0));
    assert_eq!(lab.knock(&["7000", "8000", "9000"]), [1]);
    lab.tracker.disarm(SlotId(1));
    assert_eq!(lab.knock(&["7000", "8000", "9000"]), [0; 0]);
}

#[test]
fn new_addresses_of_the_host_count_and_old_ones_do_not() {
    let mut lab = Lab::with(&["1"]);
    let new = "198.51.100.1".parse().unwrap();
    lab.tracker.set_here(Here::Addresses([new].into()));
    let to_new = Hit { destination: new, ..lab.packet(ALICE, "1") };
    assert_eq!(opened(&lab.send(&to_new)), [0]);
    assert_eq!(lab.knock(&["1"]), [0; 0]);
}

#[test]
fn a_slot_armed_later_is_matched() {
    let mut lab = Lab::with(&["7000,8000"]);
    lab.tracker.arm(slot(7, 0, "1,2", true));
    lab.tracker.arm(slot(8, 5, "3,4", true));
    assert_eq!(lab.knock(&["1", "2", "3", "4"]), [7], "slot 8 names a door that there is not");
}

#[test]
fn a_new_plan_keeps_the_attempts_at_slots_that_stay() {
    let mut lab = Lab::with(&["7000,8000", "1,2"]);
    lab.knock(&["7000", "1"]);
    let slots = vec![slot(0, 1, "7000,8000", false), slot(2, 0, "1,2", false)];
    lab.tracker.adopt(Plan { doors: vec![rule(), rule()], slots, ..small_plan() });
    assert_eq!(lab.knock(&["8000", "2"]), [0]);
}

#[test]
fn a_new_plan_keeps_the_strays_of_a_source() {
    let limit = Limit::auto(&Sequence::parse("7000,8000,9000").unwrap());
    let slots = vec![Slot { limit, ..slot(0, 0, "7000,8000,9000", false) }];
    let plan = Plan { doors: vec![rule()], slots, ..small_plan() };
    let mut lab = Lab::of(plan.clone());
    lab.knock(&["7000", "1", "2", "3", "4", "5"]);
    lab.tracker.adopt(plan);
    let guarded = Report::Guarded { slot: SlotId(0), source: ALICE.parse().unwrap(), stage: 1 };
    assert_eq!(lab.hit(ALICE, "6"), [guarded]);
}

#[test]
fn tcp_flags_that_the_door_does_not_take_are_invisible() {
    let mut lab = Lab::with(&["7000,8000"]);
    lab.hit(ALICE, "7000");
    for (bits, expected) in [(0x10, &[][..]), (0x12, &[]), (0x01, &[]), (0x02, &[0])] {
        let mut hit = lab.packet(ALICE, "8000");
        hit.segment = Segment::Tcp { flags: TcpFlags::from_bits(bits), number: 9 };
        assert_eq!(opened(&lab.send(&hit)), expected, "flags {bits:#x}");
    }
}

#[test]
fn packets_to_other_hosts_are_invisible_unless_they_are_the_target() {
    let other = "198.51.100.7".parse().unwrap();
    let mut plan = Plan {
        doors: vec![rule(), rule()],
        slots: vec![slot(0, 0, "1,2", false), slot(1, 1, "1,2", false)],
        ..small_plan()
    };
    plan.doors[1].target = Some(other);
    let mut lab = Lab::of(plan);
    let to_other: Vec<u64> = ["1", "2"]
        .iter()
        .flat_map(|port| {
            let hit = Hit { destination: other, ..lab.packet(ALICE, port) };
            opened(&lab.send(&hit))
        })
        .collect();
    assert_eq!(to_other, [1]);
    assert_eq!(lab.knock(&["1", "2"]), [0]);
}

#[test]
fn impossible_senders_open_nothing() {
    for source in ["192.0.2.1", "127.0.0.1", "0.0.0.0", "224.0.0.9"] {
        let mut lab = Lab::with(&["1,2"]);
        assert_eq!(lab.hit(source, "1"), [], "{source}");
    }
}

#[test]
fn a_loopback_destination_counts_on_the_loopback_interface_only() {
    let ours = "127.0.0.1".parse().unwrap();
    for by_loopback in [false, true] {
        let mut lab = Lab::with(&["1"]);
        lab.tracker.set_here(Here::Addresses([ours].into()));
        let hit = Hit { destination: ours, by_loopback, ..lab.packet(ALICE, "1") };
        assert_eq!(opened(&lab.send(&hit)).len(), usize::from(by_loopback));
    }
}

#[test]
fn ipv6_sources_knock_like_ipv4_ones() {
    let mut lab = Lab::with(&["1,2"]);
    lab.hit("2001:db8::2", "1");
    assert_eq!(opened(&lab.hit("2001:db8::2", "2")), [0]);
}

#[test]
fn ipv6_can_be_left_out() {
    let mut lab = Lab::with(&["1"]);
    lab.tracker.families = Families::Ipv4Only;
    assert_eq!(lab.hit("2001:db8::2", "1"), []);
    assert_eq!(lab.knock(&["1"]), [0]);
}

#[test]
fn our_own_addresses_knock_by_the_loopback_interface_only() {
    let mut lab = Lab::with(&["1"]);
    let hit = lab.packet("192.0.2.1", "1");
    assert_eq!(lab.send(&hit), []);
    assert_eq!(opened(&lab.send(&Hit { by_loopback: true, ..hit })), [0]);
}

#[path = "allow_tests.rs"]
mod allow;

#[path = "bound_tests.rs"]
mod bound_tests;

#[path = "exposure_tests.rs"]
mod exposure_tests;

#[path = "newcomer_tests.rs"]
mod newcomers;

mod against_chance {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever a stranger sends, a door opens only if its ports came from one source, in order, in time.
        #[test]
        fn no_opening_without_the_sequence_in_order(
            script in proptest::collection::vec((0usize..2, 0usize..5, 0u64..4), 1..60),
        ) {
            let ports = ["7000", "8000", "9000", "443", "22"];
            let mut lab = Lab::with(&["7000,8000,9000"]);
            let mut history: Vec<(u64, usize, &str)> = Vec::new();
            for (source, port, pause) in script {
                lab.now += pause;
                history.push((lab.now, source, ports[port]));
                if opened(&lab.hit([ALICE, BOB][source], ports[port])).is_empty() {
                    continue;
                }
                let start = lab.now.saturating_sub(TIMEOUT - 1);
                let mut wanted = ["7000", "8000", "9000"].iter().peekable();
                for (at, who, port) in &history {
                    if *at >= start && *who == source && wanted.peek() == Some(&port) {
                        wanted.next();
                    }
                }
                prop_assert!(wanted.peek().is_none(), "{:?}", history);
                history.retain(|(_, who, _)| *who != source);
            }
        }

        /// Noise on other ports and from other sources, and each hit sent twice, never keeps a rightful knock out.
        #[test]
        fn noise_never_locks_a_knocker_out(
            noise in proptest::collection::vec((0usize..2, 0usize..3), 0..40),
            doubled in any::<bool>(),
        ) {
            let mut lab = Lab::with(&["7000,8000,9000"]);
            let strays = ["443", "22", "8443"];
            let mut noise = noise.into_iter();
            let mut opening = Vec::new();
            for port in ["7000", "8000", "9000"] {
                for (source, stray) in noise.by_ref().take(13) {
                    lab.hit([ALICE, BOB][source], strays[stray]);
                    lab.hit(BOB, port);
                }
                let hit = lab.packet(ALICE, port);
                opening.extend(opened(&lab.send(&hit)));
                if doubled {
                    opening.extend(opened(&lab.send(&hit)));
                }
            }
            prop_assert_eq!(opening, vec![0]);
        }
    }
}

#[test]
fn whatever_ends_an_attempt_gives_back_what_was_remembered_of_it() {
    let guarded = |id, door, text, once| Slot {
        limit: Some(Limit { strays: 2, from_before: true }),
        ..slot(id, door, text, once)
    };
    let plan = |slots| Plan { doors: vec![rule(); 2], slots, max_sources: 6, ..Plan::default() };
    let steady = guarded(0, 0, "1,2,3", false);
    let lines = |from: u64| (from..from + 40).map(|id| guarded(id, 1, "1,2,4,5,6", true));
    let mut lab = Lab::of(plan([steady.clone()].into_iter().chain(lines(1)).collect()));
    let mut random = 1u32;
    for number in 0..3000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let source = format!("192.0.2.{}", 2 + (random >> 24) % 9);
        let port = [1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9][(random >> 12) as usize % 11].to_string();
        lab.hit(&source, &port);
        if number % 50 == 0 {
            lab.wait(TIMEOUT / 2);
        }
        if number == 1500 {
            lab.tracker.disarm(SlotId(0));
            lab.tracker.adopt(plan(lines(30).collect()));
            lab.tracker.arm(steady.clone());
        }
    }
    assert!(lab.tracker.identities.len() > 0, "nothing was remembered at all");
    lab.wait(TIMEOUT);
    assert_eq!((lab.tracker.attempts(), lab.tracker.identities.len()), (0, 0));
    let sources = &lab.tracker.table.sources;
    assert_eq!((sources.busy_strays(), sources.ports.len()), (0, sources.known_strays()));
}
