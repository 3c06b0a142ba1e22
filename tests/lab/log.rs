//! What strangers, names and commands can do to the log: neither fill it nor forge it.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use crate::daemon::Launch;
use crate::firewall;
use crate::frames::{SYN, Shot, Transport};
use crate::net::{CLIENT, Lab, SERVER, SERVER_6};
use crate::volley::{CANARY, Volley};
use crate::wait::{PATIENCE, wait_until};
use crate::wire::Wire;

const DOOR: &str = "
[door]
    sequence    = 7000,8000,9000
    seq_timeout = 2
    tcpflags    = syn
    command     = true
";

const STRANGERS: u32 = 150_000;

/// So that no attempt is forgotten before its end, which would add no line.
const ROOM: &str = "    max_sources = 200000\n";

/// The ports that one of the strangers hits, and how many lines come of it: one for each stage, and one for the end.
fn attempt(number: u32) -> (&'static [u16], usize) {
    match number % 10 {
        0 => (&[7000, 11, 12, 13, 14, 15, 16], 2),
        1 => (&[7000, 8000], 3),
        _ => (&[7000], 2),
    }
}

fn hit(source: u32, port: u16) -> Vec<u8> {
    let address = 0x2001_0db8_00ff_0000_0000_0000_0000_0000 + u128::from(source);
    let source = IpAddr::V6(Ipv6Addr::from(address));
    let target = SERVER_6.parse().expect("an address");
    let transport = Transport::Tcp { flags: SYN, number: 1 };
    Shot { source, target, source_port: 40_000, port, transport }.packet()
}

/// Whether a stranger can cause lines like this one.
fn is_a_strangers(line: &str) -> bool {
    [": Stage ", "sequence timeout", "too many other ports"].iter().any(|words| line.contains(words))
}

/// The number in a line that says how many were left out.
fn left_out(line: &str) -> Option<usize> {
    let (words, _) = line.split_once(" lines about stages and timeouts were left out")?;
    words.rsplit(' ').next()?.parse().ok()
}

/// How many lines of strangers the log holds or says to have left out.
fn accounted_for(log: &str) -> usize {
    log.lines().map(|line| left_out(line).unwrap_or_else(|| usize::from(is_a_strangers(line)))).sum()
}

#[test]
fn a_flood_of_attempts_adds_some_tens_of_lines_a_second_and_the_rest_is_counted() {
    let test = "a_flood_of_attempts_adds_some_tens_of_lines_a_second_and_the_rest_is_counted";
    let Some(lab) = Lab::new(test) else { return };
    firewall::nft(&lab.server);
    let start = Instant::now();
    let doors = format!("{DOOR}{CANARY}");
    let daemon = Launch { options: ROOM, ..Launch::new(&doors) }.start(&lab);
    let mut caused = 0;
    let knocks = 5;
    Wire::with(&lab, |wire| {
        let mut volley = Volley::new(wire, &daemon);
        for number in 0..STRANGERS {
            let (ports, lines) = attempt(number);
            for &port in ports {
                volley.send(&hit(number, port));
            }
            caused += lines;
            if number % (STRANGERS / knocks) == 0 {
                lab.knock(&["-d", "1", SERVER, "7000", "8000", "9000"]);
                caused += 3;
            }
        }
        volley.settle();
        caused += 2 * volley.canaries();
    });
    let told = wait_until(PATIENCE, || accounted_for(&daemon.log()) >= caused);
    let seconds = start.elapsed().as_secs() + 1;
    let log = daemon.log();
    assert!(told, "of {caused} lines that were caused the log tells of {}", accounted_for(&log));
    assert_eq!(accounted_for(&log), caused);

    let lines: Vec<_> = log.lines().filter(|line| is_a_strangers(line) || left_out(line).is_some()).collect();
    println!("{} lines in {seconds} s tell of {caused}", lines.len());
    assert!(lines.len() as u64 <= 40 + 20 * seconds, "{} lines in {seconds} s", lines.len());
    let mut by_second: HashMap<&str, u32> = HashMap::new();
    for line in lines {
        *by_second.entry(&line[..21]).or_default() += 1;
    }
    assert!(by_second.values().all(|lines| *lines <= 61), "{by_second:?}");

    // Those who really opened the door are all there.
    let times = |words: &str| log.matches(words).count();
    assert_eq!(times(&format!("{CLIENT}: door: OPEN SESAME")), knocks as usize);
    assert_eq!(times("door: running command: true"), knocks as usize);
}

/// Names, paths, commands and what commands say, with everything in them that could pass for a line of the log or talk
/// to a terminal.
#[test]
fn a_log_line_stays_one_line_whatever_is_in_it() {
    let Some(lab) = Lab::new("a_log_line_stays_one_line_whatever_is_in_it") else { return };
    let log = lab.path("knockd.log");
    fs::write(
        lab.path("hostile.toml"),
        format!(
            r#"
[options]
logfile = "{log}"
["do\u202eor\u2028\u009b"]
sequence = [7000, 8000]
tcpflags = "syn"
command = "true"
"#,
            log = log.display()
        ),
    )
    .expect("a configuration");
    let before = format!("cd {}\ncp hostile.toml knockd.conf", lab.path("").display());
    let refused = Launch { before: &before, args: &["--check"], ..Launch::new("") };
    let output = refused.command(&lab).output().expect("ip: install iproute2");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.contains("a section's name cannot hold control characters"), "{said}");

    // The watchman is there for `Daemon::settle`.
    fs::write(
        lab.path("hostile.toml"),
        format!(
            r#"
[options]
logfile = "{log}"
state_dir = "{state}"
["do\u202eor\u2028\u2066"]
sequence = [7000, 8000]
tcpflags = "syn"
command = "printf '\\033[2Ja\\rb\\001\\302\\233c\\n[2026-11-22 08:34:05] forged\\n' >&2; exit 3"
[array]
sequence = [7001, 8001]
tcpflags = "syn"
command = ["true", "a\n[2026-11-22 08:34:05] forged\u001b[2J"]
[pad]
one_time_sequences = "{directory}/a\n[2026-11-22 08:34:05] forged\u001b[2J"
tcpflags = "syn"
command = "true"
[watchman]
sequence = [61003, 61001, 61002]
tcpflags = "syn"
command = "true"
"#,
            log = log.display(),
            state = lab.path("knockd.state").display(),
            directory = lab.path("").display(),
        ),
    )
    .expect("a configuration");
    let daemon = Launch { before: &before, ..Launch::new("") }.start(&lab);
    lab.knock(&[SERVER, "7000", "8000"]);
    lab.knock(&[SERVER, "7001", "8001"]);
    daemon.settle(&lab);
    daemon.says("command returned non-zero status code (3)");

    let text = daemon.log();
    let odd = |c: char| {
        c != '\n' && (c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    };
    assert!(!text.contains(odd), "{text:?}");
    let is_a_line = |line: &str| line.starts_with("[20") && line.as_bytes().get(20) == Some(&b']');
    assert!(text.lines().all(is_a_line), "{text}");
    assert!(!text.contains("\n[2026-11-22 08:34:05] forged"), "{text}");
    for told in [
        r"do\u{202e}or\u{2028}\u{2066}: OPEN SESAME",
        r"\u{1b}[2Ja\rb\u{1}\u{9b}c",
        r"a\n[2026-11-22 08:34:05] forged\u{1b}[2J",
        "pad: the door stays shut: ",
    ] {
        assert!(text.contains(told), "`{told}` is missing from:\n{text}");
    }
}
