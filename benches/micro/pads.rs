//! Reading pads and striking lines.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use divan::Bencher;
use divan::counter::ItemsCount;
use seqgen::pad::{Line, LockedPad, ReadPad};
use tempfile::TempDir;

/// A pad of so many lines, and its directory.
fn pad(lines: u32) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pad");
    let mut text = String::new();
    for number in 0..lines {
        let ports = [10_000 + number / 10_000, 20_000 + number / 100 % 100, 30_000 + number % 100];
        writeln!(text, " {},{},{}", ports[0], ports[1], ports[2]).expect("writing to a string");
    }
    fs::write(&path, text).expect("a pad");
    (directory, path)
}

/// Every line, as a start reads it.
#[divan::bench(args = [1, 1000, 1_000_000], sample_count = 10)]
fn read_whole(bencher: Bencher, lines: u32) {
    let (_directory, path) = pad(lines);
    bencher.counter(ItemsCount::new(lines)).bench_local(|| {
        let mut pad = ReadPad::open(&path).expect("the pad");
        let live = pad.lines().expect("its lines").filter(|line| line.as_ref().is_ok_and(is_live)).count();
        assert_eq!(live, lines as usize);
    });
}

fn is_live(line: &Line) -> bool {
    line.live().is_some()
}

/// One line in the middle, durably; the disk is most of it.
#[divan::bench(args = [1, 1000, 1_000_000], sample_count = 50, sample_size = 1)]
fn strike(bencher: Bencher, lines: u32) {
    let (_directory, path) = pad(lines);
    let middle = {
        let mut pad = ReadPad::open(&path).expect("the pad");
        let mut lines = pad.lines().expect("its lines").skip(lines as usize / 2);
        lines.next().expect("a line").expect("a line")
    };
    let file = File::options().write(true).open(&path).expect("the pad");
    let unstrike = || {
        file.write_all_at(b" ", middle.offset).expect("the pad");
        // What is measured has this one byte to make durable, and nothing that was written before.
        file.sync_all().expect("the pad");
    };
    bencher.with_inputs(unstrike).bench_local_values(|()| {
        LockedPad::try_open(&path).and_then(|mut pad| pad.strike(&[&middle])).expect("a strike");
    });
}
