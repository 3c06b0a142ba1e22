//! Files that cannot be read, each with its own plain words.

use std::fs;

use crate::savefile::{Desk, ETHERNET, KNOCKER, RAW, Ran, Savefile, tcp, udp};

fn knock() -> Savefile {
    Savefile::new(RAW).with(&[(0.0, tcp(7000)), (0.0, udp(8000)), (0.0, tcp(9000))])
}

#[track_caller]
fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.err.starts_with("knockd: the savefile knock.pcap "), "{}", ran.err);
    for word in words {
        assert!(ran.err.contains(word), "`{word}` is missing from: {}", ran.err);
    }
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

#[test]
fn an_empty_file() {
    refused(&Desk::with_door("").read(&Savefile(Vec::new())), &["truncated"]);
}

#[test]
fn a_file_that_is_no_savefile() {
    let text = Savefile(b"[options]\nthis is a configuration, not what tcpdump -w writes\n".to_vec());
    refused(&Desk::with_door("").read(&text), &["unknown file format"]);
}

#[test]
fn a_file_that_there_is_not() {
    refused(&Desk::with_door("").knockd(&["--read", "knock.pcap"]), &["No such file"]);
}

#[test]
fn a_directory() {
    let desk = Desk::with_door("");
    fs::create_dir(desk.path("knock.pcap")).expect("a directory");
    refused(&desk.knockd(&["--read", "knock.pcap"]), &["directory"]);
}

#[test]
fn links_that_are_not_decoded_are_refused_by_name() {
    for (number, name) in [(105, "IEEE802_11"), (9, "PPP"), (195, "IEEE802_15_4"), (147, "147")] {
        let ran = Desk::with_door("").read(&Savefile::new(number));
        refused(&ran, &["link type", name]);
        assert_eq!(ran.out, "");
    }
}

#[test]
fn a_file_that_breaks_off_shows_what_came_before() {
    let whole = knock().0;
    let first_hit_only = Savefile(whole[..24 + 16 + 40 + 16 + 3].to_vec());
    let ran = Desk::with_door("").read(&first_hit_only);
    refused(&ran, &["ends early", "truncated"]);
    assert_eq!(ran.out, format!("[2026-01-02 03:04:05] {KNOCKER}: door: Stage 1\n"));
}

#[test]
fn no_length_of_a_file_is_a_panic() {
    let whole = knock().0;
    let desk = Desk::with_door("");
    for length in (0..whole.len()).step_by(7) {
        let ran = desk.read(&Savefile(whole[..length].to_vec()));
        assert!(matches!(ran.code, Some(0 | 1)), "{length}: {}", ran.err);
        assert!(!ran.out.contains("OPEN SESAME"), "{length}");
    }
}

#[test]
fn a_savefile_without_packets_is_read_to_its_end() {
    let ran = Desk::with_door("").read(&Savefile::new(ETHERNET));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
    assert!(ran.out.ends_with("] end of the savefile\n"), "{}", ran.out);
}

#[test]
fn a_refused_configuration_goes_before_the_savefile() {
    let desk = Desk::new("[door]\nsequence = 70000\ncommand = true\n");
    let ran = desk.read(&knock());
    assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""));
    assert!(ran.err.contains("knockd.conf:2:12"), "{}", ran.err);
}
