//! Each option, each usage error, and the exit code of each.

use std::time::{Duration, Instant};

use crate::support::{knock, knock_line};

#[test]
fn help_names_every_option_and_both_forms() {
    for flag in ["-h", "--help"] {
        let help = knock([flag]).quietly();
        for word in [
            "-u, --udp",
            "-d, --delay <MS>",
            "-4, --ipv4",
            "-6, --ipv6",
            "-v, --verbose",
            "-f, --file <FILE>",
            "-k, --key <FILE>",
            "--label <LABEL>",
            "--step <TIME>",
            "--counter <N>",
            "--as <ADDRESS>",
            "--unbound",
            "--length <N>",
            "--proto <PROTO>",
            "--ports <RANGES>",
            "--exclude <RANGES>",
            "-w, --wait <PORT[/SECONDS]>",
            "--retry <N>",
            "--resync",
            "-q, --quiet",
            "--both",
            "--interface <NAME>",
            "--source <ADDRESS>",
            "--config <FILE>",
            "--list",
            "knock [OPTIONS] PROFILE [-- COMMAND...]",
            "--dry-run",
            "-V, --version",
            "-h, --help",
            "knock [OPTIONS] HOST PORT",
            "knock [OPTIONS] --file FILE HOST",
            "knock [OPTIONS] --key FILE [--label LABEL] HOST",
        ] {
            assert!(help.contains(word), "no {word:?} in {help}");
        }
    }
}

#[test]
fn version_is_told() {
    for flag in ["-V", "--version"] {
        assert_eq!(knock([flag]).quietly(), format!("knock {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn says_nothing_unless_asked() {
    assert_eq!(knock_line("-d 0 127.0.0.1 1 2:udp").quietly(), "");
}

#[test]
fn verbose_announces_hits_as_the_classic_client_does() {
    for flag in ["-v", "--verbose"] {
        let out = knock_line(&format!("{flag} 127.0.0.1 1 2:udp 3:tcp")).quietly();
        assert_eq!(out, "hitting tcp 127.0.0.1:1\nhitting udp 127.0.0.1:2\nhitting tcp 127.0.0.1:3\n");
    }
}

#[test]
fn ports_may_be_joined_by_commas() {
    let out = knock_line("-v 127.0.0.1 1,2:udp,3").quietly();
    assert_eq!(out, "hitting tcp 127.0.0.1:1\nhitting udp 127.0.0.1:2\nhitting tcp 127.0.0.1:3\n");
    assert_eq!(knock_line("-v 127.0.0.1 1, 2:udp, 3").quietly(), out);
    assert_eq!(knock(["-v", "127.0.0.1", " 1 , 2 : udp , 3 "]).quietly(), out);
}

#[test]
fn udp_overrides_every_protocol() {
    for flag in ["-u", "--udp"] {
        let out = knock_line(&format!("-v 127.0.0.1 1 2:tcp {flag}")).quietly();
        assert_eq!(out, "hitting udp 127.0.0.1:1\nhitting udp 127.0.0.1:2\n");
    }
}

#[test]
fn delay_is_kept_between_hits() {
    for flag in ["-d", "--delay"] {
        let start = Instant::now();
        knock_line(&format!("{flag} 150 127.0.0.1 1 2 3")).quietly();
        assert!(start.elapsed() >= Duration::from_millis(300));
    }
}

#[test]
fn delay_is_10_ms_by_default() {
    let start = Instant::now();
    knock_line(&format!("127.0.0.1 {}", "1 ".repeat(21))).quietly();
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
}

#[test]
fn family_picks_the_kind_of_address() {
    for flag in ["-4", "--ipv4"] {
        let ran = knock_line(&format!("-v {flag} localhost 1"));
        assert_eq!(ran.out, "hitting tcp 127.0.0.1:1\n");
        assert_eq!(ran.err, "knock: localhost: chose 127.0.0.1\n");
        knock_line(&format!("-v {flag} ::1 1")).refused(1, "knock: `::1` has no IPv4 address, only ::1\n");
    }
    for flag in ["-6", "--ipv6"] {
        knock_line(&format!("-v {flag} 127.0.0.1 1"))
            .refused(1, "knock: `127.0.0.1` has no IPv6 address, only 127.0.0.1\n");
    }
}

#[test]
fn an_option_may_be_repeated_and_the_last_counts() {
    let out = knock_line("-v -v -d 60000 -d 0 127.0.0.1 1 2 --verbose").quietly();
    assert_eq!(out, "hitting tcp 127.0.0.1:1\nhitting tcp 127.0.0.1:2\n");
}

#[test]
fn a_typed_address_is_not_called_a_choice() {
    let ran = knock_line("-v 127.0.0.1 1");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

#[test]
fn usage_errors_end_with_2() {
    for (line, message) in [
        ("", "<HOST>"),
        ("127.0.0.1", "<PORT[:tcp|udp]>"),
        ("-4 -6 127.0.0.1 1", "'--ipv4' cannot be used with '--ipv6'"),
        ("-f seqs 127.0.0.1 7000", "'--file <FILE>' cannot be used with"),
        ("-f seqs -u 127.0.0.1", "'--file <FILE>' cannot be used with '--udp'"),
        ("-f seqs", "<HOST>"),
        ("127.0.0.1 70000", "port 70000 is out of range (1-65535)"),
        ("127.0.0.1 0", "port 0 is out of range (1-65535)"),
        ("127.0.0.1 ssh", "`ssh` is not a port number"),
        ("127.0.0.1 22:sctp", "unknown protocol `sctp` (tcp or udp)"),
        ("127.0.0.1 1,,2", "a port is missing here"),
        ("-d soon 127.0.0.1 1", "'soon'"),
        ("-d -1 127.0.0.1 1", "'-1'"),
        ("--loud 127.0.0.1 1", "'--loud'"),
    ] {
        let ran = knock_line(line);
        assert_eq!(ran.code, Some(2), "{line}: {ran:?}");
        assert!(ran.err.contains(message), "{line}: {}", ran.err);
        assert_eq!(ran.out, "", "{line}");
    }
}

#[test]
fn a_host_that_is_none_ends_with_1() {
    knock_line("-v nosuch.invalid 1").refused(1, "knock: cannot find the address of `nosuch.invalid`: ");
    knock_line("-v 0.0.0.0 1").refused(1, "cannot knock at 0.0.0.0: this is the unspecified address");
    knock_line("-v 224.0.0.1 1").refused(1, "cannot knock at 224.0.0.1: this is a multicast address");
    knock_line("-v 255.255.255.255 1").refused(1, "this is the broadcast address");
    knock_line("-v ff02::1 1").refused(1, "cannot knock at ff02::1: this is a multicast address");
    knock_line("-v fe80::1 1").refused(1, "a link-local address needs its interface, as in fe80::1%eth0");
}

#[test]
fn dry_run_shows_what_would_be_hit() {
    let out = knock_line("--dry-run 127.0.0.1 7000 8000:udp").quietly();
    assert_eq!(out, "would hit tcp 127.0.0.1:7000\nwould hit udp 127.0.0.1:8000\n");
    knock_line("--dry-run nosuch.invalid 1").refused(1, "cannot find the address");
}
