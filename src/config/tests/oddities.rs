//! What people write, and is taken with a warning or refused with a hint.

use super::*;

/// Everything said about this text, of which a configuration comes.
fn warnings(text: &str) -> Vec<String> {
    good(text);
    lines(text)
}

/// The one warning about a door that has a command, flags and a sequence besides these lines, which begin in line 5.
fn warning(more: &str) -> String {
    let said = warnings(&format!("[d]\ncommand = x\ntcpflags = syn\nsequence = 1,9,5\n{more}\n"));
    assert_eq!(said.len(), 1, "{said:#?}");
    said[0].clone()
}

#[track_caller]
fn starts(said: &str, expected: &str) {
    assert!(said.starts_with(&format!("t.conf:{expected}")), "{said}");
}

const DOOR: &str = "[d]\nsequence = 1,9,5\ntcpflags = syn\ncommand = x\n";

#[test]
fn comments_behind_numbers_lists_sequences_and_names() {
    let text = "[options] # a\nUseSyslog # b\ninterface = lo # c\n[d] # d\nsequence = 2,1,9 # e\ntcpflags = syn # f\ncommand = x # g\n\
                seq_timeout = 5 # h\ntarget = 192.0.2.1 #i\n";
    let config = good(text);
    let said = lines(text);
    let places = ["1:11", "2:11", "3:16", "4:5", "5:18", "6:16", "8:17", "9:20"];
    assert_eq!(said.len(), places.len(), "{said:#?}");
    for (said, place) in said.iter().zip(places) {
        starts(said, &format!("{place}: a comment after a "));
    }
    let door = &config.doors[0];
    assert_eq!(door.name, "d");
    assert_eq!(door.trigger, Trigger::Static("2,1,9".parse_sequence()));
    assert_eq!(door.seq_timeout, Duration::from_secs(5));
    assert_eq!(door.start.v4, shell("x # g"), "the shell takes it for a comment itself");
    assert!(config.options.use_syslog);
    assert_eq!(config.options.interfaces.unwrap(), ["lo"]);
}

#[test]
fn blanks_among_flags() {
    let said = warnings("[d]\nsequence = 1,9,5\ncommand = x\ntcpflags = syn, !ack # both\n");
    starts(&said[0], "4:16: a blank among flags is left out");
    starts(&said[1], "4:22: a comment");
    assert_eq!(said.len(), 2);
}

#[test]
fn options_in_any_case() {
    let text = format!("[OPTIONS]\nusesyslog\n{DOOR}");
    assert!(good(&text).options.use_syslog);
    starts(&warnings(&text)[0], "1:2: [OPTIONS] is taken as [options]");
}

#[test]
fn options_twice_are_taken_together() {
    let text = format!("[options]\nlogfile = /a\n{DOOR}[options]\nlogfile = /b\nusesyslog\n");
    let options = good(&text).options;
    assert!(options.use_syslog);
    assert_eq!(options.log_file, Some("/b".into()));
    let said = warnings(&text);
    starts(&said[0], "2:1: `logfile` stands twice; the last one counts");
    starts(&said[1], "7:2: [options] stands twice; both are taken together");
    assert_eq!(said.len(), 2);
}

#[test]
fn a_byte_order_mark_is_left_out() {
    let text = format!("\u{feff}{DOOR}seqence = 1\n");
    let said = lines(&text);
    starts(&said[0], "1:1: the file begins with a byte order mark");
    starts(&said[1], "5:1: unknown directive `seqence`");
    good(&format!("\u{feff}{DOOR}"));
}

#[test]
fn a_word_for_use_syslog() {
    for (word, wanted) in [("yes", true), ("True", true), ("no", false), ("off", false), ("0", false)] {
        let text = format!("[options]\nUseSyslog = {word}\n{DOOR}");
        assert_eq!(good(&text).options.use_syslog, wanted, "{word}");
        starts(&warnings(&text)[0], &format!("2:13: `{word}` is an unusual value"));
    }
    let text = format!("[options]\nUseSyslog = daemon\n{DOOR}");
    starts(&lines(&text)[0], "2:13: `daemon` is neither yes nor no");
}

#[test]
fn of_a_repeated_directive_the_last_counts() {
    let text = "[d]\nsequence = 1\nsequence = 1,9,5\nstart_command = a\ncommand = b\ntcpflags = syn\n";
    let door = &good(text).doors[0];
    assert_eq!(door.trigger, Trigger::Static("1,9,5".parse_sequence()));
    assert_eq!(door.start.v4, shell("b"));
    let said = warnings(text);
    starts(&said[0], "2:1: `sequence` stands twice; the last one counts");
    starts(&said[1], "4:1: `start_command` stands below under its other name `command`, which counts");
}

#[test]
fn flags_that_no_client_sends() {
    for flags in ["syn,ack", "fin", "ack", "fin,urg,!ack", "!syn"] {
        let said = warnings(&format!("[d]\nsequence = 1:udp,9,5\ncommand = x\ntcpflags = {flags}\n"));
        starts(&said[0], "4:12: a client such as knock does not send TCP packets with these flags");
        assert_eq!(said.len(), 1);
        let udp = format!("[d]\nsequence = 1:udp,9:udp,5:udp\ncommand = x\ntcpflags = {flags}\n");
        assert!(warnings(&udp).is_empty());
    }
    for flags in ["syn", "any", "syn,!fin", "!rst"] {
        assert!(
            warnings(&format!("[d]\nsequence = 1,9,5\ncommand = x\ntcpflags = {flags}\n")).is_empty(),
            "{flags}"
        );
    }
    let pad = warnings("[d]\none_time_sequences = p\ncommand = x\ntcpflags = fin\n");
    starts(&pad[0], "4:12: a client such as knock");
}

#[test]
fn a_door_that_takes_udp_alone_needs_no_flags() {
    assert!(warnings("[d]\nsequence = 1:udp,9:udp,5:udp\ncommand = x\n").is_empty());
}

#[test]
fn interfaces_in_quotes() {
    let with = |value: &str| format!("[options]\ninterface = {value}\n{DOOR}");
    for empty in ["\"\"", "''"] {
        assert_eq!(good(&with(empty)).options.interfaces, None);
        starts(&warnings(&with(empty))[0], "2:13: an empty name stands for the default interface");
    }
    let text = with("\"eth0\", wlan0");
    assert_eq!(good(&text).options.interfaces.unwrap(), ["eth0", "wlan0"]);
    starts(&warnings(&text)[0], "2:13: quotes are no part of an interface's name");
    for bad in ["", "\"\",lo", "lo,", "\"eth 0\"", "\"lo"] {
        assert!(lines(&with(bad))[0].contains("this is no interface name"), "{bad}");
    }
}

#[test]
fn two_doors_of_one_name_or_one_sequence() {
    let said = warnings(&format!("{DOOR}{}", DOOR.replace("= 1", "= 2")));
    starts(&said[0], "5:2: a second door is called [d]");
    assert_eq!(said.len(), 1);
    let said = warnings(&format!("{DOOR}{}", DOOR.replace("[d]", "[e]").replace("= 1", "= 1:tcp")));
    starts(&said[0], "5:2: door [d] has the same sequence");
    assert_eq!(said.len(), 1);
}

#[test]
fn relative_commands() {
    starts(&warning("command_6 = ./open %IP%"), "5:13: a relative path, but commands run in `/`");
    starts(&warning("stop_command = bin/close;true"), "5:16: a relative path");
    starts(&warning("stop_command_6 = ../x"), "5:18: a relative path");
    for fine in ["/bin/x a/b", "x ./y", "\"$HOME\"/x", "[ -f a/b ] && x", "echo a/b"] {
        assert!(warnings(&format!("{DOOR}stop_command = {fine}\n")).is_empty(), "{fine}");
    }
}

#[test]
fn characters_that_look_like_others() {
    let hint = |line: &str| complaint(line);
    for (line, place, hinted) in [
        ("sequence = 1,\u{a0}2", "5:14: `\\u{a0}2` is not a port number", "a no-break space (U+00A0)"),
        (
            "sequence = 1,2\u{2010}3",
            "5:14: `2\u{2010}3` is not a port number",
            "a typographic hyphen (U+2010)",
        ),
        ("timeout = 5\u{a0}", "5:11: `5\\u{a0}` is no span of time", "a no-break space (U+00A0)"),
        ("target = 192.0.2.1\u{200b}", "5:10: `192.0.2.1\\u{200b}` is no IP", "a zero-width space (U+200B)"),
        ("tcpflags = syn,\u{a0}ack", "5:16: unknown TCP flag `\\u{a0}ack`", "a no-break space (U+00A0)"),
        ("\u{a0}target = 192.0.2.1", "5:1: unknown directive `\\u{a0}target`", "a no-break space (U+00A0)"),
    ] {
        let said = hint(line);
        starts(&said, place);
        assert!(said.contains(&format!("it holds {hinted}")), "{said}");
    }
    let said = warning("stop_command = iptables \u{2010}D");
    starts(
        &said,
        "5:25: a command is run with this character as it stands (it is a typographic hyphen (U+2010)",
    );
}

#[test]
fn placeholders_in_place_of_numbers() {
    for (line, said) in [
        ("sequence = 1,${port}", "5:14: `${port}` is not a port number (a placeholder must be filled in"),
        ("sequence = {{ports}}", "5:12: `{{ports}}` is not a port number (a placeholder"),
        ("sequence = __OPEN__", "5:12: `__OPEN__` is not a port number (a placeholder"),
        ("sequence = PORTS:udp", "5:12: `PORTS` is not a port number (a placeholder"),
        ("timeout = $time", "5:11: `$time` is no span of time (a placeholder"),
        ("sequence = 0", "5:12: port 0 is out of range (1-65535)"),
    ] {
        starts(&complaint(line), said);
    }
}

#[test]
fn blanks_of_every_kind_and_every_line_end() {
    let text = "\u{c}[d]\u{c}\r\n\tsequence\t=\u{b}1 ,\t9 ,5\u{c}\r\n\r\n  \t \r\ntcpflags=syn\r\n command =\tx \u{c}";
    assert!(warnings(text).is_empty());
    let door = &good(text).doors[0];
    assert_eq!(door.trigger, Trigger::Static("1,9,5".parse_sequence()));
    assert_eq!((door.name.as_str(), &door.start.v4), ("d", &shell("x")));
    starts(&lines("[d]\rsequence = 1\r")[0], "1:4: a carriage return inside a line");
}

#[test]
fn a_line_that_continues_another_is_refused_once() {
    let text = "[d]\nsequence = 1,9,5\ntcpflags = syn\ncommand = a \\\n  b = 1; \\\n # no line\n  c\nstop_command = x\\\n  d\n[e]\n";
    let said = lines(text);
    starts(&said[0], "5:3: this line continues the one before, but a value ends with its line");
    starts(&said[1], "9:3: this line continues the one before");
    assert_eq!(said.iter().filter(|line| line.contains("continues")).count(), 2);
    assert!(warnings(&format!("{DOOR}stop_command = x\\\ncmd_timeout = 5\n")).is_empty());
}

#[test]
fn lines_before_the_first_section_are_refused_once() {
    let said = lines(&format!("a = 1\nb = 2\n{DOOR}"));
    starts(&said[0], "1:1: a line before the first [section]");
    assert_eq!(said.len(), 1);
}

#[test]
fn lines_that_are_nearly_right() {
    starts(&lines("[d\n")[0], "1:1: a section's name must end with `]`");
    starts(&lines("[d] x\n")[0], "1:1: a section's name must end with `]`");
    starts(&lines("[ ]\n")[0], "1:3: a section needs a name");
    starts(&lines("[a\u{1}b]\n")[0], "1:2: a section's name cannot hold control characters");
    starts(&complaint("= 5"), "5:1: a directive's name is missing before the `=`");
    starts(&complaint("timeout"), "5:1: `timeout` needs a value");
    starts(&complaint("sequence = 1,,2"), "5:14: a port is missing here");
}

#[test]
fn misplaced_directives() {
    starts(
        &complaint("LogFile = /x"),
        "5:1: `LogFile` does not belong here (it belongs into the section [options])",
    );
    let said = lines(&format!("[options]\nsequence = 1,9,5\n{DOOR}"));
    starts(&said[0], "2:1: `sequence` does not belong here (it belongs into the section of a door)");
    assert_eq!(said.len(), 1);
}

#[test]
fn nearest_names_are_suggested_and_far_ones_are_not() {
    for (wrong, right) in [
        ("seqence", "sequence"),
        ("SeqTimeout", "seq_timeout"),
        ("one-time-sequences", "one_time_sequences"),
        ("stop_command6", "stop_command_6"),
        ("tcp_flags", "tcpflags"),
    ] {
        let said = complaint(&format!("{wrong} = 1"));
        starts(&said, &format!("5:1: unknown directive `{wrong}` (did you mean `{right}`?)"));
    }
    assert_eq!(complaint("acl = 192.0.2.0/24"), "t.conf:5:1: unknown directive `acl`");
    let said = complaint(&"x".repeat(5000));
    assert_eq!(said, format!("t.conf:5:1: unknown directive `{}…`", "x".repeat(40)));
}

#[test]
fn sequences_of_up_to_32_ports() {
    for length in [1, 2, 31, 32] {
        let text = vec!["9:udp"; length].join(",");
        let Trigger::Static(sequence) = door(&format!("sequence = {text}")).trigger else { panic!("a pad") };
        assert_eq!(sequence.steps().len(), length);
    }
    let text = vec!["9"; 33].join(",");
    starts(&complaint(&format!("sequence = {text}")), "5:76: more than 32 ports in one sequence");
}

#[test]
fn long_commands_with_every_character() {
    let printable: String = (' '..='~').chain("äß→门\u{1}\u{7f}\t".chars()).collect();
    let command = format!(": {}", printable.repeat(50)).trim_end().chars().take(4000).collect::<String>();
    let text = format!("[d]\nsequence = 1,9,5\ntcpflags = syn\ncommand = {command}\n");
    assert_eq!(good(&text).doors[0].start.v4, shell(command.trim_end()));
    assert!(command.len() >= 4000);
}
