//! Command lines, and the plans that they come to.

use clap::{CommandFactory, Parser as _};
use seqgen::derive::Label;

use super::*;
use crate::client::profiles::Derived;

fn plan(line: &str) -> Plan {
    Plan::with("host".into(), Args::try_parse_from(line.split(' ')).unwrap(), None).unwrap()
}

fn refusal(line: &str) -> String {
    let planned = Args::try_parse_from(line.split(' '))
        .and_then(|args| Plan::with("host".into(), args, None).map_err(clap::Error::from));
    let error = planned.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

fn ports(line: &str) -> String {
    match plan(line).source {
        Source::Ports(steps) => {
            steps.iter().map(|s| format!("{}{}", s.protocol, s.port)).collect::<Vec<_>>().join(" ")
        }
        Source::Pad { path, .. } | Source::Key(KeySource { path, .. }) => panic!("took {}", path.display()),
    }
}

fn pad(path: &str, resync: bool) -> Source {
    Source::Pad { path: path.into(), resync }
}

#[test]
fn is_a_consistent_command_line() {
    Args::command().debug_assert();
}

#[test]
fn defaults_are_those_of_the_manual() {
    assert_eq!(
        plan("knock host 7000"),
        Plan {
            host: "host".into(),
            family: Family::Any,
            outlet: Outlet::default(),
            source: Source::Ports(vec![Step::parse("7000", Protocol::Tcp).unwrap()]),
            delay: Duration::from_millis(10),
            wait: None,
            retries: 0,
            command: Vec::new(),
            verbose: false,
            quiet: false,
            dry_run: false,
        }
    );
}

#[test]
fn reads_ports_one_by_one_and_joined_by_commas() {
    assert_eq!(ports("knock host 1 2:udp 3:tcp"), "tcp1 udp2 tcp3");
    assert_eq!(ports("knock host 1,2:udp,3"), "tcp1 udp2 tcp3");
    assert_eq!(ports("knock host 1, 2:UDP, 3"), "tcp1 udp2 tcp3");
}

#[test]
fn udp_overrides_the_protocol_of_every_port() {
    assert_eq!(ports("knock -u host 1 2:tcp 3:udp"), "udp1 udp2 udp3");
    assert_eq!(ports("knock host 1 --udp"), "udp1");
}

#[test]
fn takes_options_anywhere_and_in_both_lengths() {
    let short = plan("knock -d 0 -4 -v host 1");
    assert_eq!(short, plan("knock host 1 --verbose --ipv4 --delay=0"));
    assert_eq!((short.delay, short.family, short.verbose), (Duration::ZERO, Family::V4, true));
    assert_eq!(plan("knock -6 host 1").family, plan("knock --ipv6 host 1").family);
    assert_eq!(plan("knock -6 host 1").family, Family::V6);
}

#[test]
fn takes_a_pad_instead_of_ports() {
    assert_eq!(plan("knock -f seqs host").source, pad("seqs", false));
    assert_eq!(plan("knock host --file seqs --dry-run").source, pad("seqs", false));
    assert!(plan("knock host --file seqs --dry-run").dry_run);
}

#[test]
fn refuses_what_contradicts_itself() {
    assert!(refusal("knock -4 -6 host 1").contains("'--ipv4' cannot be used with '--ipv6'"));
    assert!(refusal("knock -f seqs host 1").contains("cannot be used with"));
    assert!(refusal("knock -u -f seqs host").contains("cannot be used with"));
    assert!(refusal("knock host").contains("<PORT[:tcp|udp]>"));
    assert!(refusal("knock").contains("<HOST>"));
}

#[test]
fn says_what_is_wrong_with_a_port() {
    assert!(refusal("knock host 70000").contains("port 70000 is out of range (1-65535)"));
    assert!(refusal("knock host 1,,2").contains("a port is missing here"));
    assert!(refusal("knock host ,").contains("a port is missing here"));
    assert!(refusal("knock host ssh").contains("`ssh` is not a port number"));
    assert!(refusal("knock host 1:sctp").contains("unknown protocol `sctp` (tcp or udp)"));
    assert!(refusal("knock -d soon host 1").contains("'soon'"));
}

#[test]
fn takes_a_port_to_wait_for_and_how_often_to_knock_again() {
    let waiting = plan("knock host 1 --wait 22/7 --retry 3");
    assert_eq!((waiting.wait, waiting.retries), (Some("22/7".parse().unwrap()), 3));
    assert_eq!(plan("knock -w 22 host 1").wait, Some("22/10".parse().unwrap()));
    assert_eq!(plan("knock --retry 0 host 1").retries, 0);
    assert_eq!(plan("knock -f seqs --resync host").source, pad("seqs", true));
    assert!(plan("knock -q host 1").quiet);
}

#[test]
fn refuses_to_wait_for_nothing_sensible() {
    assert!(refusal("knock --retry 1 host 1").contains("--retry needs --wait"));
    assert!(refusal("knock --retry 256 -w 22 host 1").contains("256 is not in 0..=255"));
    assert!(refusal("knock --resync host 1").contains("--resync needs --file"));
    assert!(
        refusal("knock -w 22 host 1 22")
            .contains("--wait cannot try port 22, which is one of the ports that are hit")
    );
    plan("knock -w 22 host 1 22:udp");
    assert!(refusal("knock -w ssh host 1").contains("`ssh` is not a port number"));
    assert!(refusal("knock -w 22/0 host 1").contains("`0` is not a number of seconds from 1 to 3600"));
    assert!(refusal("knock -q -v host 1").contains("'--quiet' cannot be used with '--verbose'"));
    assert!(refusal("knock -q --dry-run host 1").contains("'--quiet' cannot be used with '--dry-run'"));
}

#[test]
fn takes_a_way_out() {
    let chosen = plan("knock --interface eth0 --source 192.0.2.2 host 1");
    let outlet = Outlet { interface: Some("eth0".into()), source: Some("192.0.2.2".parse().unwrap()) };
    assert_eq!((chosen.outlet, chosen.family), (outlet, Family::V4));
    assert_eq!(plan("knock --source 2001:db8::2 host 1").family, Family::V6);
    assert_eq!(plan("knock -6 --source 2001:db8::2 host 1").family, Family::V6);
    assert_eq!(plan("knock --both host 1").family, Family::Both);
}

#[test]
fn refuses_families_that_do_not_agree() {
    let wrong = "--source 192.0.2.2 is not of the family that is to be knocked over, IPv6";
    assert!(refusal("knock -6 --source 192.0.2.2 host 1").contains(wrong));
    assert!(
        refusal("knock --both --source 192.0.2.2 host 1").contains("'--both' cannot be used with '--source")
    );
    assert!(refusal("knock --both -4 host 1").contains("'--both' cannot be used with"));
    assert!(refusal("knock --both -6 host 1").contains("'--both' cannot be used with"));
}

/// What the profile comes to with this command line.
fn with_profile(line: &str, profile: &Profile) -> Result<Plan, Misuse> {
    let args = Args::try_parse_from(format!("knock office {line}").split_whitespace()).unwrap();
    Plan::with("office".into(), args, Some(profile))
}

fn office() -> Profile {
    Profile {
        name: "office".into(),
        address: "server.example".into(),
        file: None,
        key: None,
        derived: Derived::default(),
        ports: Some(vec![Step::parse("7000", Protocol::Tcp).unwrap()]),
        udp: true,
        delay: Some(30),
        family: Some(Family::V4),
        interface: Some("eth0".into()),
        source: Some("192.0.2.2".parse().unwrap()),
        wait: Some("22/5".parse().unwrap()),
        retry: Some(2),
    }
}

#[test]
fn a_profile_says_what_the_command_line_does_not() {
    assert_eq!(
        with_profile("", &office()),
        Ok(Plan {
            host: "server.example".into(),
            family: Family::V4,
            outlet: Outlet { interface: Some("eth0".into()), source: Some("192.0.2.2".parse().unwrap()) },
            source: Source::Ports(vec![Step::parse("7000", Protocol::Udp).unwrap()]),
            delay: Duration::from_millis(30),
            wait: Some("22/5".parse().unwrap()),
            retries: 2,
            command: Vec::new(),
            verbose: false,
            quiet: false,
            dry_run: false,
        })
    );
}

#[test]
fn the_command_line_goes_before_the_profile() {
    let line = "1 -d 7 -6 --interface eth1 --source 2001:db8::2 -w 443 --retry 0";
    assert_eq!(
        with_profile(line, &office()),
        Ok(Plan {
            host: "server.example".into(),
            family: Family::V6,
            outlet: Outlet { interface: Some("eth1".into()), source: Some("2001:db8::2".parse().unwrap()) },
            // What the profile says of its own ports does not hold for others.
            source: Source::Ports(vec![Step::parse("1", Protocol::Tcp).unwrap()]),
            delay: Duration::from_millis(7),
            wait: Some("443/10".parse().unwrap()),
            retries: 0,
            command: Vec::new(),
            verbose: false,
            quiet: false,
            dry_run: false,
        })
    );
    assert_eq!(with_profile("-f seqs --resync", &office()).unwrap().source, pad("seqs", true));
    let file = Profile { file: Some("/seqs".into()), ports: None, ..office() };
    assert_eq!(with_profile("--resync", &file).unwrap().source, pad("/seqs", true));
    assert_eq!(
        with_profile("1:udp", &file).unwrap().source,
        Source::Ports(vec![Step::parse("1:udp", Protocol::Tcp).unwrap()])
    );
}

#[test]
fn what_a_profile_and_the_command_line_say_must_go_together() {
    let source = "192.0.2.2".parse().unwrap();
    assert_eq!(with_profile("-6", &office()), Err(Misuse::SourceFamily(source, Family::V6)));
    assert_eq!(with_profile("--both", &office()), Err(Misuse::SourceFamily(source, Family::Both)));
    assert_eq!(with_profile("--resync", &office()), Err(Misuse::ResyncWithoutPad));
    assert_eq!(with_profile("22", &office()), Err(Misuse::WaitForHit(22)));
    let file = Profile { file: Some("/seqs".into()), ports: None, ..office() };
    assert_eq!(with_profile("-u", &file), Err(Misuse::UdpWithPad));
    let neither = Profile { ports: None, ..office() };
    assert_eq!(with_profile("", &neither), Err(Misuse::EmptyProfile("office".into())));
    let patient = Profile { wait: None, ..office() };
    assert_eq!(with_profile("", &patient), Err(Misuse::RetryWithoutWait));
    assert_eq!(with_profile("-w 22", &patient).unwrap().retries, 2);
}

fn key(line: &str) -> KeySource {
    match plan(line).source {
        Source::Key(source) => source,
        other => panic!("took {other:?}"),
    }
}

#[test]
fn takes_a_key_and_all_that_goes_with_it() {
    let usual = key("knock -k key host");
    let form = Wanted::default().form().unwrap();
    assert_eq!(
        usual,
        KeySource {
            path: "key".into(),
            label: None,
            counting: Counting::Knocks { from: None },
            sender: Sender::Ours,
            form: form.clone(),
            resync: false,
        }
    );
    assert_eq!((form.shape().length, form.first_hits()), (5, 64_512));
    let line = "knock --key key --label gate --counter 7 --unbound --length 3 --proto mixed --ports 1-9,20 \
                --exclude 5 --resync host";
    let chosen = key(line);
    assert_eq!(chosen.label, Some(Label::new("gate").unwrap()));
    assert_eq!((chosen.counting, chosen.sender), (Counting::Knocks { from: Some(7) }, Sender::Anybody));
    assert_eq!((chosen.form.shape().length, chosen.form.first_hits()), (3, 18));
    assert!(chosen.resync);
    let timed = key("knock -k key --step 30s --as ::ffff:192.0.2.7 host");
    assert_eq!(timed.counting, Counting::Time("30".parse().unwrap()));
    assert_eq!(timed.sender, Sender::As("192.0.2.7".parse().unwrap()));
}

#[test]
fn the_address_that_the_server_sees_decides_on_the_family() {
    assert_eq!(plan("knock -k key --as 192.0.2.7 host").family, Family::V4);
    assert_eq!(plan("knock -k key --as ::ffff:192.0.2.7 host").family, Family::V4);
    assert_eq!(plan("knock -k key --as 2001:db8::7 host").family, Family::V6);
    for line in ["-4 --as 2001:db8::7", "-6 --as 192.0.2.7", "--source 192.0.2.2 --as 2001:db8::7"] {
        let said = refusal(&format!("knock -k key {line} host"));
        assert!(said.contains("is not of the family that is to be knocked over"), "{said}");
    }
}

#[test]
fn refuses_what_does_not_go_with_a_key_or_without_one() {
    for (line, message) in [
        ("-k key -f seqs host", "cannot be used with"),
        ("-k key -u host", "cannot be used with"),
        ("-k key host 7000", "cannot be used with"),
        ("-k key --as 192.0.2.7 --both host", "cannot be used with"),
        ("-k key --as 192.0.2.7 --unbound host", "cannot be used with"),
        ("-k key --as 192.0.2 host", "`192.0.2` is not an IP address"),
        ("-k key --as 0.0.0.0 host", "0.0.0.0 is the address of no single host"),
        ("-k key --step 30 --counter 1 host", "cannot be used with"),
        ("-k key --step 30 --resync host", "--resync does not go with steps of time"),
        ("-k key --step 0 host", "`0` is no step of time (1s-1h)"),
        ("-k key --counter -1 host", "'-1'"),
        ("-k key --counter 18446744073709551616 host", "'18446744073709551616'"),
        ("-k key --length 2 host", "2 is not in 3..=32"),
        ("-k key --length 33 host", "33 is not in 3..=32"),
        ("-k key --proto sctp host", "'sctp'"),
        ("-k key --ports 9-1 host", "did you mean 1-9?"),
        ("-k key --ports 0 host", "port 0 is out of range"),
        ("-k key --exclude x host", "`x` is not a port number"),
        ("-k key --ports 1-4 host", "no sequence can look like that: 5 different ports are needed"),
        ("--label gate host 1", "--label needs --key"),
        ("--step 30 host 1", "--step needs --key"),
        ("--counter 1 -f seqs host", "--counter needs --key"),
        ("--as 192.0.2.7 -f seqs host", "--as needs --key"),
        ("--unbound host 1", "--unbound needs --key"),
        ("--length 5 host 1", "--length needs --key"),
        ("--proto tcp host 1", "--proto needs --key"),
        ("--ports 1-9 host 1", "--ports needs --key"),
        ("--exclude 1 host 1", "--exclude needs --key"),
    ] {
        let said = refusal(&format!("knock {line}"));
        assert!(said.contains(message), "{line}: {said}");
    }
    let long = "x".repeat(256);
    assert!(refusal(&format!("knock -k key --label {long} host")).contains("at most 255 bytes"));
}

#[test]
fn a_profile_with_a_key_says_what_the_command_line_does_not() {
    let derived = Derived {
        label: Some(Label::new("gate").unwrap()),
        step: Some("30".parse().unwrap()),
        sender: Sender::As("192.0.2.7".parse().unwrap()),
        wanted: Wanted { length: Some(7), ..Wanted::default() },
    };
    let profile = Profile { key: Some("/key".into()), derived, ports: None, udp: false, ..office() };
    let source = |line: &str| match with_profile(line, &profile).unwrap().source {
        Source::Key(source) => source,
        other => panic!("took {other:?}"),
    };
    let usual = source("");
    assert_eq!((usual.path.to_str(), usual.label), (Some("/key"), Some(Label::new("gate").unwrap())));
    assert_eq!(usual.counting, Counting::Time("30".parse().unwrap()));
    assert_eq!((usual.sender, usual.form.shape().length), (Sender::As("192.0.2.7".parse().unwrap()), 7));
    let chosen = source("-k other --label door --step 60 --unbound --length 9 --ports 1-100");
    assert_eq!((chosen.path.to_str(), chosen.label), (Some("other"), Some(Label::new("door").unwrap())));
    assert_eq!((chosen.counting, chosen.sender), (Counting::Time("60".parse().unwrap()), Sender::Anybody));
    assert_eq!((chosen.form.shape().length, chosen.form.first_hits()), (9, 100));
    assert_eq!(source("--ports 1-100").form.shape().length, 7);
    assert_eq!(with_profile("--counter 3", &profile), Err(Misuse::CounterWithTime));
    assert_eq!(with_profile("--resync", &profile), Err(Misuse::ResyncWithTime));
    assert_eq!(with_profile("-u", &profile), Err(Misuse::UdpWithPad));
    assert_eq!(with_profile("--label x -f seqs", &profile), Err(Misuse::WithoutKey("--label")));
    // What is said of the key does not hold for ports.
    assert!(matches!(with_profile("7000", &profile).unwrap().source, Source::Ports(_)));
    let both = Profile { family: Some(Family::Both), source: None, ..profile.clone() };
    let sender = "192.0.2.7".parse().unwrap();
    assert_eq!(with_profile("", &both), Err(Misuse::SenderFamily(sender, Family::Both)));
}

#[test]
fn what_stands_behind_two_dashes_is_a_command() {
    let command = |line: &str| plan(line).command;
    assert_eq!(command("knock host 1 -- ssh -v admin@host 7000"), ["ssh", "-v", "admin@host", "7000"]);
    assert_eq!(command("knock -f seqs host -- true"), ["true"]);
    assert_eq!(command("knock host 1 --"), [""; 0]);
    assert_eq!(ports("knock host 1 2 -- 3"), "tcp1 tcp2");
}
