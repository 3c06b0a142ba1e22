//! What a new configuration changes, for the log.  It names directives, and shows no values: sequences are secrets.

use std::collections::HashMap;

use crate::config::{Config, Door, Options, PerFamily, Stop, Trigger};

/// A longer list of doors is cut.
const SHOWN: usize = 50;

/// Options that a running process cannot take: what it has given up it has given up for good.
const WITH_THE_NEXT_START: [&str; 3] = ["user", "sandbox", "capabilities"];

/// What has changed between two configurations, line by line.
pub(super) fn changes(before: &Config, after: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let options = options(&before.options, &after.options);
    if !options.is_empty() {
        lines.push(format!("options changed: {}", options.join(", ")));
    }
    let later: Vec<_> = options.into_iter().filter(|name| WITH_THE_NEXT_START.contains(name)).collect();
    if !later.is_empty() {
        let verb = if later.len() == 1 { "takes" } else { "take" };
        lines.push(format!("{} {verb} effect with the next start", later.join(", ")));
    }
    let mut doors = doors(before, after);
    if let Some(more) = doors.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        doors.truncate(SHOWN);
        doors.push(format!("and {more} more doors"));
    }
    lines.append(&mut doors);
    if lines.is_empty() {
        lines.push("nothing has changed".to_owned());
    }
    lines
}

/// Directives, and whether each has changed.
type Judged = (&'static str, bool);

fn changed(judged: impl IntoIterator<Item = Judged>) -> Vec<&'static str> {
    judged.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}

fn options(before: &Options, after: &Options) -> Vec<&'static str> {
    let Options {
        use_syslog,
        log_file,
        pid_file,
        state_dir,
        counter_dir,
        interfaces,
        scan_guard,
        max_sources,
        command_timeout,
        user,
        sandbox,
        capabilities,
    } = before;
    changed([
        ("usesyslog", *use_syslog != after.use_syslog),
        ("logfile", *log_file != after.log_file),
        ("pidfile", *pid_file != after.pid_file),
        ("state_dir", *state_dir != after.state_dir),
        ("counter_dir", *counter_dir != after.counter_dir),
        ("interface", *interfaces != after.interfaces),
        ("scan_guard", *scan_guard != after.scan_guard),
        ("max_sources", *max_sources != after.max_sources),
        ("command_timeout", *command_timeout != after.command_timeout),
        ("user", *user != after.user),
        ("sandbox", *sandbox != after.sandbox),
        ("capabilities", *capabilities != after.capabilities),
    ])
}

/// Doors that are new, gone or changed; the names of those that share one are numbered as everywhere in the log.
fn doors(before: &Config, after: &Config) -> Vec<String> {
    let mut gone: Vec<_> = numbered(&before.doors).map(|(key, door)| (key, Some(door))).collect();
    let places: HashMap<_, _> = gone.iter().enumerate().map(|(place, (key, _))| (*key, place)).collect();
    let mut lines = Vec::new();
    for (key, door) in numbered(&after.doors) {
        let earlier = places.get(&key).and_then(|place| gone[*place].1.take());
        match earlier.map(|earlier| directives(earlier, door)) {
            None => lines.push(format!("door {} is new", label(key))),
            Some(names) if names.is_empty() => {}
            Some(names) => lines.push(format!("door {} has changed: {}", label(key), names.join(", "))),
        }
    }
    let gone =
        gone.into_iter().filter_map(|(key, door)| door.map(|_| format!("door {} is gone", label(key))));
    lines.extend(gone);
    lines
}

/// Each door with its name, and how many of that name there are up to it.
fn numbered(doors: &[Door]) -> impl Iterator<Item = ((&str, usize), &Door)> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    doors.iter().map(move |door| {
        let number = seen.entry(&door.name).or_default();
        *number += 1;
        ((door.name.as_str(), *number), door)
    })
}

fn label((name, number): (&str, usize)) -> String {
    if number == 1 { name.to_owned() } else { format!("{name}#{number}") }
}

fn directives(before: &Door, after: &Door) -> Vec<&'static str> {
    let Door { name: _, trigger, seq_timeout, flags, target, allow, start, nft_set, stop, reknock } = before;
    let mut names = trigger_changed(trigger, &after.trigger);
    names.extend(changed([
        ("seq_timeout", *seq_timeout != after.seq_timeout),
        ("tcpflags", *flags != after.flags),
        ("target", *target != after.target),
        ("allow", *allow != after.allow),
    ]));
    names.extend(family_changed(nft_set, &after.nft_set, ["nft_set", "nft_set_6"]));
    names.extend(family_changed(start, &after.start, ["start_command", "start_command_6"]));
    names.extend(stop_changed(stop.as_ref(), after.stop.as_ref()));
    names.extend(changed([("reknock", *reknock != after.reknock)]));
    names
}

fn trigger_changed(before: &Trigger, after: &Trigger) -> Vec<&'static str> {
    match (before, after) {
        (Trigger::Static(before), Trigger::Static(after)) => changed([("sequence", before != after)]),
        (Trigger::OneTime(before), Trigger::OneTime(after)) => changed([
            ("one_time_sequences", before.paths != after.paths),
            ("one_time_window", before.window != after.window),
            ("one_time_resync", before.resync != after.resync),
            ("one_time_low", before.low != after.low),
            ("one_time_low_command", before.low_command != after.low_command),
        ]),
        (Trigger::Key(before), Trigger::Key(after)) => changed([
            ("one_time_key", before.path != after.path),
            ("one_time_label", before.label != after.label),
            ("one_time_step", before.mode != after.mode),
            ("one_time_bind", before.bind != after.bind),
            ("one_time_length", before.form.shape().length != after.form.shape().length),
            ("one_time_proto", before.form.shape().protocols != after.form.shape().protocols),
            ("one_time_ports", before.form.shape().pool != after.form.shape().pool),
            ("one_time_window", before.window != after.window),
            ("one_time_resync", before.resync != after.resync),
        ]),
        _ => vec![trigger_name(before), trigger_name(after)],
    }
}

fn trigger_name(trigger: &Trigger) -> &'static str {
    match trigger {
        Trigger::Static(_) => "sequence",
        Trigger::OneTime(_) => "one_time_sequences",
        Trigger::Key(_) => "one_time_key",
    }
}

fn stop_changed(before: Option<&Stop>, after: Option<&Stop>) -> Vec<&'static str> {
    let none = PerFamily { v4: None, v6: None };
    let command = |stop: Option<&'_ Stop>| stop.map_or_else(|| none.clone(), |stop| stop.command.clone());
    let later = before.zip(after).is_some_and(|(before, after)| before.after != after.after);
    let mut names = changed([("cmd_timeout", later)]);
    names.extend(family_changed(&command(before), &command(after), ["stop_command", "stop_command_6"]));
    names
}

fn family_changed<T: PartialEq>(
    before: &PerFamily<Option<T>>,
    after: &PerFamily<Option<T>>,
    [v4, v6]: [&'static str; 2],
) -> Vec<&'static str> {
    // Where the one for IPv6 is the same as the other, it is most likely not written down.
    let same = before.v6 == before.v4 && after.v6 == after.v4;
    changed([(v4, before.v4 != after.v4), (v6, before.v6 != after.v6 && !same)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn config(text: &str) -> Config {
        let (config, report) = parse("t.conf", text.as_bytes());
        config.unwrap_or_else(|| panic!("{}", report.render(false)))
    }

    fn between(before: &str, after: &str) -> Vec<String> {
        changes(&config(before), &config(after))
    }

    const STATIC: &str = "[d]\nsequence = 7001,8001,9001\ntcpflags = syn\nstart_command = x\n";
    const PAD: &str = "[d]\none_time_sequences = /p\ntcpflags = syn\nstart_command = x\n";

    #[test]
    fn the_same_changes_nothing_however_it_is_written() {
        let other = "[D]\nCommand=x\nTCPFlags=syn\nSequence=7001,8001,9001\n".replace("[D]", "[d]");
        assert_eq!(between(STATIC, &other), ["nothing has changed"]);
    }

    #[test]
    fn every_directive_of_a_door_is_named_and_no_value_is_shown() {
        for (door, line, names) in [
            (STATIC, "sequence = 7001,8002,9001", "sequence"),
            (STATIC, "seq_timeout = 3", "seq_timeout"),
            (STATIC, "tcpflags = any", "tcpflags"),
            (STATIC, "target = 192.0.2.7", "target"),
            (STATIC, "allow = 192.0.2.0/24", "allow"),
            (STATIC, "start_command = y", "start_command"),
            (STATIC, "start_command_6 = y", "start_command_6"),
            (STATIC, "stop_command = y", "stop_command"),
            (STATIC, "stop_command_6 = y", "stop_command_6"),
            (STATIC, "stop_command = y\ncmd_timeout = 7", "stop_command"),
            (STATIC, "nft_set_6 = inet t s", "nft_set_6, start_command_6"),
            (STATIC, "reknock = run", "reknock"),
            (PAD, "one_time_sequences = /p, /q", "one_time_sequences"),
            (PAD, "one_time_window = 7", "one_time_window"),
            (PAD, "one_time_resync = 7", "one_time_resync"),
            (PAD, "one_time_low = 7", "one_time_low"),
            (PAD, "one_time_low_command = 'x'", "one_time_low_command"),
            (PAD, "one_time_low = 7\nseq_timeout = 7", "one_time_low, seq_timeout"),
        ] {
            let changed = format!("{door}{line}\n");
            assert_eq!(between(door, &changed), [format!("door d has changed: {names}")], "{line}");
            assert_eq!(between(&changed, door), [format!("door d has changed: {names}")], "{line}");
        }
        let stop = |seconds: u8| format!("{STATIC}stop_command = y\ncmd_timeout = {seconds}\n");
        assert_eq!(between(&stop(7), &stop(8)), ["door d has changed: cmd_timeout"]);
        assert_eq!(between(STATIC, PAD), ["door d has changed: sequence, one_time_sequences"]);
    }

    #[test]
    fn every_option_is_named() {
        for line in [
            "usesyslog",
            "logfile = /l",
            "pidfile = /p",
            "state_dir = /s",
            "interface = lo",
            "scan_guard = 7",
            "max_sources = 77",
            "command_timeout = 7",
        ] {
            let name = line.split(' ').next().unwrap();
            let changed = format!("[options]\n{line}\n{STATIC}");
            assert_eq!(between(STATIC, &changed), [format!("options changed: {name}")]);
        }
    }

    #[test]
    fn what_takes_effect_with_the_next_start_is_said_to() {
        for line in ["user = u", "sandbox = log", "capabilities = cap_net_admin"] {
            let name = line.split(' ').next().unwrap();
            let changed = format!("[options]\n{line}\n{STATIC}");
            let said =
                [format!("options changed: {name}"), format!("{name} takes effect with the next start")];
            assert_eq!(between(STATIC, &changed), said);
        }
        let both = format!("[options]\nsandbox = off\nuser = u\nmax_sources = 77\n{STATIC}");
        assert_eq!(between(STATIC, &both)[1], "user, sandbox take effect with the next start");
    }

    #[test]
    fn doors_come_and_go_by_name_and_number() {
        let named = |names: &[&str]| -> String {
            names.iter().map(|name| STATIC.replace("[d]", &format!("[{name}]"))).collect()
        };
        assert_eq!(between(&named(&["a", "b"]), &named(&["c", "b"])), ["door c is new", "door a is gone"]);
        assert_eq!(between(&named(&["a"]), &named(&["a", "a"])), ["door a#2 is new"]);
        assert_eq!(between(&named(&["a", "a"]), &named(&["a"])), ["door a#2 is gone"]);
        let many: Vec<String> = (0..60).map(|number| format!("d{number}")).collect();
        let lines = between(STATIC, &named(&many.iter().map(String::as_str).collect::<Vec<_>>()));
        assert_eq!((lines.len(), lines[50].as_str()), (51, "and 11 more doors"));
    }
}
