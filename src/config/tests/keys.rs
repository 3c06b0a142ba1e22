//! Doors whose sequences follow from a key.

use super::*;

fn key(lines: &str) -> KeySource {
    let text = format!("[d]\ncommand = x\ntcpflags = syn\none_time_key = /k\n{lines}\n");
    match good(&text).doors.remove(0).trigger {
        Trigger::Key(key) => key,
        Trigger::Static(_) | Trigger::OneTime(_) => panic!("not a key"),
    }
}

/// The last problem of a door with a key; `line` is the file's fifth.
fn complaint(line: &str) -> String {
    lines(&format!("[d]\ncommand = x\ntcpflags = syn\none_time_key = /k\n{line}\n")).pop().unwrap()
}

#[test]
fn by_default_a_knock_is_counted_and_bound_to_who_knocks() {
    let key = key("");
    assert_eq!((key.path.to_str().unwrap(), &key.label), ("/k", &None));
    assert_eq!((key.mode, key.bind, key.window.get(), key.resync), (Mode::Counter, true, 5, 100));
    let Shape { length, protocols, pool } = key.form.shape();
    assert_eq!((*length, *protocols), (5, Protocols::Tcp));
    assert_eq!(pool.ranges().map(|range| range.to_string()).collect::<Vec<_>>(), ["1024-65535"]);
}

#[test]
fn values_have_bounds() {
    assert_eq!(key("one_time_step = 1").mode, Mode::Time { step: 1.try_into().unwrap() });
    assert_eq!(key("one_time_step = 1h").mode, Mode::Time { step: 3600.try_into().unwrap() });
    assert_eq!(key("one_time_label =").label, Some(Label::default()));
    for (line, message) in [
        ("one_time_step = 0", "t.conf:5:17: `0` is no step of time (1s-1h)"),
        ("one_time_step = 61m", "t.conf:5:17: `61m` is no step of time (1s-1h)"),
        ("one_time_length = 2", "t.conf:5:19: `2` is no length of a sequence (3-32)"),
        ("one_time_length = 33", "t.conf:5:19: `33` is no length of a sequence (3-32)"),
        ("one_time_proto = icmp", "t.conf:5:18: `icmp` is neither tcp, nor udp, nor mixed"),
        ("one_time_bind = maybe", "t.conf:5:17: `maybe` is neither yes nor no"),
        ("one_time_ports = 1-9,70000", "t.conf:5:22: port 70000 is out of range (1-65535)"),
        ("one_time_ports = 9-1", "t.conf:5:18: the range 9-1 is empty; did you mean 1-9?"),
        ("one_time_ports = 1-4", "t.conf:5:18: 4 ports are allowed, and a sequence has 5 different ones"),
        ("one_time_exclude = 1024-65533", "t.conf:5:20: 2 ports are allowed"),
        ("one_time_ports = 1-20", "t.conf:5:18: sequences like these have 21 bits"),
        ("one_time_key =", "t.conf:5:15: this is no path"),
    ] {
        let said = complaint(line);
        assert!(said.starts_with(message), "{said}");
    }
    let long = format!("one_time_label = {}", "x".repeat(256));
    assert!(complaint(&long).starts_with("t.conf:5:18: a label has at most 255 bytes, not 256"));
}

#[test]
fn what_has_no_effect_is_said_or_refused() {
    for (line, message) in [
        ("one_time_low = 3", "t.conf:5:1: `one_time_low` has no effect: a key never runs out"),
        (
            "one_time_step = 30\none_time_window = 3",
            "t.conf:6:1: `one_time_window` has no effect: where time",
        ),
        ("sequence = 1,9,5", "t.conf:4:1: a door takes either `sequence` or `one_time_key`, not both"),
        ("one_time_sequences = /p", "t.conf:4:1: a door takes either `one_time_sequences` or `one_time_key`"),
    ] {
        let said = complaint(line);
        assert!(said.starts_with(message), "{said}");
    }
    for line in ["one_time_label = x", "one_time_bind = no", "one_time_step = 30", "one_time_ports = 1-99"] {
        let name = line.split(' ').next().unwrap();
        let said = super::complaint(line);
        let message = format!("t.conf:5:1: `{name}` says how sequences follow from a key");
        assert!(said.starts_with(&message), "{said}");
    }
}

#[test]
fn two_doors_have_no_key_with_the_same_label_in_common() {
    let doors = |one: &str, other: &str| {
        let door = |name, lines| format!("[{name}]\ncommand = x\ntcpflags = syn\n{lines}\n");
        lines(&(door("a", one) + &door("b", other)))
    };
    let taken = |one: &str, other: &str| {
        let said = doors(one, other);
        assert!(said.len() <= 1, "{said:?}");
        said.first()
            .is_some_and(|line| line.contains("door [a] has ") && line.contains("with the same label"))
    };
    assert!(taken("one_time_key = /k", "one_time_key = /k"));
    assert!(taken("one_time_key = /k", "one_time_key = /k\none_time_label ="));
    assert!(taken("one_time_key = /k\none_time_label = x", "one_time_key = /k\none_time_label = x"));
    assert!(
        taken("one_time_key = /k\none_time_step = 30", "one_time_key = /k"),
        "though they count otherwise"
    );
    assert!(taken("one_time_key = /keys", "one_time_key = /keys/alice.key"));
    assert!(taken("one_time_key = /keys/alice.key", "one_time_key = /keys"));
    assert!(!taken("one_time_key = /k", "one_time_key = /k\none_time_label = x"));
    assert!(!taken("one_time_key = /k", "one_time_key = /l"));
    assert!(!taken("one_time_key = /keys/alice.key", "one_time_key = /keys/bob.key"));
}

#[test]
fn doors_share_what_their_sequences_look_like() {
    let text = "[a]\ncommand = x\ntcpflags = syn\none_time_key = /a\n\
                [b]\ncommand = x\ntcpflags = syn\none_time_key = /b\none_time_ports = 1024-65535\n";
    let forms: Vec<Arc<Form>> = good(text)
        .doors
        .into_iter()
        .filter_map(|door| match door.trigger {
            Trigger::Key(key) => Some(key.form),
            Trigger::Static(_) | Trigger::OneTime(_) => None,
        })
        .collect();
    assert!(Arc::ptr_eq(&forms[0], &forms[1]));
}
