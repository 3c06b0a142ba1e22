//! Doors that see some people's hits only.

use ipnet::IpNet;

use super::*;
use crate::networks::Networks;

/// Between the two there is nothing but the last bit.
const EVE: &str = "192.0.2.3";
const ALICE_6: &str = "2001:db8::2";
const EVE_6: &str = "2001:db8::3";

fn networks(list: &[&str]) -> Option<Networks> {
    Networks::of(&list.iter().map(|network| network.parse().unwrap()).collect())
}

fn allowing(list: &[&str]) -> DoorRule {
    DoorRule { allow: networks(list), ..rule() }
}

/// A door for these with one guarded sequence.
fn plan(allow: &[&str], sequence: &str) -> Plan {
    let mut slot = slot(0, 0, sequence, false);
    slot.limit = Limit::auto(&slot.sequence);
    Plan { doors: vec![allowing(allow)], slots: vec![slot], ..small_plan() }
}

impl Lab {
    fn knock_from(&mut self, source: &str, ports: &[&str]) -> Vec<u64> {
        ports.iter().flat_map(|port| opened(&self.hit(source, port))).collect()
    }
}

#[test]
fn only_those_who_are_allowed_begin_an_attempt() {
    let mut lab = Lab::of(plan(&["192.0.2.2/32", "2001:db8::2/128"], "1,2,3"));
    for source in [EVE, EVE_6] {
        assert_eq!(lab.hit(source, "1"), [], "{source}");
        assert_eq!(lab.tracker.attempts(), 0, "{source}");
        assert_eq!(lab.knock_from(source, &["1", "2", "3"]), [0; 0], "{source}");
    }
    for source in [ALICE, ALICE_6] {
        assert_eq!(lab.knock_from(source, &["1", "2", "3"]), [0], "{source}");
    }
}

#[test]
fn a_door_for_one_family_is_shut_to_the_other() {
    for (allow, inside, outside) in [("0.0.0.0/0", ALICE, ALICE_6), ("::/0", ALICE_6, ALICE)] {
        let mut lab = Lab::of(plan(&[allow], "1,2,3"));
        assert_eq!(lab.knock_from(outside, &["1", "2", "3"]), [0; 0], "{allow}");
        assert_eq!(lab.knock_from(inside, &["1", "2", "3"]), [0], "{allow}");
    }
}

#[test]
fn a_hit_from_elsewhere_neither_advances_nor_restarts_nor_ends_an_attempt() {
    for port in ["3", "1", "4"] {
        let mut lab = Lab::of(plan(&["192.0.2.2/32"], "1,2,3,4"));
        lab.knock(&["1", "2"]);
        lab.tracker.adopt(plan(&["192.0.2.3/32"], "1,2,3,4"));
        assert_eq!(lab.hit(ALICE, port), [], "{port}");
        lab.tracker.adopt(plan(&["192.0.2.2/32"], "1,2,3,4"));
        assert_eq!(lab.hit(ALICE, "3"), [stage(0, 3)], "{port}");
        assert_eq!(lab.knock(&["4"]), [0], "{port}");
    }
}

const STRAYS: [&str; 9] = ["21", "22", "23", "24", "25", "26", "27", "28", "29"];

#[test]
fn a_packet_that_no_door_sees_is_no_stray() {
    for (allow, opens) in [("192.0.2.3/32", true), ("192.0.2.2/32", false)] {
        let mut lab = Lab::of(plan(&[allow], "1,2"));
        lab.knock(&STRAYS);
        lab.tracker.adopt(plan(&["192.0.2.2/32"], "1,2"));
        assert_eq!(!lab.knock(&["1", "2"]).is_empty(), opens, "{allow}");
    }
}

#[test]
fn a_packet_that_another_door_sees_is_a_stray() {
    let mut plan = plan(&["192.0.2.2/32"], "1,2");
    plan.doors.push(allowing(&["192.0.2.3/32"]));
    plan.slots.push(Slot { id: SlotId(1), door: 1, ..plan.slots[0].clone() });
    let mut lab = Lab::of(plan);
    lab.knock_from(EVE, &STRAYS);
    assert_eq!(lab.knock_from(EVE, &["1", "2"]), [0; 0]);
    assert_eq!(lab.knock_from(ALICE, &["1", "2"]), [0], "her door is not affected");
    lab.wait(2 * TIMEOUT);
    assert_eq!(lab.knock_from(EVE, &["1", "2"]), [1], "each has a door of their own");
}

#[test]
fn doors_for_the_same_people_are_looked_at_as_one() {
    let halves: &[&str] = &["192.0.2.128/25", "192.0.2.0/25"];
    let doors = [&["192.0.2.0/24"], halves, &["192.0.2.0/25"], &["192.0.2.0/24"]];
    let doors = doors.into_iter().map(allowing).chain([rule(), rule()]).collect();
    let lab = Lab::of(Plan { doors, ..small_plan() });
    assert_eq!(lab.tracker.views.len(), 3);
    let views: Vec<usize> = lab.tracker.doors.iter().map(|door| door.view).collect();
    assert_eq!(views, [0, 0, 1, 0, 2, 2]);
}

#[test]
fn a_long_list_is_searched_and_not_gone_through() {
    let every_other = (0..=u16::MAX).step_by(2).map(|i| {
        let [a, b] = i.to_be_bytes();
        IpNet::new([10, a, b, 0].into(), 24).unwrap()
    });
    let allow = Networks::of(&every_other.collect());
    assert_eq!(allow.as_ref().map(|networks| networks.as_slice().len()), Some(32_768));
    let mut plan = plan(&[], "1");
    plan.doors[0].allow = allow;
    let mut lab = Lab::of(plan);
    for (source, opens) in
        [("10.0.0.0", true), ("10.0.1.0", false), ("10.255.254.255", true), ("10.255.255.0", false)]
    {
        assert_eq!(!lab.knock_from(source, &["1"]).is_empty(), opens, "{source}");
    }
}
