//! How long it takes from the last hit of a knock until the door's command runs, for several builds of the daemon in turn.
//!
//! `cargo bench --bench opening -- [KNOCKD...]` measures this build's `knockd`, and others whose paths are given, a round
//! each in turn, so that what else the machine does meets all of them alike.  Needs root, as the lab does.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that fails has no result")]
#![allow(dead_code, unreachable_pub, missing_docs, reason = "the lab has more than is measured here")]

#[path = "../tests/lab/daemon.rs"]
mod daemon;
#[path = "../tests/lab/hits.rs"]
mod hits;
#[path = "../tests/lab/host.rs"]
mod host;
#[path = "../tests/lab/net.rs"]
mod net;
#[path = "../tests/lab/pads.rs"]
mod pads;
#[path = "../tests/lab/procfs.rs"]
mod procfs;
#[path = "../tests/lab/programs.rs"]
mod programs;
#[path = "../tests/lab/tail.rs"]
mod tail;
#[path = "../tests/lab/timing.rs"]
mod timing;
#[path = "../tests/lab/wait.rs"]
mod wait;

use std::path::{Path, PathBuf};
use std::time::Duration;

use daemon::Launch;
use net::Lab;
use tail::Tail;

/// How often each build is started.
const ROUNDS: usize = 10;
/// How often it is knocked at each time.
const KNOCKS: usize = 30;
const PORTS: [u16; 3] = [7000, 8000, 9000];

/// The times of one round, in the order in which the knocks came.
fn round(lab: &Lab, program: &Path) -> Vec<Duration> {
    let file = lab.path("opened");
    let doors = format!(
        "\n[door]\n    sequence = 7000,8000,9000\n    tcpflags = syn\n    command = echo opened >>{}\n",
        file.display()
    );
    let launch = Launch { program: program.to_owned(), name: "measured", ..Launch::new(&doors) };
    let _daemon = launch.start(lab);
    let mut opened = Tail::new(&file);
    (0..KNOCKS).map(|_| timing::opening(lab, &mut opened, "opened", &PORTS)).collect()
}

fn main() {
    let mut programs = vec![PathBuf::from(env!("CARGO_BIN_EXE_knockd"))];
    programs.extend(std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from));
    let lab = Lab::new("opening").expect("this needs root");
    let mut times = vec![Vec::new(); programs.len()];
    for _ in 0..ROUNDS {
        for (program, times) in programs.iter().zip(&mut times) {
            times.extend(round(&lab, program));
        }
    }
    println!("| daemon | median | 90 of 100 | longest | knocks |\n|---|---|---|---|---|");
    for (program, times) in programs.iter().zip(&mut times) {
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        let (middle, most, longest) = (at(50), at(90), at(100));
        println!("| {} | {middle:.3?} | {most:.3?} | {longest:.3?} | {} |", program.display(), times.len());
    }
}
