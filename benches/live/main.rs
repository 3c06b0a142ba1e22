//! What the daemon costs while it runs, beside Debian's knockd 0.8 and loops that only count packets: two hosts out of
//! network namespaces, real packets, everybody in turn.
//!
//! Run by `benches/lab.sh`, as root: `live [--quick] [--write DIRECTORY] [KNOCKD...]`.  It prints Markdown; with
//! `--write` it also puts that into DIRECTORY's `performance.md`, and the pictures beside it.  Other builds of the daemon
//! whose paths are given are measured, too.  `live bare ...` is the process of a loop that only counts.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that fails has no result")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![allow(dead_code, unreachable_pub, missing_docs, reason = "the lab has more than is measured here")]

#[path = "../../tests/lab/daemon.rs"]
mod daemon;
#[path = "../../tests/lab/doors.rs"]
mod doors;
#[path = "../../tests/savefile/frames.rs"]
mod frames;
#[path = "../../tests/lab/hits.rs"]
mod hits;
#[path = "../../tests/lab/host.rs"]
mod host;
#[path = "../../tests/lab/net.rs"]
mod net;
#[path = "../../tests/lab/pads.rs"]
mod pads;
#[path = "../../tests/lab/procfs.rs"]
mod procfs;
#[path = "../../tests/lab/programs.rs"]
mod programs;
#[path = "../../tests/lab/shuffle.rs"]
mod shuffle;
#[path = "../../tests/lab/tail.rs"]
mod tail;
#[path = "../../tests/lab/tracer.rs"]
mod tracer;
#[path = "../../tests/lab/wait.rs"]
mod wait;

mod bare;
mod disk;
mod figures;
mod flood;
mod idle;
mod latency;
mod load;
mod machine;
mod meter;
mod numbers;
mod page;
mod plots;
mod report;
mod sender;
mod subject;

use std::env;
use std::path::PathBuf;
use std::process::Command;

use figures::Figures;
use net::Lab;
use report::Results;
use subject::Subject;

/// How often everybody has a turn at everything.
const ROUNDS: usize = 3;
/// How many knocks there are in a round for us, and for the others, of whom each is slower or has less to show.
const KNOCKS: usize = 120;
const FEWER_KNOCKS: usize = 40;
/// How often the disk is waited for in each of everybody's turns.
const SYNCS: usize = 15;

/// What hosts do with packets that are for nobody, after the programs have seen them: nothing.
const SILENCE: &str = "
table inet lab {
    chain early {
        type filter hook prerouting priority raw; policy drop;
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    }
}";

/// What the command line asks for.
#[derive(Default)]
struct Wish {
    is_quick: bool,
    write: Option<PathBuf>,
    others: Vec<String>,
}

impl Wish {
    fn of(args: Vec<String>) -> Self {
        let mut wish = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // cargo says so.
                "--bench" => {}
                "--quick" => wish.is_quick = true,
                "--write" => wish.write = Some(args.next().expect("a directory").into()),
                _ => wish.others.push(arg),
            }
        }
        wish
    }
}

fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    if let [first, rest @ ..] = &args[..]
        && first == "bare"
    {
        return bare::main(rest);
    }
    let wish = Wish::of(args);
    let results = measure(&wish);
    let text = results.markdown();
    println!("{text}");
    if let Some(directory) = wish.write {
        plots::write(&results.all, &directory.join("plots"));
        page::rewrite(&directory.join("performance.md"), &text);
    }
}

fn measure(wish: &Wish) -> Results {
    let lab = Lab::new("the live benchmark").expect("this needs root");
    lab.server.succeeds(Command::new("nft").arg(SILENCE));
    let rounds = if wish.is_quick { 1 } else { ROUNDS };
    let mut all: Vec<_> = Subject::all(&wish.others).into_iter().map(Figures::of).collect();
    let mut syncs = Vec::new();
    for round in 0..rounds {
        for figures in &mut all {
            eprintln!("round {} of {rounds}: {}", round + 1, figures.subject.name);
            syncs.extend(disk::syncs(&lab, SYNCS));
            knock(&lab, round, figures);
            figures.loads.extend(load::measure(&lab, &figures.subject));
            // The classic daemon needs half a minute.
            if figures.subject.is_ours() || round == 0 {
                figures.floods.push(flood::measure(&lab, &figures.subject));
            }
        }
        let subjects: Vec<_> = all.iter().map(|figures| figures.subject.clone()).collect();
        eprintln!("round {} of {rounds}: everybody idle", round + 1);
        for (figures, wake_ups) in all.iter_mut().zip(idle::measure(&lab, &subjects)) {
            figures.idle.push(wake_ups);
        }
    }
    for figures in all.iter_mut().filter(|figures| figures.subject.is_ours()) {
        figures.syncs = Some(disk::syncs_for_each_opening(&lab, &figures.subject));
    }
    Results { all, syncs, rounds }
}

/// Knocks at both doors; a loop that only counts has no pad.
fn knock(lab: &Lab, round: usize, figures: &mut Figures) {
    let subject = &figures.subject;
    let knocks = if subject.is_ours() { KNOCKS } else { FEWER_KNOCKS };
    figures.at_static_door.extend(latency::at_static_door(lab, subject, knocks));
    if subject.is_daemon() {
        let (openings, ()) = latency::at_one_time_door(lab, subject, (&round.to_string(), knocks), |_| ());
        figures.at_one_time_door.extend(openings);
    }
}
