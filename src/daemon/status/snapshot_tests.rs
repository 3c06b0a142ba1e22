use std::sync::Arc;

use super::*;
use crate::open::{DoorStanding, KeyStanding, LeaseStanding, PadStanding, Tally};
use crate::wire::Counters;

/// A daemon with something of everything; 1970 is 100,000 seconds ago.
pub(in super::super) fn snapshot() -> Snapshot {
    let at = |seconds| Moment::after_start(Duration::from_secs(seconds));
    let ssh: Arc<str> = "ssh".into();
    let alice: Arc<str> = "alice".into();
    let pad = |name: &str, left, low| PadStanding {
        name: name.into(),
        path: format!("/etc/knockd/{name}.pad").into(),
        left,
        low,
    };
    let key = |name: &str, next| KeyStanding {
        name: name.into(),
        path: format!("/etc/knockd/{name}.key").into(),
        next,
    };
    let standing = Standing {
        doors: vec![
            DoorStanding {
                label: Arc::clone(&ssh),
                tally: Tally {
                    openings: 12,
                    refusals: 1,
                    struck: 14,
                    last_opened: Some(at(90)),
                    last_refused: Some(at(80)),
                },
                pads: vec![
                    pad("alice", Some(3), true),
                    pad("bob", Some(4711), false),
                    pad("carol", None, false),
                ],
                keys: Vec::new(),
            },
            DoorStanding {
                label: "a \"quoted\"\\door".into(),
                tally: Tally::default(),
                pads: Vec::new(),
                keys: vec![key("dave", Some(42)), key("erin", None)],
            },
        ],
        leases: vec![LeaseStanding {
            door: ssh,
            source: "2001:db8::2".parse().unwrap(),
            pad: Some(alice),
            left: Duration::from_millis(75_900),
            failures: 0,
        }],
    };
    let capture = CaptureStatus {
        interfaces: vec![
            ("eth0".to_owned(), InterfaceState::Listening),
            ("wlan0".to_owned(), InterfaceState::Missing),
        ],
        process: Some((7, at(20))),
        counters: Some(Counters { packets: 1234, dropped: 5, guarded: 6 }),
    };
    let facts = Facts { config: "/etc/knockd.conf".to_owned(), dry_run: false, started: at(10) };
    let now = Now { moment: at(100), time: Timestamp::from_second(100_000).unwrap() };
    Snapshot::new(&facts, &standing, Some(&capture), now)
}

#[test]
fn the_document_has_the_names_that_are_documented_and_reads_back() {
    let snapshot = Snapshot { pid: 1, version: "1.0.0".to_owned(), ..snapshot() };
    let text = snapshot.text();
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot);
    // The example in the documents is this one.
    let documented = include_str!("../../../docs/status.md");
    let example = documented.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(text, example);
}

#[test]
fn what_nobody_says_is_null() {
    let facts = Facts { config: "c".to_owned(), dry_run: true, started: Moment::START };
    let now = Now { moment: Moment::START, time: Timestamp::from_second(5).unwrap() };
    let standing = Standing { doors: Vec::new(), leases: Vec::new() };
    let nobody = Snapshot::new(&facts, &standing, None, now);
    assert_eq!(nobody.capture, Capture::default());
    assert!(nobody.text().contains("\"packets_seen\": null"));
    let silent = CaptureStatus { interfaces: Vec::new(), process: Some((7, Moment::START)), counters: None };
    let silent = Snapshot::new(&facts, &standing, Some(&silent), now).capture;
    assert_eq!((silent.pid, silent.uptime_seconds, silent.packets_seen), (Some(7), Some(0), None));
}

#[test]
fn no_name_controls_a_terminal() {
    let odd = "a\u{1b}[2J\u{9b}31m\u{7f}\u{2028}\u{85}é";
    let snapshot = Snapshot { config: odd.to_owned(), ..snapshot() };
    let text = snapshot.text();
    assert!(text.chars().all(|char| char == '\n' || !(char.is_control() || char == '\u{2028}')), "{text:?}");
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot);
}
