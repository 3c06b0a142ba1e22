//! What durability takes by itself, and how often it is asked for.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use crate::latency::{self, Pauses};
use crate::net::Lab;
use crate::subject::{Running, Subject};
use crate::tracer::Tracer;

/// The time of single `fdatasync`s after a byte was overwritten, as a strike does it, where the daemons have their files;
/// as far from each other as knocks are.
pub(crate) fn syncs(lab: &Lab, count: usize) -> Vec<Duration> {
    let path = lab.path("synced");
    std::fs::write(&path, [b' '; 4096]).expect("a file");
    let file = File::options().write(true).open(&path).expect("a file");
    file.sync_all().expect("a file on a disk");
    let mut pauses = Pauses::new();
    let sync = |at: usize| {
        pauses.pass();
        let start = Instant::now();
        file.write_all_at(b"#", at as u64 % 4096).expect("a file");
        file.sync_data().expect("a file on a disk");
        start.elapsed()
    };
    (0..count).map(sync).collect()
}

/// How many such system calls each opening of a one-time door makes.
pub(crate) fn syncs_for_each_opening(lab: &Lab, subject: &Subject) -> f64 {
    const KNOCKS: usize = 10;
    let attach = |running: &Running| match running {
        Running::Daemon(daemon) => {
            Tracer::attach(lab, daemon, &["-e", "trace=fsync,fdatasync,msync,sync,syncfs"])
        }
        Running::Bare(_) => panic!("it opens no doors"),
    };
    let (openings, tracer) = latency::at_one_time_door(lab, subject, ("traced", KNOCKS), attach);
    drop(tracer);
    let calls = lab.read("trace").lines().filter(|line| line.contains("sync(")).count();
    calls as f64 / openings.delays.len() as f64
}
