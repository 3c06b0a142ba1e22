//! Sets of nftables in the place of commands.

use super::*;

/// A door with these lines and no command, the lines from the fourth on.
fn file(lines: &str) -> String {
    format!("[d]\ntcpflags = syn\nsequence = 1,9,5\n{lines}\n")
}

fn door_with(lines: &str) -> Door {
    good(&file(lines)).doors.remove(0)
}

/// The last problem of such a door.
fn complaint(line: &str) -> String {
    lines(&file(line)).pop().unwrap_or_default()
}

fn names(door: &Door) -> [Option<String>; 2] {
    [&door.nft_set.v4, &door.nft_set.v6].map(|set| set.as_ref().map(NftSet::to_string))
}

#[test]
fn each_family_has_a_set_a_command_or_nothing() {
    let both = door_with("nft_set = inet  filter\tk4\nnft_set_6 = INET filter k6");
    assert_eq!(names(&both), [Some("inet filter k4".to_owned()), Some("inet filter k6".to_owned())]);
    let nothing = PerFamily { v4: None, v6: None };
    assert_eq!((&both.start, both.reknock), (&nothing, Reknock::Renew));
    assert_eq!(both.stop, Some(Stop { after: Duration::from_secs(10), command: nothing }));
    let mixed = door_with("nft_set_6 = ip6 t s\ncommand = x\nstop_command = y\ncmd_timeout = 7");
    assert_eq!(mixed.start, PerFamily { v4: shell("x"), v6: None });
    let stop = Stop { after: Duration::from_secs(7), command: PerFamily { v4: shell("y"), v6: None } };
    assert_eq!(mixed.stop, Some(stop));
    let mixed = door_with("nft_set = netdev t s\ncommand_6 = x");
    assert_eq!(mixed.start, PerFamily { v4: None, v6: shell("x") });
    assert_eq!(door_with("command = x\nnft_set =\nnft_set_6 =").stop, None);
}

#[test]
fn a_family_that_nobody_is_let_in_by_is_told_unless_it_is_meant() {
    for (line, packets, name) in
        [("nft_set = inet t s", "IPv6", "nft_set_6"), ("nft_set_6 = inet t s", "IPv4", "nft_set")]
    {
        let said = complaint(line);
        assert!(
            said.starts_with(&format!("t.conf:4:1: nobody who knocks over {packets} is let in")),
            "{said}"
        );
        assert!(said.contains(&format!("add {name} = …")), "{said}");
        assert_eq!(lines(&file(&format!("{line}\n{name} ="))), [""; 0]);
        assert_eq!(
            lines(&file(&format!("{line}\ncommand = x").replace("nft_set =", "nft_set_6 ="))),
            [""; 0]
        );
    }
    assert_eq!(lines(&file("nft_set = inet t s\ncommand_6 = x")), [""; 0]);
}

#[test]
fn a_set_goes_by_family_table_and_name() {
    let long = "n".repeat(256);
    for (line, message, hint) in [
        ("nft_set = filter knockers", "4:18: a set is named by three words", "such as inet filter knockers"),
        ("nft_set = inet a b c", "4:20: a set is named by three words", "nft list sets"),
        ("nft_set = inte filter k", "4:11: unknown family `inte` of nftables", "did you mean `inet`?"),
        ("nft_set = arp filter k", "4:11: unknown family `arp`", "inet, ip, ip6, bridge or netdev"),
        (
            "nft_set = everything filter k",
            "4:11: unknown family `everything`",
            "inet, ip, ip6, bridge or netdev",
        ),
        ("nft_set = IP6 filter k", "4:11: no packet of IPv4 passes a table of ip6", "nft_set_6"),
        ("nft_set_6 = ip filter k", "4:13: no packet of IPv6 passes a table of ip", "inet sees both"),
        ("nft_set = inet filter @k", "4:23: `@k` is no name of nftables", "a letter, then letters"),
        ("nft_set = inet 7 k", "4:16: `7` is no name of nftables", "a letter"),
        ("nft_set = inet t {%IP%}", "4:18: `{%IP%}` is no name of nftables", "a letter"),
        ("nft_set = inet t a\u{2010}b", "4:18: `a\u{2010}b` is no name", "it holds a typographic hyphen"),
        (&format!("nft_set = inet t {long}"), "4:18: `nnnn", "at most 255"),
        ("nft_set", "4:1: `nft_set` needs a value", ""),
        ("nft_sets = inet t s", "4:1: unknown directive `nft_sets`", "did you mean `nft_set`?"),
    ] {
        let said = lines(&file(&format!("{line}\ncommand_6 = x")));
        let said = said.iter().find(|said| said.starts_with(&format!("t.conf:{message}")));
        assert!(said.is_some_and(|said| said.contains(hint)), "{line}: {:?}", lines(&file(line)));
    }
    let toml = |set: &str| {
        format!("[d]\nsequence = [1, 9, 5]\ntcpflags = \"syn\"\nnft_set = {set}\nnft_set_6 = \"\"\n")
    };
    let read = |set: &str| parse("t.toml", toml(set).as_bytes()).0.map(|config| names(&config.doors[0]));
    assert_eq!(read("['ip', 't', 's']"), Some([Some("ip t s".to_owned()), None]));
    for wrong in ["[]", "['ip', 't']", "7", "true", "['ip t s']", "['ip', 't', 's s']"] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}

#[test]
fn an_address_is_in_a_set_for_a_time() {
    let set = "nft_set = inet t s\nnft_set_6 =\n";
    let after = |line: &str| door_with(&format!("{set}{line}")).stop.unwrap().after;
    assert_eq!(after("cmd_timeout = 1"), Duration::from_secs(1));
    let ten_years = 10 * 366 * 86_400;
    assert_eq!(after(&format!("cmd_timeout = {ten_years}")), Duration::from_secs(ten_years));
    assert!(u32::try_from(ten_years).is_ok(), "more than nftables can be told");
    let said = complaint(&format!("{set}cmd_timeout = 0"));
    assert!(said.starts_with("t.conf:6:15: without a timeout an address stays in a set for ever"), "{said}");
    assert_eq!(door("stop_command = x\ncmd_timeout = 0\n").stop.unwrap().after, Duration::ZERO);
}

#[test]
fn what_a_set_rules_out_is_refused() {
    let sets = "nft_set = inet t s\nnft_set_6 = inet t s6\n";
    for (line, message) in [
        ("command = x", "6:1: `command` beside `nft_set`, which opens and closes by itself"),
        ("stop_command = x", "6:1: `stop_command` beside `nft_set`"),
        ("start_command_6 = x", "6:1: `start_command_6` beside `nft_set_6`"),
        ("stop_command_6 = x", "6:1: `stop_command_6` beside `nft_set_6`"),
        ("reknock = run", "6:11: a set holds an address once, so that no opening can be closed by itself"),
        ("nft_set_6 = inet t s", "6:13: a set holds addresses of one kind"),
    ] {
        let said = complaint(&format!("{sets}{line}"));
        assert!(said.starts_with(&format!("t.conf:{message}")), "{said}");
    }
    for way in ["renew", "extend"] {
        assert_eq!(door_with(&format!("{sets}reknock = {way}")).reknock.to_string(), way);
    }
}

#[test]
fn doors_that_share_a_set_are_told() {
    let text =
        format!("{}{}", file("nft_set = inet t s\nnft_set_6 ="), file("nft_set = inet t s\nnft_set_6 ="))
            .replacen("[d]", "[a]", 1)
            .replacen("1,9,5", "2,9,5", 1);
    let [said] = &lines(&text)[..] else { panic!("{:?}", lines(&text)) };
    assert!(said.starts_with("t.conf:6:2: door [a] has the same set inet t s"), "{said}");
}

#[test]
fn nft_needs_a_capability() {
    let with =
        |kept: &str| format!("[options]\ncapabilities = {kept}\n{}", file("nft_set = inet t s\nnft_set_6 ="));
    assert_eq!(lines(&with("cap_net_admin, cap_net_raw")), [""; 0]);
    let said = lines(&with("cap_net_raw")).pop().unwrap();
    assert!(
        said.starts_with("t.conf:6:11: nft needs cap_net_admin, which `capabilities` does not keep"),
        "{said}"
    );
}

#[test]
fn what_is_printed_says_which_family_has_nothing() {
    let config = good(&file("nft_set_6 = inet t s\nnft_set ="));
    let text = print(&config, Syntax::Classic).unwrap();
    assert!(
        text.contains("    nft_set =\n    nft_set_6 = inet t s\n    cmd_timeout = 10\n    reknock = renew\n"),
        "{text}"
    );
    assert_eq!(lines(&text), [""; 0]);
}
