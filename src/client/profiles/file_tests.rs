//! Files of profiles, good and bad.

use super::*;

fn read_at_home(text: &str) -> (Vec<Profile>, Report) {
    parse("t.toml", text.as_bytes(), Some(Path::new("/home/me")))
}

fn good(text: &str) -> Vec<Profile> {
    let (profiles, report) = read_at_home(text);
    assert_eq!(report.summary(), None, "{}", report.render(false));
    profiles
}

/// Every complaint, in order.
fn complaints(text: &str) -> Vec<String> {
    let (_, report) = read_at_home(text);
    report.problems().iter().map(|problem| report.line(problem)).collect()
}

#[test]
fn reads_every_key() {
    let text = "
[office]
address = \"server.example\"
file = \"~/pads/office\"
delay = 30
family = \"both\"
interface = \"eth0\"
wait = \"22/5\"
retry = 2

['at home']
address = \"192.0.2.1\"
ports = [7000, \"8000:udp\", \"9000,9001\"]
udp = false
source = \"192.0.2.2\"
family = \"ipv4\"
wait = 22
";
    let [office, home] = good(text).try_into().unwrap();
    assert_eq!(
        office,
        Profile {
            name: "office".into(),
            address: "server.example".into(),
            file: Some("/home/me/pads/office".into()),
            key: None,
            derived: Derived::default(),
            ports: None,
            udp: false,
            delay: Some(30),
            family: Some(Family::Both),
            interface: Some("eth0".into()),
            source: None,
            wait: Some("22/5".parse().unwrap()),
            retry: Some(2),
        }
    );
    assert_eq!((home.name.as_str(), home.wait), ("at home", Some("22".parse().unwrap())));
    assert_eq!(home.ports, Some(parse_ports("7000,8000:udp,9000,9001").unwrap().0));
    assert_eq!((home.family, home.source), (Some(Family::V4), Some("192.0.2.2".parse().unwrap())));
}

#[test]
fn reads_all_that_goes_with_a_key() {
    let text = "[a]\naddress = 'x'\nkey = '~/key'\nlabel = 'gate'\nstep = '30s'\nas = '192.0.2.7'\nlength = 7\n\
                proto = 'mixed'\nranges = '1-9,20'\nexclude = 5\n[b]\naddress = 'y'\nkey = '/key'\nunbound = true\n";
    let [a, b] = good(text).try_into().unwrap();
    assert_eq!((a.key, a.ports), (Some("/home/me/key".into()), None));
    let wanted = Wanted {
        length: Some(7),
        proto: Some(Protocol::Mixed),
        ranges: Some(parse_ranges("1-9,20").unwrap()),
        exclude: Some(parse_ranges("5").unwrap()),
    };
    let sender = Sender::As("192.0.2.7".parse().unwrap());
    let label = Some(Label::new("gate").unwrap());
    assert_eq!(a.derived, Derived { label, step: Some("30".parse().unwrap()), sender, wanted });
    assert_eq!(b.derived, Derived { sender: Sender::Anybody, ..Derived::default() });
}

#[test]
fn what_does_not_go_with_a_key_or_without_one_is_refused() {
    let said = |text: &str| complaints(&format!("[a]\naddress = 'x'\n{text}\n")).join("; ");
    for (text, expected) in [
        ("key = '/k'\nports = 1", "t.toml:4:9: a profile has either `file` or `key` or `ports`"),
        ("key = '/k'\nfile = '/f'", "t.toml:3:7: a profile has either `file` or `key` or `ports`"),
        ("key = 'k'", "t.toml:3:7: a path that depends on the current directory (begin it with / or ~/)"),
        (
            "key = '/k'\nudp = true",
            "t.toml:4:7: `udp` does not go with `key`, where `proto` says what is expected",
        ),
        (
            "key = '/k'\nas = '192.0.2.7'\nunbound = true",
            "t.toml:5:11: `unbound` does not go with `as`, the address \
          that sequences are bound to",
        ),
        ("key = '/k'\nstep = '2h'", "t.toml:4:8: `2h` is no step of time (1s-1h)"),
        ("key = '/k'\nas = 'x'", "t.toml:4:6: `x` is not an IP address"),
        ("key = '/k'\nlength = 2", "t.toml:4:10: `2` is not a number of ports from 3 to 32"),
        ("key = '/k'\nproto = 'TCP'", "t.toml:4:9: `TCP` is not a protocol: tcp, udp or mixed"),
        ("key = '/k'\nranges = '9-1'", "t.toml:4:10: the range 9-1 is empty; did you mean 1-9?"),
        (
            "key = '/k'\nlabel = \"\\u001b\"",
            "t.toml:4:9: a label has no control characters, but character 1 is one",
        ),
    ] {
        assert_eq!(said(text), expected);
    }
    for name in ["label", "step", "as", "length", "proto", "ranges", "exclude"] {
        let value = match name {
            "as" => "192.0.2.7",
            "proto" => "tcp",
            _ => "7",
        };
        let said = said(&format!("ports = 1\n{name} = '{value}'"));
        assert!(
            said.ends_with(&format!("`{name}` needs `key`: it says what is derived from the key")),
            "{said}"
        );
    }
    assert!(said("ports = 1\nunbound = true").contains("`unbound` needs `key`"));
}

#[test]
fn keeps_the_order_of_the_file() {
    let names: Vec<_> =
        good("[b]\naddress = 'x'\n[a]\naddress = 'y'\n").into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(good(""), []);
}

#[test]
fn ports_may_be_text() {
    let profile = good("[a]\naddress = 'x'\nports = '7000,8000:udp'\n").remove(0);
    assert_eq!(profile.ports, Some(parse_ports("7000,8000:udp").unwrap().0));
    let profile = good("[a]\naddress = 'x'\nports = 7000\n").remove(0);
    assert_eq!(profile.ports, Some(parse_ports("7000").unwrap().0));
    assert_eq!(complaints("[a]\naddress = 'x'\nports = '1,x'\n"), ["t.toml:3:9: `x` is not a port number"]);
}

#[test]
fn every_error_is_reported_in_one_go_with_its_place() {
    let text = "\
stray = 1
[office]
adress = 'server.example'
[home]
address = 'server.example'
ports = [7000, 70000]
delay = 'soon'
family = 'ipx'
wait = '22/0'
source = 'eth0'
[away]
file = 'seqs'
retry = 256
[both]
address = ''
file = '~/seqs'
ports = [7000]
udp = true
[192.0]
[\"192.0.2.1\"]
address = 'x'
ports = []
[type]
address = 'x'
udp = 1
";
    let expected = [
        "t.toml:1:1: `stray` is in no profile (begin with the name of a profile, as in [office])",
        "t.toml:3:1: unknown field `adress`, expected one of `address`, `file`, `key`",
        "t.toml:6:16: port 70000 is out of range (1-65535)",
        "t.toml:7:9: `soon` is not a number of milliseconds from 0 to 4294967295",
        "t.toml:8:10: `ipx` is not a family: ipv4, ipv6 or both",
        "t.toml:9:8: `0` is not a number of seconds from 1 to 3600",
        "t.toml:10:10: `eth0` is not an IP address",
        "t.toml:11:2: this profile has no address (write: address = \"server.example\")",
        "t.toml:12:8: a path that depends on the current directory (begin it with / or ~/)",
        "t.toml:13:9: `retry` needs `wait`, the port that tells whether to knock again",
        "t.toml:13:9: `256` is not a number from 0 to 255",
        "t.toml:15:11: a name is missing here",
        "t.toml:17:9: a profile has either `file` or `key` or `ports`",
        "t.toml:18:7: `udp` does not go with `file`, where each sequence says what is expected",
        "t.toml:19:6: unknown field `0`",
        "t.toml:20:2: this cannot be the name of a profile (take a word that could be the name of a host, and no address)",
        "t.toml:22:9: a port is missing here",
        "t.toml:25:7: invalid type: integer `1`, expected a boolean",
    ];
    let said = complaints(text);
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}\ninstead of\n{expected}");
    }
    assert_eq!(said.len(), expected.len(), "{said:#?}");
}

#[test]
fn no_name_can_control_a_terminal() {
    for key in ["address", "file", "interface"] {
        let more = if key == "address" { "" } else { "address = 'x'\n" };
        let said = complaints(&format!("[a]\n{key} = \"/\\u001b[2J\"\n{more}"));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].ends_with("a name cannot hold control characters"), "{said:?}");
    }
    assert_eq!(complaints("[\"\\u009b\"]\naddress = 'x'\n").len(), 1);
}

#[test]
fn a_caret_shows_the_place() {
    let (_, report) = read_at_home("[a]\naddress = 'x'\nwait = 'ssh'\n");
    let shown = report.render(false);
    for part in ["error: `ssh` is not a port number", "--> t.toml:3:8", "wait = 'ssh'", "^^^^^"] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
}

#[test]
fn what_is_no_toml_or_no_text_is_refused() {
    assert!(complaints("[a\naddress = 'x'")[0].starts_with("t.toml:1:3: "));
    assert!(complaints("[a]\naddress = 'x'\naddress = 'y'\n")[0].starts_with("t.toml:3:1: duplicate key"));
    let (_, report) = parse("t.toml", b"[a]\naddress = '\xff'\n", None);
    assert!(report.has_errors());
}

#[test]
fn the_home_directory_must_be_known() {
    let (_, report) = parse("t.toml", b"[a]\naddress = 'x'\nfile = '~/seqs'\n", None);
    assert!(report.line(&report.problems()[0]).contains("the home directory is not known"));
}
