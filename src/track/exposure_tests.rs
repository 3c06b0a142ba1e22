//! What a thief on the wire can do to a knock in the knocker's name, and what comes of the line.

use super::super::exposure::CROWD;
use super::*;

/// A tracker with one line of a pad, guarded as it would be.
fn lab(line: &str, once: bool) -> Lab {
    let limit = Limit::auto(&Sequence::parse(line).unwrap());
    let slots = vec![Slot { limit, ..slot(0, 0, line, once) }];
    Lab::of(Plan { doors: vec![rule()], slots, ..small_plan() })
}

fn exposed(whole: bool, crowded: bool) -> Report {
    Report::Exposed { slot: SlotId(0), source: ALICE.parse().unwrap(), whole, crowded }
}

impl Lab {
    /// What is said of shown lines and openings when ALICE's address hits these ports.
    fn outcome(&mut self, ports: &[&str]) -> Vec<Report> {
        let reports = ports.iter().flat_map(|port| self.hit(ALICE, port)).collect();
        outcomes(reports)
    }

    /// Lets that many strays to one port come from ALICE's address.
    fn flood(&mut self, packets: u32) {
        (0..packets).for_each(|_| drop(self.hit(ALICE, "60000")));
    }

    fn opens_for_bob(&mut self, ports: &[&str]) -> bool {
        ports.iter().any(|port| !opened(&self.hit(BOB, port)).is_empty())
    }
}

fn outcomes(reports: Vec<Report>) -> Vec<Report> {
    let is_outcome = |report: &Report| !report.is_for_the_log();
    reports.into_iter().filter(is_outcome).collect()
}

const LINE: &str = "100,7,3000,40,555";

#[test]
fn a_forged_hit_on_the_first_port_does_not_hide_that_the_line_was_shown() {
    let mut lab = lab(LINE, true);
    assert_eq!(lab.outcome(&["100", "7", "100", "3000", "40"]), []);
    assert_eq!(lab.outcome(&["555"]), [exposed(true, false)]);
    assert!(!lab.opens_for_bob(&["100", "7", "3000", "40", "555"]));
    assert_eq!(lab.wait(100), [], "it is reported once");
    assert_eq!(lab.tracker.attempts(), 0);
}

#[test]
fn a_forged_hit_on_a_later_port_does_not_hide_it_either() {
    let mut lab = lab(LINE, true);
    assert_eq!(lab.outcome(&["100", "7", "40", "3000", "40"]), []);
    assert_eq!(lab.outcome(&["555"]), [exposed(true, false)]);
    assert!(!lab.opens_for_bob(&["100", "7", "3000", "40", "555"]));
}

#[test]
fn however_the_attempt_is_disturbed_the_line_is_struck() {
    let disturbances: [&[&str]; 6] = [
        &["100", "100", "100"],
        &["40", "100", "555"],
        &["555", "40", "3000", "7", "100", "40"],
        &["100", "7", "40"],
        &["1", "2", "100"],
        &["555"],
    ];
    for forged in disturbances {
        for after in 2..=3 {
            let mut lab = lab(LINE, true);
            let hits = ["100", "7", "3000", "40", "555"];
            let script = [&hits[..after], forged, &hits[after..]].concat();
            assert_eq!(lab.outcome(&script), [exposed(true, false)], "{script:?}");
        }
    }
}

#[test]
fn a_guard_that_was_tripped_and_an_attempt_that_was_started_again_hide_nothing() {
    let mut lab = lab(LINE, true);
    lab.outcome(&["100", "7"]);
    for port in 20_000..20_065 {
        lab.hit(ALICE, &port.to_string());
    }
    assert_eq!(lab.outcome(&["100", "3000", "40", "555"]), [exposed(true, false)]);
}

#[test]
fn a_line_completed_under_the_guard_is_shown() {
    let mut lab = lab(LINE, true);
    lab.hit(ALICE, "100");
    for port in 20_000..20_065 {
        lab.hit(ALICE, &port.to_string());
    }
    assert_eq!(lab.outcome(&["7", "3000", "40", "555"]), [exposed(true, false)]);
}

#[test]
fn a_line_that_lacks_its_last_hit_when_its_time_is_up_is_shown() {
    for ports in [&["100", "7", "3000", "40"][..], &["100", "7", "40", "3000", "40"]] {
        let mut lab = lab(LINE, true);
        assert_eq!(lab.outcome(ports), []);
        assert_eq!(outcomes(lab.wait(TIMEOUT)), [exposed(false, false)], "{ports:?}");
        assert!(!lab.opens_for_bob(&["100", "7", "3000", "40", "555"]));
    }
}

#[test]
fn a_line_that_lacks_more_stays() {
    let mut lab = lab(LINE, true);
    assert_eq!(lab.outcome(&["100", "7", "100", "3000"]), []);
    assert_eq!(outcomes(lab.wait(TIMEOUT)), []);
    assert!(lab.opens_for_bob(&["100", "7", "3000", "40", "555"]));
}

#[test]
fn hits_in_another_order_show_nothing() {
    let mut lab = lab(LINE, true);
    assert_eq!(lab.outcome(&["100", "555", "40", "3000", "7"]), []);
    assert_eq!(outcomes(lab.wait(TIMEOUT)), []);
}

#[test]
fn a_restart_gives_the_knocker_the_whole_time_again() {
    let mut lab = lab(LINE, true);
    lab.outcome(&["100", "7"]);
    assert_eq!(lab.wait(TIMEOUT - 1), []);
    lab.outcome(&["100"]);
    assert_eq!(outcomes(lab.wait(TIMEOUT - 1)), []);
    assert_eq!(lab.outcome(&["3000", "40", "555"]), [exposed(true, false)]);
}

#[test]
fn what_was_shown_long_ago_counts_no_more() {
    let mut lab = lab(LINE, true);
    lab.outcome(&["100", "7", "40"]);
    lab.wait(TIMEOUT);
    assert_eq!(lab.outcome(&["3000", "40", "555"]), []);
    assert_eq!(outcomes(lab.wait(TIMEOUT)), []);
    assert!(lab.opens_for_bob(&["100", "7", "3000", "40", "555"]));
}

#[test]
fn what_others_have_shown_does_not_add_up() {
    let mut lab = lab(LINE, true);
    lab.outcome(&["100", "7", "100"]);
    lab.hit(BOB, "100");
    assert_eq!(outcomes(["3000", "40", "555"].iter().flat_map(|port| lab.hit(BOB, port)).collect()), []);
    assert_eq!(outcomes(lab.wait(TIMEOUT)), []);
}

#[test]
fn repeats_show_nothing_more() {
    let mut lab = lab("100,7,7,40,555", true);
    let second = lab.packet(ALICE, "7");
    lab.outcome(&["100"]);
    for _ in 0..3 {
        lab.send(&second);
    }
    assert_eq!(lab.outcome(&["100", "40"]), []);
    assert_eq!(lab.outcome(&["555"]), [], "port 7 was hit once");
    assert_eq!(outcomes(lab.wait(TIMEOUT)), []);
}

#[test]
fn a_knock_that_is_made_again_opens_and_is_not_called_shown() {
    let mut lab = lab(LINE, true);
    let script = ["100", "7", "100", "7", "3000", "40", "555"];
    let completed = Report::Completed { slot: SlotId(0), source: ALICE.parse().unwrap() };
    assert_eq!(lab.outcome(&script), [completed]);
    assert_eq!(lab.wait(TIMEOUT), []);
}

/// Scans would burn them too often.
#[test]
fn a_line_of_four_hits_stays() {
    let mut lab = lab("100,7,3000,40", true);
    assert_eq!(lab.outcome(&["100", "7", "100", "3000", "40"]), []);
    assert_eq!(outcomes(lab.wait(TIMEOUT)), []);
    assert!(lab.opens_for_bob(&["100", "7", "3000", "40"]));
}

#[test]
fn a_static_sequence_stays() {
    let mut lab = lab(LINE, false);
    assert_eq!(lab.outcome(&["100", "7", "100", "3000", "40", "555"]), []);
    assert_eq!(outcomes(lab.wait(TIMEOUT)), []);
    assert!(lab.opens_for_bob(&["100", "7", "3000", "40", "555"]));
}

/// A scanner shows most lines in that sense.  This is what it takes a thief to keep a line that was shown armed.
#[test]
fn more_than_ten_thousand_strays_hide_what_was_shown() {
    assert_eq!(CROWD, 10_000);
    // The first hit, which takes no attempt further, the forged one, 3000 and 40 are strays too.
    for (packets, expected) in [(CROWD - 4, vec![exposed(true, false)]), (CROWD - 3, vec![])] {
        let mut lab = lab(LINE, true);
        lab.outcome(&["100", "7"]);
        lab.flood(packets);
        assert_eq!(lab.outcome(&["100", "3000", "40", "555"]), expected);
        assert_eq!(lab.opens_for_bob(&["100", "7", "3000", "40", "555"]), expected.is_empty());
    }
}

#[test]
fn strays_from_before_the_first_hit_hide_nothing() {
    let mut lab = lab(LINE, true);
    lab.flood(CROWD + 1);
    assert_eq!(lab.outcome(&["100", "7", "100", "3000", "40", "555"]), [exposed(true, false)]);
}

#[test]
fn a_reload_hides_nothing_and_forgets_no_strays() {
    let limit = Limit::auto(&Sequence::parse(LINE).unwrap());
    let slots = vec![Slot { limit, ..slot(0, 0, LINE, true) }];
    let plan = Plan { doors: vec![rule()], slots, ..small_plan() };
    for (packets, expected) in [(10, vec![exposed(true, false)]), (CROWD, vec![])] {
        let mut lab = Lab::of(plan.clone());
        lab.flood(100);
        lab.outcome(&["100", "7"]);
        lab.flood(packets);
        lab.tracker.adopt(plan.clone());
        assert_eq!(lab.outcome(&["100", "3000", "40", "555"]), expected);
    }
}

#[test]
fn among_very_many_strays_a_line_in_strict_order_is_shown() {
    let mut lab = lab(LINE, true);
    lab.outcome(&["100", "7", "3000"]);
    for port in 20_000..20_065 {
        lab.hit(ALICE, &port.to_string());
    }
    lab.flood(CROWD);
    assert_eq!(lab.outcome(&["40", "555"]), [exposed(true, true)]);
}

#[test]
fn among_very_many_strays_a_line_in_strict_order_that_lacks_its_last_hit_is_shown() {
    for (ports, expected) in
        [(["100", "7", "3000", "40"], vec![exposed(false, true)]), (["7", "3000", "100", "40"], vec![])]
    {
        let mut lab = lab(LINE, true);
        lab.outcome(&["100"]);
        lab.flood(CROWD + 1);
        assert_eq!(lab.outcome(&ports), []);
        assert_eq!(outcomes(lab.wait(TIMEOUT)), expected, "{ports:?}");
    }
}

/// Where nothing is guarded strays are counted all the same.
#[test]
fn an_unguarded_line_is_followed_like_a_guarded_one() {
    for (packets, expected) in [(0, vec![exposed(true, false)]), (CROWD, vec![])] {
        let slots = vec![slot(0, 0, LINE, true)];
        let mut lab = Lab::of(Plan { doors: vec![rule()], slots, ..small_plan() });
        lab.outcome(&["100", "7"]);
        lab.flood(packets);
        assert_eq!(lab.outcome(&["100", "3000", "40", "555"]), expected);
    }
}
