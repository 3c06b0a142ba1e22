//! What the daemon costs while it runs, beside Debian's knockd 0.8 and loops that only count packets: two hosts out of
//! network namespaces, real packets, everybody in turn.
//!
//! Run by `benches/lab.sh`, as root: `live [--quick] [--packets] [--sets] [--keys] [--write DIRECTORY] [KNOCKD...]`.  It
//! prints Markdown, with `--packets` only of what those cost, with `--sets` only of doors that are sets of nftables, with
//! `--keys` only of doors with keys.  With `--write` it also puts that into DIRECTORY's `performance.md`, and draws the
//! plots beside it.  Other builds of the daemon whose paths are given are measured, too.  `live bare ...` is the
//! process of a loop that only counts.
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
#[path = "../../tests/lab/keyrings.rs"]
mod keyrings;
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
mod keys;
mod latency;
mod load;
mod machine;
mod meter;
mod numbers;
mod page;
mod plots;
mod report;
mod rounds;
mod sender;
mod sets;
mod subject;
mod wish;

use std::env;

use wish::{Part, Wish};

fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    if let [first, rest @ ..] = &args[..]
        && first == "bare"
    {
        return bare::main(rest);
    }
    let wish = Wish::of(args);
    if let Some(part) = wish.only {
        let text = match part {
            Part::Packets => rounds::of_packets(&wish).markdown_of_packets(),
            Part::Sets => sets::markdown(),
            Part::Keys => keys::markdown(),
        };
        println!("{text}");
        return;
    }
    let results = rounds::of_everything(&wish);
    let text = results.markdown();
    println!("{text}");
    if let Some(directory) = wish.write {
        plots::write(&results.all, &directory.join("plots"));
        page::rewrite(&directory.join("performance.md"), &text);
    }
}
