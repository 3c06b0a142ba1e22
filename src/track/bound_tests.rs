//! Sequences that are other ones for each source.

use seqgen::derive::CounterKey;
use seqgen::generate::{Pool, PortRange, Protocols, Shape};

use super::*;

const EVE: &str = "192.0.2.66";
const ALICE_6: &str = "2001:db8::2";

fn form(length: usize, protocols: Protocols) -> Arc<Form> {
    let pool = Pool::new(&[PortRange::UNPRIVILEGED], &[]);
    Arc::new(Form::new(Shape { length, protocols, pool }).unwrap())
}

fn key(number: u8) -> CounterKey {
    CounterKey::from_bytes(&[number; 32])
}

fn bound(id: u64, number: u8) -> BoundSlot {
    let limit = Some(Limit { strays: 64, from_before: false });
    BoundSlot { id: SlotId(id), door: 0, key: key(number), form: 0, limit }
}

fn plan(form: Arc<Form>, bound: Vec<BoundSlot>) -> Plan {
    Plan { doors: vec![rule()], forms: vec![form], bound, ..small_plan() }
}

/// What this source is to hit.
fn ports(number: u8, form: &Form, source: &str) -> Vec<String> {
    let sequence = key(number).sequence(form, Some(source.parse().unwrap()));
    sequence.steps().iter().map(Step::to_string).collect()
}

impl Lab {
    fn hits(&mut self, source: &str, ports: &[String]) -> Vec<u64> {
        ports.iter().flat_map(|port| opened(&self.hit(source, port))).collect()
    }
}

#[test]
fn each_source_opens_with_what_follows_for_it() {
    for protocols in [Protocols::Tcp, Protocols::Udp, Protocols::Mixed] {
        for source in [ALICE, ALICE_6] {
            let form = form(5, protocols);
            let mut lab = Lab::of(plan(Arc::clone(&form), vec![bound(7, 1)]));
            assert_eq!(lab.hits(source, &ports(1, &form, source)), [7], "{source} {protocols:?}");
            assert_eq!(lab.hits(source, &ports(1, &form, source)), [0; 0], "it works once");
        }
    }
}

#[test]
fn each_stage_is_reported_as_of_any_sequence() {
    let form = form(3, Protocols::Tcp);
    let mut lab = Lab::of(plan(Arc::clone(&form), vec![bound(0, 1)]));
    let reports: Vec<Report> = ports(1, &form, ALICE).iter().flat_map(|port| lab.hit(ALICE, port)).collect();
    let completed = Report::Completed { slot: SlotId(0), source: ALICE.parse().unwrap() };
    assert_eq!(reports, [stage(0, 1), stage(0, 2), stage(0, 3), completed]);
}

#[test]
fn what_somebody_else_is_to_hit_opens_nothing() {
    let form = form(5, Protocols::Tcp);
    let mut lab = Lab::of(plan(Arc::clone(&form), vec![bound(7, 1)]));
    let stolen = ports(1, &form, ALICE);
    // All but the last hit were seen, and the thief is faster.
    assert_eq!(lab.hits(ALICE, &stolen[..4]), [0; 0]);
    assert_eq!(lab.hits(EVE, &stolen), [0; 0]);
    assert_eq!(lab.hits(EVE, &ports(1, &form, ALICE_6)), [0; 0]);
    let unbound: Vec<String> = key(1).sequence(&form, None).steps().iter().map(Step::to_string).collect();
    assert_eq!(lab.hits(EVE, &unbound), [0; 0]);
    assert_eq!(lab.hits(ALICE, &stolen[4..]), [7], "it is still good for whom it is");
}

#[test]
fn sources_knock_at_once_without_a_word_of_each_other() {
    let form = form(4, Protocols::Tcp);
    let slots = vec![bound(1, 1), bound(2, 2)];
    let mut lab = Lab::of(plan(Arc::clone(&form), slots));
    let (alice, bob) = (ports(1, &form, ALICE), ports(2, &form, BOB));
    let mut opens = Vec::new();
    for (one, other) in alice.iter().zip(&bob) {
        opens.extend(opened(&lab.hit(ALICE, one)));
        opens.extend(opened(&lab.hit(BOB, other)));
    }
    assert_eq!(opens, [1, 2]);
}

#[test]
fn the_rules_of_matching_hold_for_them_too() {
    let form = form(5, Protocols::Tcp);
    let mut lab = Lab::of(plan(Arc::clone(&form), vec![bound(7, 1)]));
    let ours = ports(1, &form, ALICE);
    lab.hits(ALICE, &ours[..3]);
    assert_eq!(lab.hits(ALICE, &ours[2..3]), [0; 0], "the last hit again");
    assert_eq!(lab.hits(ALICE, &["22".to_owned()]), [0; 0], "a stray");
    assert_eq!(lab.hits(ALICE, &ours[3..]), [7]);

    let mut lab = Lab::of(plan(Arc::clone(&form), vec![bound(7, 1)]));
    lab.hits(ALICE, &ours[..3]);
    lab.hits(ALICE, &ours[4..]);
    assert_eq!(lab.hits(ALICE, &ours[3..4]), [0; 0], "another port of the sequence has ended the attempt");
    assert_eq!(lab.hits(ALICE, &ours), [7], "the first port begins it again");

    let mut lab = Lab::of(plan(Arc::clone(&form), vec![bound(7, 1)]));
    lab.hits(ALICE, &ours[..4]);
    let timed_out = Report::TimedOut { slot: SlotId(7), source: ALICE.parse().unwrap(), stage: 4 };
    assert!(lab.wait(TIMEOUT).contains(&timed_out));
    assert_eq!(lab.hits(ALICE, &ours[4..]), [0; 0]);
}

#[test]
fn one_that_was_shown_is_reported_and_gone() {
    let form = form(5, Protocols::Tcp);
    let mut lab = Lab::of(plan(Arc::clone(&form), vec![bound(7, 1)]));
    let ours = ports(1, &form, ALICE);
    lab.hits(ALICE, &ours[..4]);
    let exposed =
        |whole| Report::Exposed { slot: SlotId(7), source: ALICE.parse().unwrap(), whole, crowded: false };
    assert!(lab.wait(TIMEOUT).contains(&exposed(false)), "all but the last");
    assert_eq!(lab.hits(ALICE, &ours), [0; 0]);

    let mut lab = Lab::of(plan(Arc::clone(&form), vec![bound(7, 1)]));
    lab.hits(ALICE, &ours[..2]);
    let strays: Vec<String> = (1..=65).map(|port| port.to_string()).collect();
    lab.hits(ALICE, &strays);
    let reports: Vec<Report> = ours[2..].iter().flat_map(|port| lab.hit(ALICE, port)).collect();
    assert_eq!(reports, [exposed(true)], "the guard had ended it");
}

#[test]
fn its_own_ports_are_no_strays() {
    let form = form(32, Protocols::Tcp);
    let slot = BoundSlot { limit: Some(Limit { strays: 5, from_before: false }), ..bound(7, 1) };
    let mut lab = Lab::of(plan(Arc::clone(&form), vec![slot]));
    assert_eq!(lab.hits(ALICE, &ports(1, &form, ALICE)), [7]);
}

#[test]
fn attempts_go_on_with_a_plan_that_has_the_slot_too() {
    let form = form(5, Protocols::Tcp);
    let slots = vec![bound(7, 1)];
    let mut lab = Lab::of(plan(Arc::clone(&form), slots.clone()));
    let ours = ports(1, &form, ALICE);
    lab.hits(ALICE, &ours[..3]);
    lab.tracker.adopt(plan(Arc::clone(&form), slots));
    assert_eq!(lab.hits(ALICE, &ours[3..]), [7]);

    let mut lab = Lab::of(plan(Arc::clone(&form), vec![bound(7, 1)]));
    lab.hits(ALICE, &ours[..3]);
    lab.tracker.disarm(SlotId(7));
    assert_eq!(lab.hits(ALICE, &ours[3..]), [0; 0], "disarmed");
    assert_eq!(lab.tracker.attempts(), 1, "which is forgotten in its time");
    lab.wait(TIMEOUT);
    assert_eq!(lab.tracker.attempts(), 0);
    assert!(!lab.tracker.table.has_own(), "and so is where it was to be found");
}

#[test]
fn nothing_is_derived_for_whoever_sends_one_packet() {
    let form = form(5, Protocols::Tcp);
    let mut lab = Lab::of(plan(Arc::clone(&form), vec![bound(7, 1)]));
    let first = ports(1, &form, ALICE).remove(0);
    for number in 0..900 {
        lab.hit(&format!("198.51.{}.{}", number / 250, number % 250 + 1), &first);
    }
    assert_eq!(lab.tracker.attempts(), 900);
    assert!(!lab.tracker.table.has_own());
    lab.hit("198.51.0.1", "22");
    assert!(lab.tracker.table.has_own(), "a second packet is what it takes");
}

#[test]
fn what_no_plan_has_is_left_out() {
    let form = form(5, Protocols::Tcp);
    let (no_form, no_door) = (BoundSlot { form: 1, ..bound(1, 1) }, BoundSlot { door: 1, ..bound(2, 2) });
    let mut lab = Lab::of(plan(Arc::clone(&form), vec![no_form, no_door]));
    assert_eq!(lab.hits(ALICE, &ports(1, &form, ALICE)), [0; 0]);
    assert_eq!(lab.hits(ALICE, &ports(2, &form, ALICE)), [0; 0]);
}
