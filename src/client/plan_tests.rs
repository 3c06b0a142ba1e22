//! Command lines, and the plans that they come to.

use clap::{CommandFactory, Parser as _};

use super::*;

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
        Source::Pad { path, .. } => panic!("took the pad {}", path.display()),
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

#[test]
fn what_stands_behind_two_dashes_is_a_command() {
    let command = |line: &str| plan(line).command;
    assert_eq!(command("knock host 1 -- ssh -v admin@host 7000"), ["ssh", "-v", "admin@host", "7000"]);
    assert_eq!(command("knock -f seqs host -- true"), ["true"]);
    assert_eq!(command("knock host 1 --"), [""; 0]);
    assert_eq!(ports("knock host 1 2 -- 3"), "tcp1 tcp2");
}
