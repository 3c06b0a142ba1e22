//! What is particular to TOML.

use super::*;

const DOOR: &str = "sequence = [1, 9, 5]\ntcpflags = 'syn'\ncommand = 'x'\n";

fn toml_lines(text: &str) -> Vec<String> {
    let (config, report) = parse("t.toml", text.as_bytes());
    assert_eq!(config.is_none(), report.has_errors());
    report.problems().iter().map(|problem| report.line(problem)).collect()
}

fn toml(text: &str) -> Config {
    let (config, report) = parse("t.toml", text.as_bytes());
    config.unwrap_or_else(|| panic!("{}", report.render(false)))
}

/// The last problem of a door whose sixth line this is.
fn toml_complaint(line: &str) -> String {
    let text = format!("[d]\n{DOOR}\n{line}\n");
    toml_lines(&text).pop().unwrap_or_else(|| panic!("nothing is said of {line}"))
}

#[test]
fn the_same_in_any_way_of_writing_it() {
    let expected = "7000,8000:udp,16".parse_sequence();
    for value in [
        "'7000, 8000:udp ,16'",
        "[7000, \"8000:udp\", 0x10]",
        "[\n  '7000:tcp', # first\n  ' 8000:UDP ',\n  1_6,\n]",
    ] {
        let config = toml(&format!("[d]\nsequence = {value}\ntcpflags = 'syn'\ncommand = 'x'\n"));
        assert_eq!(config.doors[0].trigger, Trigger::Static(expected.clone()), "{value}");
    }
    let single = toml("[d]\nsequence = 7000\ntcpflags = 'syn'\ncommand = 'x'\n");
    assert_eq!(single.doors[0].trigger, Trigger::Static("7000".parse_sequence()));
    for value in ["'fin,!ack'", "['fin', '!ack']", "['FIN', '! ack']"] {
        let config = toml(&format!("[d]\nsequence = 1\ntcpflags = {value}\ncommand = 'x'\n"));
        assert_eq!(config.doors[0].flags.to_string(), "fin,!ack", "{value}");
    }
    for value in ["'eth0,lo'", "['eth0', 'lo']"] {
        let config = toml(&format!("[options]\ninterface = {value}\n[d]\n{DOOR}"));
        assert_eq!(config.options.interfaces.unwrap(), ["eth0", "lo"], "{value}");
    }
}

#[test]
fn names_and_keys_as_in_the_classic_syntax() {
    let config =
        toml(&format!("[Options]\nUseSyslog = true\n['open SSH']\n{DOOR}Stop_Command = 'y'\n[b]\n{DOOR}"));
    assert!(config.options.use_syslog);
    assert_eq!(config.doors[0].stop.as_ref().unwrap().command.v4, shell("y"));
    assert!(!toml("[options]\nusesyslog = false\n").options.use_syslog);
}

#[test]
fn doors_stay_in_the_order_of_the_file() {
    let config = toml(&format!("[z]\n{DOOR}[[b]]\n{DOOR}[a]\n{DOOR}[[b]]\n{DOOR}"));
    let names: Vec<_> = config.doors.iter().map(|door| door.name.as_str()).collect();
    assert_eq!(names, ["z", "b", "a", "b"]);
}

#[test]
fn commands_of_words_run_without_a_shell() {
    let config = toml(
        "[d]\nsequence = '1,9,5'\ntcpflags = 'syn'\ncommand = ['/bin/x', '-s', '%IP%', '']\ncommand_6 = ''\n",
    );
    let words = ["/bin/x", "-s", "%IP%", ""].map(str::to_owned).to_vec();
    assert_eq!(config.doors[0].start.v4, Argv::new(words).map(Command::Argv));
    assert_eq!(config.doors[0].start.v6, None);
    assert!(toml_complaint("stop_command = []").starts_with("t.toml:6:16: this array names no program"));
    assert!(
        toml_complaint("stop_command = ['', 'a']").starts_with("t.toml:6:16: this array names no program")
    );
    let relative = toml_complaint("stop_command = ['./x', 'a/b']");
    assert!(relative.starts_with("t.toml:6:18: a relative path, but commands run in `/`"), "{relative}");
}

#[test]
fn commands_may_have_several_lines() {
    let config = toml("[d]\nsequence = '1,9,5'\ntcpflags = 'syn'\ncommand = '''\na %IP%\nb\n'''\n");
    assert_eq!(config.doors[0].start.v4, shell("a %IP%\nb\n"));
}

#[test]
fn places_in_text_that_is_written_as_it_stands() {
    assert!(toml_complaint("timeout = '5 x'").starts_with("t.toml:6:12: `5 x` is no span of time"));
    let place = |value: &str| {
        let said = toml_lines(&format!("[d]\nsequence = {value}\ntcpflags = 'syn'\ncommand = 'x'\n"));
        said[0].clone()
    };
    assert!(place("'1, 70000'").starts_with("t.toml:2:16: port 70000 is out of range"));
    assert!(place("[1, 70000]").starts_with("t.toml:2:16: port 70000 is out of range"));
    assert!(place("[1, '2:sctp']").starts_with("t.toml:2:19: unknown protocol `sctp`"));
    assert!(place("[1, '2,3']").starts_with("t.toml:2:17: `2,3` is not a port number"));
    assert!(place("'1,\\u0032x'").starts_with("t.toml:2:15: `\\\\u0032x` is not a port number"));
    assert!(
        place("\"1,\\u0032x\"").starts_with("t.toml:2:12: `2x` is not a port number"),
        "the whole, with escapes"
    );
    assert!(place("[]").starts_with("t.toml:2:12: `sequence` takes at least one value"));
    assert!(
        place("99999999999999999999").starts_with("t.toml:2:12: port 99999999999999999999 is out of range")
    );
    assert!(place("-1").starts_with("t.toml:2:12: `-1` is not a port number"));
}

#[test]
fn values_of_the_wrong_kind() {
    for (line, said) in [
        ("seq_timeout = 1.5", "6:15: no directive takes a number with a fraction"),
        ("seq_timeout = 2026-01-01", "6:15: no directive takes a date or a time"),
        ("seq_timeout = true", "6:15: `seq_timeout` takes a value, not true or false"),
        ("seq_timeout = [5]", "6:15: `seq_timeout` takes one value, not a list"),
        ("seq_timeout = -5", "6:15: `-5` is no span of time"),
        ("stop_command = 5", "6:16: `stop_command` takes text, not a number (put it into quotes)"),
        ("stop_command = false", "6:16: `stop_command` takes text, not true or false"),
        ("stop_command = [['x']]", "6:17: no directive takes a list within a list"),
        ("stop_command = ['x', true]", "6:22: no directive takes true or false in a list"),
        ("stop_command = [{ a = 1 }]", "6:17: no directive takes a table in a list"),
        ("stop_command = { a = 1 }", "6:1: a section within a section"),
        ("stop_command = \"a\\u0000b\"", "6:16: a command cannot hold a NUL byte"),
        ("target = ['192.0.2.1']", "6:10: `target` takes one value, not a list"),
        ("logfile = '/x'", "6:1: `logfile` does not belong here"),
        ("stop_comand = 1.5", "6:1: unknown directive `stop_comand` (did you mean `stop_command`?)"),
    ] {
        let complaint = toml_complaint(line);
        assert!(complaint.starts_with(&format!("t.toml:{said}")), "{complaint}");
    }
    let options = |line: &str| toml_lines(&format!("[options]\n{line}\n[d]\n{DOOR}"))[0].clone();
    assert!(options("usesyslog = ['yes']").starts_with("t.toml:2:13: `usesyslog` takes true or false"));
    assert!(options("usesyslog = 'yes'").contains("(write true or false, without quotes)"));
    assert!(options("usesyslog = 7").starts_with("t.toml:2:13: `7` is neither yes nor no"));
    assert!(options("logfile = 7").starts_with("t.toml:2:11: `logfile` takes text, not a number"));
    assert!(options("interface = ''").starts_with("t.toml:2:14: an empty name stands for the default"));
    assert!(options("interface = ['lo', 'a b']").starts_with("t.toml:2:21: this is no interface name"));
}

#[test]
fn sections_that_are_none() {
    let said = toml_lines(&format!("usesyslog = true\n[a.b]\n{DOOR}[d]\n{DOOR}"));
    assert!(said[0].starts_with("t.toml:1:1: a directive before the first [section]"), "{said:#?}");
    assert!(
        said[1]
            .starts_with("t.toml:2:4: a section within a section (put a name that holds a dot into quotes)")
    );
    assert_eq!(said.len(), 2);
    let empty = toml_lines("['']\nsequence = '1,9,5'\ntcpflags = 'syn'\ncommand = 'x'\n");
    assert!(empty[0].starts_with("t.toml:1:2: a section needs a name"));
}

#[test]
fn what_a_file_is_written_in() {
    let toml = "[d]\nsequence = [1, 2]\ntcpflags = 'syn'\ncommand = ['x']\n";
    let classic = "[d]\nsequence = 1,2\ntcpflags = syn\ncommand = x\n";
    for (name, text, readable) in [
        ("a.toml", toml, true),
        ("a.TOML", toml, true),
        ("a.conf", toml, true),
        ("a", toml, true),
        ("a.conf", classic, true),
        ("a", classic, true),
        ("a.toml", classic, false),
    ] {
        assert_eq!(parse(name, text.as_bytes()).0.is_some(), readable, "{name}: {text}");
    }
    for evident in [
        "\tSequence = \"1,2\"",
        "sequence=['1']",
        "one_time_sequences = '/p'",
        "tcpflags = [\"syn\"]",
        "command = [\"x\"]",
    ] {
        assert_eq!(Syntax::of("x.conf", &format!("# c\n[d]\n{evident}\n")), Syntax::Toml, "{evident}");
    }
    for not in [
        "# sequence = '1'",
        "interface = \"\"",
        "command = \"/bin/my program\" %IP%",
        "command = [ -f /x ] && y",
        "logfile = \"/x\"",
        "sequence = 1 # 'one'",
    ] {
        assert_eq!(Syntax::of("x.conf", &format!("[d]\n{not}\n")), Syntax::Classic, "{not}");
    }
}

#[test]
fn a_byte_order_mark_is_left_out_of_toml_too() {
    let said = toml_lines(&format!("\u{feff}[d]\n{DOOR}seqence = 1\n"));
    assert!(said[0].starts_with("t.toml:1:1: the file begins with a byte order mark"));
    assert!(said[1].starts_with("t.toml:5:1: unknown directive `seqence`"));
}
