//! Warnings of doors that a scan could open.

use super::*;

/// What is said of a file with these options and a door with this sequence, which stand in lines 2 and 4.
fn said(option: &str, sequence: &str) -> Vec<String> {
    let text = format!("[options]\n{option}\n[d]\nsequence = {sequence}\ntcpflags = syn\ncommand = x\n");
    good(&text);
    lines(&text)
}

const ROW: &str = "t.conf:4:12: a scan in order of ports hits these nearly in a row (the scan guard stops those who hit \
                   more than";
const OFF: &str = "t.conf:2:14: without the scan guard a scan of all ports can open doors (auto suits";

#[test]
fn one_hit_is_said_to_open_to_anybody() {
    for (sequence, message) in [
        (
            "7000",
            "anybody who connects to port 7000 opens it: a one-hit door cannot be guarded against scans",
        ),
        ("7000:udp", "anybody who sends a datagram to port 7000 opens it"),
        ("7000\nallow = 192.0.2.0/24", "anybody it allows who connects to port 7000 opens it"),
    ] {
        let said = said("", sequence);
        assert!(said.len() == 1 && said[0].starts_with(&format!("t.conf:4:12: {message}")), "{said:?}");
        assert!(said[0].ends_with("(choose three ports or more that are out of order and far apart)"));
    }
}

#[test]
fn ports_nearly_in_a_row_are_said_to_be_what_scans_hit() {
    // 64 ports left out in between are the most that count as nearly in a row.
    for sequence in ["2122,2123,2124", "9,8", "1,2:udp,66", "66,1"] {
        let said = said("", sequence);
        assert!(said.len() == 1 && said[0].starts_with(&format!("{ROW} 5 other ports")), "{said:?}");
        assert!(said[0].ends_with("choose ports that are out of order and far apart)"), "{said:?}");
    }
    for sequence in ["2123,2122,2124", "67,1", "1,9,5", "7000,8000,9000", "7000,7000"] {
        assert_eq!(said("", sequence), [""; 0], "{sequence}");
    }
    assert!(said("scan_guard = 12", "1,2,3")[0].starts_with(&format!("{ROW} 12 other ports")));
}

#[test]
fn a_guard_that_is_off_is_said_once_where_it_is_turned_off() {
    for sequence in ["1,9,5", "1,2,3", "1,2,3\ntcpflags = syn\ncommand = x\n[e]\nsequence = 1,2"] {
        let said = said("scan_guard = OFF # for a while", sequence);
        let said: Vec<_> = said.iter().filter(|said| !said.contains("a comment after")).collect();
        assert!(said.len() == 1 && said[0].starts_with(OFF), "{said:?}");
    }
    // One hit is unguarded in any case.
    let said = said("scan_guard = off", "1");
    assert!(
        said.len() == 2 && said[0].starts_with(OFF) && said[1].starts_with("t.conf:4:12: anybody"),
        "{said:?}"
    );
}

#[test]
fn one_time_doors_draw_no_such_warning() {
    assert_eq!(lines("[d]\none_time_sequences = /p\ntcpflags = syn\ncommand = x\n"), [""; 0]);
}

#[test]
fn the_caret_is_under_the_value_alone() {
    for (name, text, caret) in [
        ("t.conf", "[d]\nsequence = 12,34 # both\ntcpflags = syn\ncommand = x\n", "           ^^^^^\n"),
        ("t.toml", "[d]\nsequence = [12, 34]\ntcpflags = 'syn'\ncommand = 'x'\n", "           ^^^^^^^^\n"),
        ("t.toml", "[d]\nsequence = '12,34'\ntcpflags = 'syn'\ncommand = 'x'\n", "            ^^^^^\n"),
    ] {
        let shown = parse(name, text.as_bytes()).1.render(false);
        assert!(shown.contains(&format!("  | {caret}")), "{shown}");
    }
}
