//! A case for every directive, in both syntaxes.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::config::directives::{DOOR, OPTIONS};

/// A directive in both syntaxes, and whether the configuration then says so.
type Case = (&'static str, &'static str, fn(&Config) -> bool);

fn stop(config: &Config) -> &Stop {
    config.doors[0].stop.as_ref().unwrap()
}

fn pad(config: &Config) -> &PadSource {
    match &config.doors[0].trigger {
        Trigger::OneTime(pad) => pad,
        Trigger::Static(_) | Trigger::Key(_) => panic!("not a pad"),
    }
}

fn key(config: &Config) -> &KeySource {
    match &config.doors[0].trigger {
        Trigger::Key(key) => key,
        Trigger::Static(_) | Trigger::OneTime(_) => panic!("not a key"),
    }
}

/// The ports of the sequences that follow from the key, as ranges.
fn ports(config: &Config) -> Vec<String> {
    key(config).form.shape().pool.ranges().map(|range| range.to_string()).collect()
}

const OPTION_CASES: &[Case] = &[
    ("UseSyslog", "usesyslog = true", |c| c.options.use_syslog),
    ("LogFile = /var/log/a b", "logfile = '/var/log/a b'", |c| {
        c.options.log_file == Some("/var/log/a b".into())
    }),
    ("PidFile = /run/k.pid", "pidfile = '/run/k.pid'", |c| c.options.pid_file == Some("/run/k.pid".into())),
    ("State_Dir = /var/lib/k", "state_dir = '/var/lib/k'", |c| {
        c.options.state_dir == Some("/var/lib/k".into())
    }),
    ("Counter_Dir = /srv/counters", "counter_dir = '/srv/counters'", |c| {
        c.options.counter_dir() == Path::new("/srv/counters")
    }),
    ("Interface = eth0, lo", "interface = ['eth0', 'lo']", |c| {
        c.options.interfaces == Some(vec!["eth0".to_owned(), "lo".to_owned()])
    }),
    ("Scan_Guard = 12", "scan_guard = 12", |c| c.options.scan_guard == ScanGuard::Strays(12)),
    ("Max_Sources = 1000", "max_sources = 1000", |c| c.options.max_sources == MaxSources(1000)),
    ("Command_Timeout = 5m", "command_timeout = '5m'", |c| {
        c.options.command_timeout == CommandTimeout(Duration::from_secs(300))
    }),
    ("User = nobody", "user = 'nobody'", |c| c.options.user.as_deref() == Some("nobody")),
    ("Sandbox = Log", "sandbox = 'log'", |c| c.options.sandbox == Sandbox::Log),
    ("Capabilities = cap_net_admin, CAP_NET_RAW", "capabilities = ['cap_net_admin', 'cap_net_raw']", |c| {
        c.options.capabilities == Some(Capabilities::of([12, 13]))
    }),
];

const DOOR_CASES: &[Case] = &[
    ("Sequence = 7000,8000:udp", "sequence = [7000, '8000:udp']", |c| {
        c.doors[0].trigger == Trigger::Static("7000,8000:udp".parse_sequence())
    }),
    ("One_Time_Sequences = /etc/pad", "one_time_sequences = '/etc/pad'", |c| {
        pad(c).paths == [Path::new("/etc/pad")]
    }),
    ("One_Time_Sequences = /etc/a b, /etc/c,d", "one_time_sequences = ['/etc/a b', '/etc/c,d']", |c| {
        pad(c).paths == [Path::new("/etc/a b"), Path::new("/etc/c,d")]
    }),
    ("One_Time_Window = 7\nOne_Time_Sequences = p", "one_time_window = 7\none_time_sequences = 'p'", |c| {
        pad(c).window.get() == 7
    }),
    ("One_Time_Resync = 0\nOne_Time_Sequences = p", "one_time_resync = 0\none_time_sequences = 'p'", |c| {
        pad(c).resync == 0
    }),
    ("One_Time_Low = 70000\nOne_Time_Sequences = p", "one_time_low = 70000\none_time_sequences = 'p'", |c| {
        pad(c).low == 70_000
    }),
    (
        "One_Time_Low_Command = x\nOne_Time_Sequences = p",
        "one_time_low_command = 'x'\none_time_sequences = 'p'",
        |c| pad(c).low_command == shell("x"),
    ),
    ("One_Time_Key = /etc/k", "one_time_key = '/etc/k'", |c| key(c).path == Path::new("/etc/k")),
    ("One_Time_Label = a b\nOne_Time_Key = k", "one_time_label = 'a b'\none_time_key = 'k'", |c| {
        key(c).label == Label::new("a b").ok()
    }),
    ("One_Time_Step = 1m\nOne_Time_Key = k", "one_time_step = '1m'\none_time_key = 'k'", |c| {
        key(c).mode == Mode::Time { step: 60.try_into().unwrap() }
    }),
    ("One_Time_Bind = No\nOne_Time_Key = k", "one_time_bind = false\none_time_key = 'k'", |c| !key(c).bind),
    ("One_Time_Length = 8\nOne_Time_Key = k", "one_time_length = 8\none_time_key = 'k'", |c| {
        key(c).form.shape().length == 8
    }),
    ("One_Time_Proto = Mixed\nOne_Time_Key = k", "one_time_proto = 'mixed'\none_time_key = 'k'", |c| {
        key(c).form.shape().protocols == Protocols::Mixed
    }),
    (
        "One_Time_Ports = 9, 2000-3000, 3001-4000\nOne_Time_Key = k",
        "one_time_ports = [9, '2000-3000', '3001-4000']\none_time_key = 'k'",
        |c| ports(c) == ["9", "2000-4000"],
    ),
    (
        "One_Time_Exclude = 1024-1999,65535\nOne_Time_Key = k",
        "one_time_exclude = '1024-1999,65535'\none_time_key = 'k'",
        |c| ports(c) == ["2000-65534"],
    ),
    ("Seq_Timeout = 5", "seq_timeout = 5", |c| c.doors[0].seq_timeout == Duration::from_secs(5)),
    ("Timeout = 2m", "timeout = '2m'", |c| c.doors[0].seq_timeout == Duration::from_secs(120)),
    ("TCPFlags = syn,!fin", "tcpflags = ['syn', '!fin']", |c| {
        c.doors[0].flags.to_string() == "syn,!fin,!ack"
    }),
    ("Target = 2001:db8::1", "target = '2001:db8::1'", |c| c.doors[0].target == "2001:db8::1".parse().ok()),
    ("Allow = 192.0.2.0/24, 2001:db8::1", "allow = ['192.0.2.0/24', '2001:db8::1']", |c| {
        c.doors[0].allow.as_ref().is_some_and(|networks| networks.hold("2001:db8::1".parse().unwrap()))
    }),
    ("Start_Command = x %IP%", "start_command = 'x %IP%'", |c| c.doors[0].start.v4 == shell("x %IP%")),
    ("Command = x", "command = 'x'", |c| c.doors[0].start.v4 == shell("x")),
    ("Start_Command_6 = x", "start_command_6 = 'x'", |c| c.doors[0].start.v6 == shell("x")),
    ("Command_6 =", "command_6 = ''\ncommand = 'x'", |c| c.doors[0].start.v6.is_none()),
    ("Cmd_Timeout = 1h\nStop_Command = x", "cmd_timeout = '1h'\nstop_command = 'x'", |c| {
        stop(c).after == Duration::from_secs(3600)
    }),
    ("Stop_Command = x", "stop_command = 'x'", |c| stop(c).command.v4 == shell("x")),
    ("Stop_Command_6 = x", "stop_command_6 = 'x'", |c| {
        stop(c).command == PerFamily { v4: None, v6: shell("x") }
    }),
    ("NFT_Set = inet filter k\nNFT_Set_6 =", "nft_set = ['inet', 'filter', 'k']\nnft_set_6 = ''", |c| {
        c.doors[0].nft_set.v4.as_ref().is_some_and(|set| set.to_string() == "inet filter k")
    }),
    ("NFT_Set_6 = ip6 filter k\nCommand = x", "nft_set_6 = 'ip6 filter k'\ncommand = 'x'", |c| {
        c.doors[0].nft_set.v6.as_ref().is_some_and(|set| set.to_string() == "ip6 filter k")
            && c.doors[0].start == PerFamily { v4: shell("x"), v6: None }
    }),
    ("Reknock = Extend\nStop_Command = x", "reknock = 'extend'\nstop_command = 'x'", |c| {
        c.doors[0].reknock == Reknock::Extend
    }),
];

/// The case in a file that has all else that is needed.
fn file(case: &str, is_option: bool, text: &dyn Fn(&str) -> String) -> String {
    let has = |key: &str| case.lines().any(|line| line.to_ascii_lowercase().starts_with(key));
    let mut door = String::from("[d]\n");
    for (missing, line) in [
        (!has("sequence") && !has("one_time"), format!("sequence = {}", text("1,9,5"))),
        (!has("tcpflags"), format!("tcpflags = {}", text("syn"))),
        (
            !has("start_command =") && !has("command =") && !has("nft_set ="),
            format!("command = {}", text("x")),
        ),
    ] {
        if missing || is_option {
            door += &line;
            door.push('\n');
        }
    }
    if is_option { format!("[options]\n{case}\n{door}") } else { format!("{door}{case}\n") }
}

#[test]
fn every_directive_works_in_both_syntaxes() {
    let mut seen = BTreeSet::new();
    for (cases, is_option) in [(OPTION_CASES, true), (DOOR_CASES, false)] {
        for (classic, toml, holds) in cases {
            let bare: &dyn Fn(&str) -> String = &str::to_owned;
            let quoted: &dyn Fn(&str) -> String = &|word| format!("'{word}'");
            for (name, case, text) in [("t.conf", classic, bare), ("t.toml", toml, quoted)] {
                let text = file(case, is_option, text);
                let (config, report) = parse(name, text.as_bytes());
                assert_eq!(report.render(false), "", "{text}");
                assert!(holds(&config.unwrap()), "{text}");
            }
            seen.insert(classic.split([' ', '\n']).next().unwrap().to_ascii_lowercase());
        }
    }
    let known = OPTIONS.iter().map(|(name, _)| *name).chain(DOOR.iter().map(|(name, _)| *name));
    assert_eq!(seen, known.map(str::to_owned).collect());
}

#[test]
fn the_guard_takes_a_number_or_a_word_and_sources_have_bounds() {
    let options = |line: &str| {
        good(&format!("[options]\n{line}\n[d]\nsequence = 1,9,5\ntcpflags = syn\ncommand = y\n")).options
    };
    assert_eq!(options("scan_guard = AUTO").scan_guard, ScanGuard::Auto);
    assert_eq!(options("scan_guard = Off").scan_guard, ScanGuard::Off);
    assert_eq!(options("").max_sources, MaxSources(65_536));
    for (line, message) in [
        (
            "scan_guard = never",
            "t.conf:2:14: `never` is neither auto, nor off, nor a number of ports (0-65535)",
        ),
        ("scan_guard = 65536", "t.conf:2:14: `65536` is neither auto"),
        ("max_sources = 15", "t.conf:2:15: `15` is no number of sources (16-16777216)"),
    ] {
        let said = lines(&format!("[options]\n{line}\n"));
        assert!(said[0].starts_with(message), "{said:?}");
    }
}

#[test]
fn a_command_has_a_second_at_least_and_a_day_at_most() {
    let file =
        |line: &str| format!("[options]\n{line}\n[d]\nsequence = 1,9,5\ntcpflags = syn\ncommand = y\n");
    let timeout = |line: &str| good(&file(line)).options.command_timeout;
    assert_eq!(timeout(""), CommandTimeout(Duration::from_secs(60)));
    assert_eq!(timeout("command_timeout = 1"), CommandTimeout(CommandTimeout::SHORTEST));
    assert_eq!(timeout("command_timeout = 24h"), CommandTimeout(CommandTimeout::LONGEST));
    for text in ["0", "86401"] {
        let said = lines(&file(&format!("command_timeout = {text}")));
        let expected = format!("t.conf:2:19: `{text}` is no time for a command (1s-24h)");
        assert!(said[0].starts_with(&expected), "{said:?}");
    }
    assert!(lines(&file("command_timeout = soon"))[0].contains("`soon` is no span of time"));
}

#[test]
fn packets_are_read_by_a_named_user_who_is_not_root_in_a_sandbox() {
    let file =
        |line: &str| format!("[options]\n{line}\n[d]\nsequence = 1,9,5\ntcpflags = syn\ncommand = y\n");
    let plain = good(&file("")).options;
    assert_eq!((plain.user, plain.sandbox, plain.capabilities), (None, Sandbox::Strict, None));
    for strength in Sandbox::ALL {
        assert_eq!(good(&file(&format!("sandbox = {strength}"))).options.sandbox, strength);
    }
    let long = "u".repeat(256);
    for (line, message) in [
        ("user = root", "t.conf:2:8: `root` is not who reads packets"),
        ("user = 65534", "t.conf:2:8: `65534` is a number"),
        ("user = no body", "t.conf:2:8: `no body` is no user's name"),
        ("user = -x", "t.conf:2:8: `-x` is no user's name"),
        ("user =", "t.conf:2:7: `` is no user's name"),
        (&format!("user = {long}"), "t.conf:2:8: `uuuu"),
        ("sandbox = loose", "t.conf:2:11: `loose` is neither strict, nor log, nor off"),
    ] {
        let said = lines(&file(line));
        assert!(said[0].starts_with(message), "{said:?}");
    }
}

#[test]
fn capabilities_go_by_their_names() {
    let file = |list: &str| {
        format!("[options]\ncapabilities = {list}\n[d]\nsequence = 1,9,5\ntcpflags = syn\ncommand = y\n")
    };
    let kept = |list: &str| good(&file(list)).options.capabilities.unwrap().to_string();
    assert_eq!(kept("cap_net_raw , cap_net_admin,CAP_NET_RAW"), "cap_net_admin,cap_net_raw");
    assert_eq!(kept("cap_checkpoint_restore, cap_chown"), "cap_chown,cap_checkpoint_restore");
    for (list, message, hint) in [
        ("cap_net_raw, cap_net_amdin", "t.conf:2:29: unknown capability `cap_net_amdin`", "cap_net_admin"),
        ("net_admin", "t.conf:2:16: unknown capability `net_admin`", "did you mean `cap_net_admin`?"),
        ("everything", "t.conf:2:16: unknown capability `everything`", "capabilities(7)"),
        ("", "t.conf:2:15: unknown capability ``", "capabilities(7)"),
    ] {
        let said = lines(&file(list));
        assert!(said[0].starts_with(message) && said[0].contains(hint), "{said:?}");
    }
}

#[test]
fn a_door_that_is_open_is_renewed_extended_or_opened_again() {
    let reknock = |lines: &str| door(&format!("stop_command = y\n{lines}")).reknock;
    assert_eq!(reknock(""), Reknock::Renew);
    for way in Reknock::ALL {
        assert_eq!(reknock(&format!("reknock = {way}")), way);
    }
    let said = complaint("stop_command = y\nreknock = again");
    assert!(said.starts_with("t.conf:6:11: `again` is neither renew, nor extend, nor run"), "{said}");
}

#[test]
fn a_door_without_a_stop_command_is_told_that_reknock_has_no_effect() {
    let warning = "t.conf:5:1: `reknock` has no effect on a door without a stop command";
    assert!(complaint("reknock = extend").starts_with(warning));
    assert_eq!(door("reknock = run\n").reknock, Reknock::Run);
    // For one of the families it has.
    let text = "[d]\ncommand = x\ntcpflags = syn\nsequence = 1,9,5\nreknock = run\nstop_command_6 = y\n";
    assert_eq!(lines(text), [""; 0]);
}

#[test]
fn without_the_directives_the_configuration_says_otherwise() {
    let plain = good("[d]\nsequence = 1,9,5\ntcpflags = syn\ncommand = y\nstop_command = y\n");
    for (classic, _, holds) in
        OPTION_CASES.iter().chain(DOOR_CASES).filter(|(name, ..)| !name.starts_with("One_"))
    {
        assert!(!holds(&plain), "{classic}");
    }
}
