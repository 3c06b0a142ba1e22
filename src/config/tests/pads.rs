//! Where a door's one-time sequences come from.

use std::path::{Path, PathBuf};

use super::*;

/// A one-time door in a file of this name.
fn file(name: &str, lines: &str) -> (Option<Config>, Vec<String>) {
    let syn = if name == "t.toml" { "'syn'\ncommand = 'x'" } else { "syn\ncommand = x" };
    let text = format!("[d]\ntcpflags = {syn}\n{lines}\n");
    let (config, report) = parse(name, text.as_bytes());
    (config, report.problems().iter().map(|problem| report.line(problem)).collect())
}

fn pad(name: &str, lines: &str) -> PadSource {
    let (config, said) = file(name, lines);
    match config.unwrap_or_else(|| panic!("{said:?}")).doors.remove(0).trigger {
        Trigger::OneTime(pad) => pad,
        Trigger::Static(_) | Trigger::Key(_) => panic!("not a pad"),
    }
}

#[test]
fn a_pad_alone_has_the_defaults() {
    let expected = PadSource {
        paths: vec!["/etc/knockd/my pad".into()],
        window: 5.try_into().unwrap(),
        resync: 100,
        low: 5,
        low_command: None,
    };
    assert_eq!(pad("t.conf", "one_time_sequences = /etc/knockd/my pad"), expected);
}

#[test]
fn numbers_of_lines_have_bounds() {
    let with = |line: &str| pad("t.conf", &format!("{line}\none_time_sequences = /p"));
    assert_eq!(with("one_time_window = 1").window.get(), 1);
    assert_eq!(with("one_time_resync = 1000").resync, 1000);
    assert_eq!(with("one_time_low = 0").low, 0);
    for (line, message) in [
        ("one_time_window = 0", "t.conf:4:19: `0` is no window (1-1000)"),
        ("one_time_resync = 1001", "t.conf:4:19: `1001` is no number of lines (0-1000)"),
        ("one_time_low = -1", "t.conf:4:16: `-1` is no number of lines (0-4294967295)"),
    ] {
        let said = file("t.conf", &format!("{line}\none_time_sequences = /p")).1;
        assert!(said[0].starts_with(message), "{said:?}");
    }
}

#[test]
fn only_a_comma_before_a_slash_parts_two_paths() {
    for (value, paths) in [
        ("/a", &["/a"][..]),
        ("/a,/b", &["/a", "/b"]),
        ("/a , \t/b,/c d", &["/a", "/b", "/c d"]),
        ("/a,b", &["/a,b"]),
        ("/a, b,/c,", &["/a, b", "/c,"]),
        ("a,b", &["a,b"]),
        ("/a#1,/b", &["/a#1", "/b"]),
    ] {
        let paths: Vec<PathBuf> = paths.iter().map(Into::into).collect();
        assert_eq!(pad("t.conf", &format!("one_time_sequences = {value}")).paths, paths, "{value}");
    }
}

#[test]
fn a_text_of_toml_is_one_path_and_an_array_is_several() {
    assert_eq!(pad("t.toml", "one_time_sequences = '/a, /b'").paths, [Path::new("/a, /b")]);
    assert_eq!(
        pad("t.toml", "one_time_sequences = ['/a, /b', ' c ']").paths,
        [Path::new("/a, /b"), Path::new(" c ")]
    );
}

#[test]
fn paths_that_are_none_are_refused_where_they_stand() {
    for (name, value, message) in [
        ("t.conf", "", "t.conf:4:21: this is no path"),
        ("t.conf", ",/b", "t.conf:4:22: this is no path"),
        ("t.toml", "['/a', '']", "t.toml:4:30: this is no path"),
        ("t.toml", "[]", "t.toml:4:22: `one_time_sequences` takes at least one value"),
        ("t.toml", "['/a', 7]", "t.toml:4:29: `one_time_sequences` takes text, not numbers"),
        ("t.toml", "7", "t.toml:4:22: `one_time_sequences` takes text, not a number"),
        ("t.toml", "true", "t.toml:4:22: `one_time_sequences` takes text, not true or false"),
    ] {
        let (config, said) = file(name, &format!("one_time_sequences = {value}"));
        assert!(config.is_none() && said[0].starts_with(message), "{said:?}");
    }
}

#[test]
fn every_path_belongs_to_one_door_and_stands_there_once() {
    let door = |name: &str, pads: &str| {
        format!("[{name}]\none_time_sequences = {pads}\ncommand = x\ntcpflags = syn\n")
    };
    let text = door("a", "p") + &door("b", "p");
    assert!(lines(&text)[0].starts_with("t.conf:6:22: door [a] has this pad already"));
    let text = door("a", "/p,/q") + &door("b", "/r, /q, /p");
    let said = lines(&text);
    assert!(said[0].starts_with("t.conf:6:26: door [a] has this pad already"), "{said:?}");
    assert!(said[1].starts_with("t.conf:6:30: door [a] has this pad already"), "{said:?}");
    let said = lines(&door("a", "/p, /q, /p"));
    assert!(
        said.len() == 1 && said[0].starts_with("t.conf:2:30: this door has this pad already"),
        "{said:?}"
    );
}

#[test]
fn a_directory_stands_for_the_pads_in_it() {
    let doors = |a: &str, b: &str| {
        let door =
            |name, pads| format!("[{name}]\none_time_sequences = {pads}\ncommand = x\ntcpflags = syn\n");
        lines(&(door("a", a) + &door("b", b)))
    };
    for (a, b, said) in [
        ("/p", "/q,/p/Al-ice_1.pad", "6:25: door [a] has the whole directory of this pad already"),
        ("/p/alice.pad", "/q,/p/", "6:25: door [a] has a pad of this directory already"),
        ("/q, /p/a.pad, /p", "/r", "2:36: this door has a pad of this directory already"),
        ("/p, /p/a.pad", "/r", "2:26: this door has the whole directory of this pad already"),
    ] {
        let all = doors(a, b);
        assert!(all.len() == 1 && all[0].starts_with(&format!("t.conf:{said}")), "{all:?}");
    }
    // These are not read with the directory.
    for pad in ["/p/alice.pad~", "/p/.pad", "/p/a.b.pad", "/p/alice", "/p/q/alice.pad"] {
        assert_eq!(doors("/p", pad), [""; 0], "{pad}");
    }
    assert_eq!(doors("/p/a.pad", "/p/b.pad"), [""; 0]);
}

#[test]
fn a_door_has_a_thousand_pads_at_most() {
    let door = |count: usize| {
        let pads: Vec<String> = (0..count).map(|pad| format!("/{pad}")).collect();
        file("t.conf", &format!("one_time_sequences = {}", pads.join(",")))
    };
    assert!(door(1000).0.is_some());
    let (config, said) = door(1001);
    assert!(config.is_none() && said[0].contains(": more than 1000 pads for one door;"), "{said:?}");
}

#[test]
fn the_classic_syntax_says_which_lists_of_paths_it_cannot_hold() {
    for value in ["'/a,/b'", "['/a', 'b']", "['/a', ' /b']", "['/a ', '/b']"] {
        let config = file("t.toml", &format!("one_time_sequences = {value}")).0.unwrap();
        let error = print(&config, Syntax::Classic).unwrap_err();
        assert_eq!(error.what, "one_time_sequences", "{value}");
        let text = print(&config, Syntax::Toml).unwrap();
        assert_eq!(parse("t.toml", text.as_bytes()).0, Some(config), "{text}");
    }
    let config = file("t.toml", "one_time_sequences = ['/a,b', '/c']").0.unwrap();
    let text = print(&config, Syntax::Classic).unwrap();
    assert!(text.contains("one_time_sequences = /a,b,/c\n"), "{text}");
    assert_eq!(parse("t.conf", text.as_bytes()).0, Some(config));
}

#[test]
fn a_pad_that_runs_low_may_run_a_command_in_either_syntax() {
    let shell = Some(Command::Shell("mail -s \"$KNOCK_PAD\" root".to_owned()));
    let line = "one_time_low_command = mail -s \"$KNOCK_PAD\" root\none_time_sequences = /p";
    assert_eq!(pad("t.conf", line).low_command, shell);
    let line = "One_Time_Low_Command = 'mail -s \"$KNOCK_PAD\" root'\none_time_sequences = '/p'";
    assert_eq!(pad("t.toml", line).low_command, shell);
    let words = vec!["/bin/tell".to_owned(), "a b".to_owned()];
    let line = "one_time_low_command = ['/bin/tell', 'a b']\none_time_sequences = '/p'";
    assert_eq!(pad("t.toml", line).low_command, crate::config::Argv::new(words).map(Command::Argv));
    assert_eq!(pad("t.conf", "one_time_low_command =\none_time_sequences = /p").low_command, None);
}

#[test]
fn a_command_for_low_pads_that_asks_for_an_address_is_refused() {
    for (name, line) in [
        ("t.conf", "one_time_sequences = /p\none_time_low_command = tell %IP%"),
        ("t.toml", "one_time_sequences = '/p'\none_time_low_command = ['tell', '%IP%']"),
    ] {
        let (config, said) = file(name, line);
        assert!(config.is_none());
        assert!(
            said[0].contains(":5:") && said[0].contains("nobody has knocked when this command runs"),
            "{said:?}"
        );
    }
}
