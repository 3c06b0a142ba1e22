//! Resynchronisation: knocks that were lost, more of them than the window forgives.

use crate::daemon::Daemon;
use crate::doors::{door, pad};
use crate::net::{CLIENT, Lab, OTHER};
use crate::once::{knock_line, knock_next, replay, syn};
use crate::pads::Pads;
use crate::wire::Wire;

/// How far ahead a line is noticed by default: beyond a window of five, a hundred.
const REACH: usize = 105;

fn started(test: &str, lines: usize, more: &str) -> Option<(Lab, Pads, Daemon)> {
    let lab = Lab::new(test)?;
    let pads = Pads::generate(&lab, "ssh", lines, &[]);
    let daemon = Daemon::start(&lab, &(door("ssh", &pad(&pads.server), "syn") + more));
    Some((lab, pads, daemon))
}

#[test]
fn thirty_lost_knocks_are_recovered_by_two_that_arrive() {
    let test = "thirty_lost_knocks_are_recovered_by_two_that_arrive";
    let Some((lab, pads, daemon)) = started(test, 40, "") else { return };
    pads.lose(30);
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "one line from beyond the window opened the door");
    pads.server_has_struck_only(&[30]);
    daemon.says("ssh: a sequence from beyond the window; the next one after it opens the door");

    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the second line in a row did not open the door");
    pads.server_has_struck(32);
    // Struck alone, the first of the two is none of those that were skipped.
    daemon.says("ssh: 30 skipped sequences struck too");

    replay(&lab, &pads, 0..32);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "a used or skipped line opened the door");
    pads.server_has_struck(32);
    knock_next(&lab, &pads);
    assert_eq!(daemon.openings(&lab, "ssh"), 2, "the next line did not open the door");
    pads.server_has_struck(33);
}

#[test]
fn whoever_is_more_than_a_hundred_lines_ahead_is_never_let_in() {
    let test = "whoever_is_more_than_a_hundred_lines_ahead_is_never_let_in";
    let Some((lab, pads, daemon)) = started(test, 112, "") else { return };
    pads.lose(REACH);
    for line in REACH..REACH + 4 {
        knock_next(&lab, &pads);
        assert_eq!(daemon.openings(&lab, "ssh"), 0, "line {line} opened the door");
    }
    pads.server_has_struck(0);

    // The last two that are near enough.
    knock_line(&lab, &pads, REACH - 2);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "a single line opened the door");
    pads.server_has_struck_only(&[REACH - 2]);
    knock_line(&lab, &pads, REACH - 1);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the last line that is near enough did not open the door");
    pads.server_has_struck(REACH);
}

#[test]
fn lines_of_two_sources_do_not_combine() {
    let Some((lab, pads, daemon)) = started("lines_of_two_sources_do_not_combine", 50, "") else { return };
    let knock_from = |source: &str, line| {
        Wire::with(&lab, |wire| {
            pads.ports(line).iter().for_each(|port| wire.send(&[], &syn(source, port)));
        });
    };
    knock_line(&lab, &pads, 30);
    knock_from(OTHER, 31);
    // The third in a row, and the second in a row of nobody.
    knock_line(&lab, &pads, 32);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "lines of two sources were taken together");
    pads.server_has_struck_only(&[30, 31, 32]);
    // Two of one source, but not in a row.
    knock_line(&lab, &pads, 35);
    knock_line(&lab, &pads, 37);
    knock_line(&lab, &pads, 34);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "lines that do not follow each other were taken together");
    pads.server_has_struck_only(&[30, 31, 32, 34, 35, 37]);

    knock_line(&lab, &pads, 38);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    daemon.says(&format!("{CLIENT}: ssh: OPEN SESAME"));
    pads.server_has_struck(39);
}

#[test]
fn lines_of_two_persons_do_not_combine() {
    let Some(lab) = Lab::new("lines_of_two_persons_do_not_combine") else { return };
    let [alice, bob] = ["alice", "bob"].map(|name| Pads::generate(&lab, name, 40, &[]));
    let both = format!("one_time_sequences = {}, {}", alice.server.display(), bob.server.display());
    let daemon = Daemon::start(&lab, &door("ssh", &both, "syn"));
    knock_line(&lab, &alice, 30);
    knock_line(&lab, &bob, 31);
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "lines of two persons were taken together");
    alice.server_has_struck_only(&[30]);
    bob.server_has_struck_only(&[31]);
    knock_line(&lab, &alice, 31);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the second line of alice did not open the door");
    alice.server_has_struck(32);
    bob.server_has_struck_only(&[31]);
}

#[test]
fn without_resynchronisation_nobody_is_let_in_from_beyond_the_window() {
    let test = "without_resynchronisation_nobody_is_let_in_from_beyond_the_window";
    let Some((lab, pads, daemon)) = started(test, 40, "    one_time_resync = 0\n") else { return };
    pads.lose(30);
    for _ in 0..3 {
        knock_next(&lab, &pads);
    }
    assert_eq!(daemon.openings(&lab, "ssh"), 0, "lines from beyond the window opened the door");
    pads.server_has_struck(0);
    knock_line(&lab, &pads, 4);
    assert_eq!(daemon.openings(&lab, "ssh"), 1, "the last line of the window did not open the door");
    pads.server_has_struck(5);
}
