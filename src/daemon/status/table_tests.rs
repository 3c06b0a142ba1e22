use super::super::snapshot::tests::snapshot;
use super::*;

#[test]
fn columns_are_aligned_and_without_a_terminal_there_is_no_colour() {
    let text = table(&snapshot(), false);
    assert!(!text.contains('\x1b'), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    for line in [
        "configuration /etc/knockd.conf",
        "packets seen 1234, dropped 5; attempts ended by the scan guard 6; in the last 1 min 20 s",
        "INTERFACE  STATE",
        "eth0       listening",
        "wlan0      missing",
        "DOOR             OPENED  REFUSED  LAST OPENED",
        "a \"quoted\"\\door       0        0  -",
        "OPEN  FOR          BY PAD  CLOSES",
        "ssh   2001:db8::2  alice   in 1 min 15 s",
        "PAD    DOOR  LEFT  FILE",
        "alice  ssh      3  /etc/knockd/alice.pad",
        "bob    ssh   4711  /etc/knockd/bob.pad",
        "carol  ssh      ?  /etc/knockd/carol.pad",
        "KEY   DOOR             NEXT  FILE",
        "dave  a \"quoted\"\\door    42  /etc/knockd/dave.key",
        "erin  a \"quoted\"\\door     ?  /etc/knockd/erin.key",
    ] {
        assert!(lines.contains(&line), "{line:?} is missing from\n{text}");
    }
    assert!(lines[0].contains(", up for 1 min 30 s, since 19"), "{text}");
}

#[test]
fn colours_change_nothing_else() {
    let coloured = table(&snapshot(), true);
    assert!(
        coloured.contains("\x1b[32mlistening\x1b[0m") && coloured.contains("\x1b[31m?\x1b[0m"),
        "{coloured:?}"
    );
    let mut plain = coloured;
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"] {
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, table(&snapshot(), false));
}

#[test]
fn a_capture_process_that_says_nothing_and_names_that_control_terminals_are_shown_as_such() {
    let mut status = snapshot();
    status.capture.packets_seen = None;
    assert!(table(&status, false).contains("does not say how much it has seen"));
    status.capture.pid = None;
    status.pads[0].path = "/p/\u{1b}[2J\u{9b}".to_owned();
    let text = table(&status, false);
    assert!(text.contains("there is no capture process"));
    assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
}

#[test]
fn spans_are_told_in_their_largest_units() {
    let spans = [0, 59, 60, 61, 3600, 3661, 86_400 + 60, 90_000 + 59].map(span);
    assert_eq!(spans, ["0 s", "59 s", "1 min", "1 min 1 s", "1 h", "1 h 1 min", "1 d", "1 d 1 h"]);
}
