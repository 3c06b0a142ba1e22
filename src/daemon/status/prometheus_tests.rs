use std::collections::{HashMap, HashSet};

use super::super::snapshot::tests::snapshot;
use super::*;

/// Whether this is a name of a metric or, without colons, of a label.
fn is_name(text: &str) -> bool {
    text.bytes()
        .enumerate()
        .all(|(at, byte)| byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()))
        && !text.is_empty()
}

/// The labels in front of the closing brace, and what follows it.
fn labels(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut labels = Vec::new();
    loop {
        let (name, after) = rest.split_once("=\"").expect("a label");
        assert!(is_name(name), "{name}");
        let (mut value, mut end) = (String::new(), None);
        let mut chars = after.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    end = Some(at + 1);
                    break;
                }
                '\\' => value.push(match chars.next().expect("what is escaped").1 {
                    'n' => '\n',
                    char @ ('\\' | '"') => char,
                    char => panic!("\\{char}"),
                }),
                char => value.push(char),
            }
        }
        labels.push((name.to_owned(), value));
        rest = &after[end.expect("a closing quote")..];
        match rest.split_at(1) {
            (",", after) => rest = after,
            ("}", after) => return (labels, after),
            (other, _) => panic!("{other}"),
        }
    }
}

type Sample = (String, Vec<(String, String)>);

/// What a page says, if it keeps to the format: each metric in one block under its HELP and TYPE, each sample once.
fn parsed(page: &str) -> HashMap<Sample, f64> {
    assert!(page.ends_with('\n'));
    let (mut seen, mut samples) = (HashSet::new(), HashMap::new());
    let (mut current, mut kind) = ("", "");
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            current = help.split_once(' ').expect("words of help").0;
            assert!(is_name(current) && seen.insert(current), "{current} comes twice");
            let declared =
                lines.next().and_then(|line| line.strip_prefix("# TYPE ")).expect("a type behind the help");
            let (name, declared) = declared.split_once(' ').expect("a type");
            assert_eq!(name, current);
            assert!(matches!(declared, "gauge" | "counter"), "{declared}");
            assert_eq!(declared == "counter", name.ends_with("_total"), "{name}");
            kind = declared;
            continue;
        }
        let at = line.find(['{', ' ']).expect("a value");
        let (name, rest) = line.split_at(at);
        assert_eq!(name, current, "outside of its block");
        let (labels, rest) = rest.strip_prefix('{').map_or((Vec::new(), rest), labels);
        let value: f64 = rest.strip_prefix(' ').expect("a blank").parse().expect("a number");
        assert!(kind == "gauge" || value >= 0.0);
        assert!(samples.insert((name.to_owned(), labels), value).is_none(), "{line} comes twice");
    }
    samples
}

fn value(samples: &HashMap<Sample, f64>, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    samples.get(&(name.to_owned(), labels)).copied()
}

#[test]
fn a_page_keeps_to_the_format_and_says_what_the_daemon_says() {
    let samples = parsed(&prometheus(&snapshot()));
    let of = |name: &str, labels: &[(&str, &str)]| value(&samples, name, labels);
    assert_eq!(of("knockd_up", &[]), Some(1.0));
    assert_eq!(of("knockd_start_time_seconds", &[]), Some(99_910.0));
    assert_eq!(of("knockd_interface_up", &[("interface", "eth0")]), Some(1.0));
    assert_eq!(of("knockd_interface_up", &[("interface", "wlan0")]), Some(0.0));
    assert_eq!(of("knockd_packets_seen_total", &[]), Some(1234.0));
    assert_eq!(of("knockd_packets_dropped_total", &[]), Some(5.0));
    assert_eq!(of("knockd_scan_guard_hits_total", &[]), Some(6.0));
    assert_eq!(of("knockd_door_openings_total", &[("door", "ssh")]), Some(12.0));
    assert_eq!(of("knockd_door_refusals_total", &[("door", "ssh")]), Some(1.0));
    assert_eq!(of("knockd_door_lines_struck_total", &[("door", "ssh")]), Some(14.0));
    assert_eq!(of("knockd_door_last_opened_timestamp_seconds", &[("door", "ssh")]), Some(99_990.0));
    assert_eq!(of("knockd_door_open", &[("door", "ssh")]), Some(1.0));
    assert_eq!(of("knockd_door_openings_total", &[("door", "a \"quoted\"\\door")]), Some(0.0));
    let pad = |name: &'static str, path: &'static str| [("door", "ssh"), ("pad", name), ("path", path)];
    assert_eq!(of("knockd_pad_lines_left", &pad("alice", "/etc/knockd/alice.pad")), Some(3.0));
    assert_eq!(of("knockd_pad_lines_left", &pad("carol", "/etc/knockd/carol.pad")), None);
    assert_eq!(of("knockd_pad_readable", &pad("carol", "/etc/knockd/carol.pad")), Some(0.0));
    let key = |name, path| [("door", "a \"quoted\"\\door"), ("key", name), ("path", path)];
    assert_eq!(of("knockd_key_ready", &key("dave", "/etc/knockd/dave.key")), Some(1.0));
    assert_eq!(of("knockd_key_ready", &key("erin", "/etc/knockd/erin.key")), Some(0.0));
}

#[test]
fn counters_that_nobody_has_said_are_left_out_and_not_zero() {
    let mut status = snapshot();
    status.capture.packets_seen = None;
    let samples = parsed(&prometheus(&status));
    assert_eq!(value(&samples, "knockd_packets_seen_total", &[]), None);
    assert_eq!(value(&samples, "knockd_capture_up", &[]), Some(0.0));
}

#[test]
fn any_name_comes_through() {
    let mut status = snapshot();
    let odd = "\\\"\n\\n{},=é\u{1b}";
    status.config = odd.to_owned();
    status.doors[0].name = odd.to_owned();
    let samples = parsed(&prometheus(&status));
    assert_eq!(value(&samples, "knockd_door_openings_total", &[("door", odd)]), Some(12.0));
}

#[test]
fn a_daemon_that_does_not_answer_is_down() {
    let samples = parsed(DOWN);
    assert_eq!((samples.len(), value(&samples, "knockd_up", &[])), (1, Some(0.0)));
}
