//! The packets' own times decide, not how long reading takes.

use crate::frames::Shot;
use crate::savefile::{Desk, KNOCKER, RAW, Savefile, tcp, udp};

/// A knock whose hits come at these seconds.
fn knock(at: [f64; 3]) -> Savefile {
    Savefile::new(RAW).with(&[(at[0], tcp(7000)), (at[1], udp(8000)), (at[2], tcp(9000))])
}

#[test]
fn a_knock_spread_over_an_hour_times_out() {
    let said = Desk::with_door("seq_timeout = 5\n").lines(&knock([0.0, 1800.0, 3600.0]));
    assert_eq!(
        said,
        [
            format!("03:04:05] {KNOCKER}: door: Stage 1"),
            format!("03:04:10] {KNOCKER}: door: sequence timeout (stage 1)"),
        ]
    );
}

#[test]
fn the_timeout_is_exact_to_the_microsecond() {
    let desk = Desk::with_door("seq_timeout = 5\n");
    assert_eq!(desk.openings(&knock([0.9, 3.0, 5.899_999])), 1);
    assert_eq!(desk.openings(&knock([0.9, 3.0, 5.9])), 0);
}

#[test]
fn an_attempt_under_way_at_the_end_times_out_there() {
    let cut = Savefile::new(RAW).with(&[(0.0, tcp(7000)), (1.0, udp(8000))]);
    let said = Desk::with_door("seq_timeout = 5\n").lines(&cut);
    assert_eq!(said[2..], [format!("03:04:10] {KNOCKER}: door: sequence timeout (stage 2)"),]);
}

#[test]
fn packets_out_of_order_keep_the_order_of_the_file() {
    let desk = Desk::with_door("seq_timeout = 5\n");
    assert_eq!(desk.openings(&knock([10.0, 2.0, 12.0])), 1, "a packet stamped early");
    assert_eq!(desk.openings(&knock([10.0, 9.999_999, 9.0])), 1, "times that run backwards");
    assert_eq!(desk.openings(&knock([0.0, 9.0, 1.0])), 0, "time does not go back to before a timeout");
    let times: Vec<_> =
        desk.lines(&knock([10.0, 2.0, 12.0])).iter().map(|line| line[..8].to_owned()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

fn with_stop_command() -> Desk {
    Desk::with_door("stop_command = shut %IP%\ncmd_timeout = 10m\n")
}

#[test]
fn a_stop_command_falls_due_by_the_packets_clock() {
    let mut savefile = knock([0.0, 0.0, 0.0]);
    savefile.frame(900.0, &tcp(1).packet());
    let said = with_stop_command().lines(&savefile);
    assert_eq!(
        said[4..],
        [
            format!("03:04:05] door: would run: open {KNOCKER}"),
            format!("03:14:05] {KNOCKER}: door: command timeout"),
            format!("03:14:05] door: would run: shut {KNOCKER}"),
        ]
    );
}

#[test]
fn a_stop_command_that_is_due_after_the_last_packet_shows_at_its_time() {
    let said = with_stop_command().lines(&knock([0.0, 0.0, 0.0]));
    assert_eq!(
        said[5..7],
        [
            format!("03:14:05] {KNOCKER}: door: command timeout"),
            format!("03:14:05] door: would run: shut {KNOCKER}"),
        ]
    );
}

#[test]
fn a_door_that_is_knocked_again_while_it_is_open_closes_later() {
    let again = |shot: Shot| Shot { source_port: shot.source_port ^ 1, ..shot };
    let savefile = knock([0.0, 0.0, 0.0]).with(&[
        (300.0, again(tcp(7000))),
        (300.0, again(udp(8000))),
        (300.0, again(tcp(9000))),
    ]);
    let said = with_stop_command().lines(&savefile);
    assert_eq!(said.iter().filter(|line| line.contains("OPEN SESAME")).count(), 2);
    let closings: Vec<_> = said.iter().filter(|line| line.contains("command timeout")).collect();
    assert_eq!(closings, [&format!("03:19:05] {KNOCKER}: door: command timeout")]);
}
