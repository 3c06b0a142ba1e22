//! Whose hits a door sees.

use super::*;

fn allowed(line: &str) -> Vec<String> {
    let allow = door(line).allow.unwrap();
    allow.as_slice().iter().map(ToString::to_string).collect()
}

/// The problems of a door with this line, which is the file's fifth.
fn said(line: &str) -> Vec<String> {
    let said = lines(&format!("[d]\ncommand = x\ntcpflags = syn\nsequence = 1,9,5\n{line}\n"));
    said.into_iter().map(|said| said.strip_prefix("t.conf:5:").unwrap().to_owned()).collect()
}

#[test]
fn networks_and_single_addresses_of_both_families() {
    assert_eq!(
        allowed("allow = 192.0.2.0/24, 198.51.100.7,2001:db8::/32,2001:DB9::1"),
        ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32", "2001:db9::1/128"]
    );
    assert_eq!(allowed("allow = 0.0.0.0/0, ::/0 # everybody"), ["0.0.0.0/0", "::/0"]);
    assert_eq!(allowed("allow = fe80::/10"), ["fe80::/10"]);
    assert_eq!(door("").allow, None);
}

#[test]
fn what_is_no_network_is_refused_where_it_stands_with_what_to_do() {
    for (value, message) in [
        ("lan", "9: `lan` is no IP address (write networks such as 192.0.2.0/24"),
        ("192.0.2/24", "9: `192.0.2` is no IP address"),
        ("192.0.2.0-192.0.2.9", "9: `192.0.2.0-192.0.2.9` is no IP address"),
        ("[2001:db8::1]", "9: `[2001:db8::1]` is no IP address"),
        ("192.0.2.0/33", "19: `33` is no length of a prefix (0-32)"),
        ("192.0.2.0/", "19: `` is no length of a prefix (0-32)"),
        ("192.0.2.0/+8", "19: `+8` is no length of a prefix (0-32)"),
        (
            "192.0.2.7/255.255.255.0",
            "19: `255.255.255.0` is no length of a prefix (0-32) (write 192.0.2.0/24)",
        ),
        ("2001:db8::/129", "20: `129` is no length of a prefix (0-128)"),
        (
            "192.0.2.7/24",
            "9: `192.0.2.7/24` has bits beyond its prefix (the network is 192.0.2.0/24, the address alone is 192.0.2.7)",
        ),
        (
            "2001:db8::1/32",
            "9: `2001:db8::1/32` has bits beyond its prefix (the network is 2001:db8::/32, the address alone is 2001:db8::1)",
        ),
        (
            "::ffff:192.0.2.7",
            "9: no packet comes from an IPv4 address in the form of an IPv6 one (write 192.0.2.7",
        ),
        (
            "::ffff:192.0.2.0/120",
            "9: no packet comes from an IPv4 address in the form of an IPv6 one (write 192.0.2.0/24",
        ),
        (
            "::ffff:192.0.2.0/24",
            "9: no packet comes from an IPv4 address in the form of an IPv6 one (write 192.0.2.0/24",
        ),
        (
            "::ffff:192.0.2.7/64",
            "9: no packet comes from an IPv4 address in the form of an IPv6 one (write 192.0.2.7",
        ),
        ("0.0.0.0", "9: no packet comes from 0.0.0.0 (every address of the family is 0.0.0.0/0"),
        ("::", "9: no packet comes from :: (every address of the family is ::/0"),
        ("", "8: a network is missing here"),
        ("192.0.2.0/24,", "22: a network is missing here"),
    ] {
        let said = said(&format!("allow = {value}"));
        assert!(said.len() == 1 && said[0].starts_with(message), "{value}: {said:?}");
    }
    assert!(said("allow")[0].starts_with("1: `allow` needs a value"));
}

#[test]
fn every_bad_network_is_shown() {
    let said = said("allow = lan, 192.0.2.0/24, 192.0.2.1/24, 192.0.2.0/99");
    let columns: Vec<&str> = said.iter().map(|said| said.split(':').next().unwrap()).collect();
    assert_eq!(columns, ["9", "28", "52"], "{said:?}");
}

#[test]
fn toml_takes_an_array_and_shows_every_bad_one() {
    let file = |value: &str| {
        let text = format!("[d]\nsequence = '1,9,5'\ntcpflags = 'syn'\ncommand = 'x'\nallow = {value}\n");
        let (config, report) = parse("t.toml", text.as_bytes());
        (config, report.problems().iter().map(|problem| report.line(problem)).collect::<Vec<_>>())
    };
    let allow = |value: &str| file(value).0.unwrap().doors.remove(0).allow;
    assert_eq!(allow("['192.0.2.0/24', '2001:db8::1']"), allow("'192.0.2.0/24, 2001:db8::1'"));
    assert!(allow("'192.0.2.0/24'").is_some());
    let said = file("['192.0.2.1/24', '192.0.2.2', 'lan']").1;
    assert!(
        said.len() == 2 && said[0].starts_with("t.toml:5:11: ") && said[1].starts_with("t.toml:5:40: "),
        "{said:?}"
    );
    for (value, message) in [
        ("[]", "t.toml:5:9: `allow` takes at least one value"),
        ("''", "t.toml:5:10: a network is missing here"),
        ("10", "t.toml:5:9: `10` is no IP address"),
        ("true", "t.toml:5:9: `allow` takes values, not true or false"),
    ] {
        let (config, said) = file(value);
        assert!(config.is_none() && said[0].starts_with(message), "{said:?}");
    }
}

#[test]
fn doors_for_different_people_may_have_one_sequence() {
    let door = |name: &str, allow: &str| {
        format!("[{name}]\nsequence = 5,3,9\ncommand = x\ntcpflags = syn\n{allow}\n")
    };
    let both = |a: &str, b: &str| lines(&(door("a", a) + &door("b", b)));
    assert_eq!(both("allow = 192.0.2.0/25", "allow = 192.0.2.128/25,2001:db8::/32"), [""; 0]);
    for (a, b) in [("allow = 192.0.2.0/24", "allow = 192.0.2.7"), ("allow = 192.0.2.0/24", "")] {
        assert!(both(a, b)[0].starts_with("t.conf:6:2: door [a] has the same sequence"), "{a} {b}");
    }
}
