//! What counts for which door, and that nothing is done.

use std::fs;

use crate::frames::Shot;
use crate::savefile::{Desk, KNOCKER, RAW, Savefile, TARGET, over_ipv6, tcp, udp};

fn knock() -> Savefile {
    Savefile::new(RAW).with(&[(0.0, tcp(7000)), (0.0, udp(8000)), (0.0, tcp(9000))])
}

fn to(target: &str, shot: Shot) -> Shot {
    Shot { target: target.parse().expect("an address"), ..shot }
}

#[test]
fn any_destination_counts_without_a_target() {
    let desk = Desk::with_door("");
    for target in ["192.0.2.1", "198.51.100.99", "127.0.0.1"] {
        let hits = [tcp(7000), udp(8000), tcp(9000)].map(|shot| (0.0, to(target, shot)));
        assert_eq!(desk.openings(&Savefile::new(RAW).with(&hits)), 1, "{target}");
    }
}

#[test]
fn a_target_is_honoured() {
    let desk = Desk::with_door("target = 192.0.2.77\n");
    assert_eq!(desk.openings(&knock()), 0);
    let hits = [tcp(7000), udp(8000), tcp(9000)].map(|shot| (0.0, to("192.0.2.77", shot)));
    assert_eq!(desk.openings(&Savefile::new(RAW).with(&hits)), 1);
    let mut partly = hits;
    partly[1].1 = to(TARGET, partly[1].1);
    assert_eq!(desk.openings(&Savefile::new(RAW).with(&partly)), 0, "one hit to another host");
}

#[test]
fn ipv6_can_be_left_out() {
    let desk = Desk::with_door("");
    let both = knock().with(&[tcp(7000), udp(8000), tcp(9000)].map(|shot| (0.0, over_ipv6(shot))));
    assert_eq!(desk.openings(&both), 2);
    let ran = desk.knockd(&["-4", "--read", "knock.pcap"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.out.matches("OPEN SESAME").count(), 1, "{}", ran.out);
    assert!(ran.out.contains(&format!("{KNOCKER}: door: OPEN SESAME")), "{}", ran.out);
}

#[test]
fn commands_are_printed_and_not_run() {
    let desk = Desk::new("");
    let mark = desk.path("mark");
    let config = format!(
        "[door]\nsequence = 7000,8000:udp,9000\ntcpflags = syn\ncommand = touch {0}\nstop_command = touch {0}\n",
        mark.display()
    );
    fs::write(desk.path("knockd.conf"), config).expect("the configuration");
    for args in [&["--read", "knock.pcap"][..], &["--read", "knock.pcap", "--dry-run"]] {
        fs::write(desk.path("knock.pcap"), knock().0).expect("the savefile");
        let ran = desk.knockd(args);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let would = format!("door: would run: touch {}\n", mark.display());
        assert_eq!(ran.out.matches(&would).count(), 2, "start and stop: {}", ran.out);
        assert!(!mark.exists(), "a command was run");
    }
}

#[test]
fn no_log_file_is_written() {
    let desk = Desk::new("");
    let door = "[door]\nsequence = 7000,8000:udp,9000\ntcpflags = syn\ncommand = true\n";
    let config = format!("[options]\nlogfile = {}\npidfile = {}\n{door}", "there.log", "there.pid");
    fs::write(desk.path("knockd.conf"), config).expect("the configuration");
    assert_eq!(desk.openings(&knock()), 1);
    assert!(!desk.path("there.log").exists() && !desk.path("there.pid").exists());
}

/// A door with this pad; the packets of a line differ in each knock, as those of a person's client do.
fn with_pad(pad: &str, more: &str) -> Desk {
    let desk =
        Desk::new(&format!("[door]\none_time_sequences = pad\ntcpflags = syn\ncommand = open %IP%\n{more}"));
    fs::write(desk.path("pad"), pad).expect("the pad");
    desk
}

fn knocks(lines: &[[u16; 3]]) -> Savefile {
    let mut savefile = Savefile::new(RAW);
    for (number, line) in (0_u16..).zip(lines) {
        for port in *line {
            let shot = Shot { source_port: 10_000 + number, ..tcp(port) };
            savefile.frame(f64::from(number), &shot.packet());
        }
    }
    savefile
}

const PAD: &str = " 7001,8001,9001\n# 7009,8009,9009\n 7002,8002,9002\n 7003,8003,9003\n 7004,8004,9004\n";
const FIRST: [u16; 3] = [7001, 8001, 9001];
const SECOND: [u16; 3] = [7002, 8002, 9002];
const THIRD: [u16; 3] = [7003, 8003, 9003];
const STRUCK: [u16; 3] = [7009, 8009, 9009];

#[test]
fn a_line_opens_once_and_the_pad_stays_as_it_is() {
    let desk = with_pad(PAD, "");
    let before = fs::metadata(desk.path("pad")).expect("the pad").modified().expect("its time");
    assert_eq!(desk.openings(&knocks(&[FIRST, FIRST])), 1, "the second knock is a replay");
    assert_eq!(fs::read_to_string(desk.path("pad")).expect("the pad"), PAD);
    assert_eq!(fs::metadata(desk.path("pad")).expect("the pad").modified().expect("its time"), before);
    assert_eq!(desk.openings(&knocks(&[FIRST])), 1, "nothing is remembered from the run before");
}

#[test]
fn the_window_moves_as_it_would() {
    assert_eq!(with_pad(PAD, "").openings(&knocks(&[FIRST, SECOND, THIRD])), 3);
    assert_eq!(with_pad(PAD, "").openings(&knocks(&[SECOND, FIRST])), 1, "a skipped line is used up");
    assert_eq!(with_pad(PAD, "").openings(&knocks(&[STRUCK])), 0);
    let strict = with_pad(PAD, "one_time_window = 1\n");
    assert_eq!(strict.openings(&knocks(&[SECOND])), 0);
    assert_eq!(strict.openings(&knocks(&[FIRST, SECOND])), 2);
}
