//! How the programs do when there is very much of something: doors, pads, lines, interfaces.
//!
//! Run by `benches/scale.sh`, which removes what a run that was ended leaves behind; prints a Markdown table.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that fails has no result")]
#![allow(dead_code, unreachable_pub, missing_docs, reason = "the lab has more than is measured here")]

#[path = "../../tests/lab/both.rs"]
mod both;
#[path = "../../tests/lab/daemon.rs"]
mod daemon;
#[path = "../../tests/lab/doors.rs"]
mod doors;
#[path = "../../tests/lab/hits.rs"]
mod hits;
#[path = "../../tests/lab/host.rs"]
mod host;
#[path = "../../tests/lab/net.rs"]
mod net;
#[path = "../../tests/lab/own_run.rs"]
mod own_run;
#[path = "../../tests/lab/pads.rs"]
mod pads;
#[path = "../../tests/lab/procfs.rs"]
mod procfs;
#[path = "../../tests/lab/programs.rs"]
mod programs;
#[path = "../../tests/lab/tail.rs"]
mod tail;
#[path = "../../tests/lab/tracer.rs"]
mod tracer;
#[path = "../../tests/lab/wait.rs"]
mod wait;

mod client;
mod interfaces;
mod making;
mod starts;
mod strikes;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use net::Lab;

/// The lines of the long pad.
const LONG: u32 = 1_000_000;

/// What came of one measurement: what is wanted, what our programs have done, and what the classic ones have done.
struct Row {
    what: String,
    goal: &'static str,
    ours: String,
    classic: String,
}

impl Row {
    fn new(what: impl Into<String>, goal: &'static str, ours: String, classic: String) -> Self {
        Self { what: what.into(), goal, ours, classic }
    }
}

/// What the classic programs have nothing like.
fn nothing() -> String {
    "–".to_owned()
}

/// The middle one, with the shortest and the longest.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let milliseconds = |time: &Duration| {
        let number = time.as_secs_f64() * 1000.0;
        if number < 100.0 { format!("{number:.1}") } else { format!("{number:.0}") }
    };
    match times.as_slice() {
        [] => nothing(),
        [only] => format!("{} ms", milliseconds(only)),
        [first, .., last] => {
            let middle = milliseconds(&times[times.len() / 2]);
            format!("{middle} ms ({}–{})", milliseconds(first), milliseconds(last))
        }
    }
}

/// A pad of so many lines, made by seqgen.
fn generated(lab: &Lab, name: &str, lines: u32) -> PathBuf {
    let path = lab.path(name);
    let mut command = Command::new(programs::seqgen());
    lab.server.succeeds(command.args(["-n", &lines.to_string(), "--force", "-o"]).arg(&path));
    path
}

fn main() {
    let lab = Lab::new("scale").expect("this needs root");
    println!("| | goal | knockd | knockd 0.8 |\n|---|---|---|---|");
    let print = |rows: Vec<Row>| {
        for Row { what, goal, ours, classic } in rows {
            println!("| {what} | {goal} | {ours} | {classic} |");
        }
    };
    print(starts::doors(&lab));
    let long = generated(&lab, "long.pad", LONG);
    print(starts::long_pad(&lab, &long));
    print(strikes::long_pad(&lab, &long));
    print(making::many_lines(&lab));
    print(client::knocks(&lab));
    print(interfaces::many(&lab));
}
