//! Old copies of pads, and how they come back.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::pads::Pads;

/// How an old copy comes back.
pub(crate) type Way = fn(path: &Path, text: &str);

pub(crate) const WAYS: [(&str, Way); 6] = [
    ("an editor", editor),
    ("over the old text", in_place),
    ("a copy", copy),
    ("a copy that takes its time", slow_copy),
    ("a backup that is moved", backup),
    ("deleted and made again", again),
];

fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Writes another file and renames it over the pad, as editors do.
pub(crate) fn editor(path: &Path, text: &str) {
    fs::write(beside(path), text).expect("a new file");
    fs::rename(beside(path), path).expect("a rename");
}

/// The same inode and the same length.
fn in_place(path: &Path, text: &str) {
    let mut file = File::options().write(true).open(path).expect("the pad");
    assert_eq!(file.metadata().expect("the pad").len(), text.len() as u64);
    file.write_all(text.as_bytes()).expect("the pad");
}

/// The same inode, as `cp` and `scp` do.
pub(crate) fn copy(path: &Path, text: &str) {
    fs::write(path, text).expect("the pad");
}

/// The same in two pieces, the first of which ends within a line.
fn slow_copy(path: &Path, text: &str) {
    let (first, rest) = text.split_at(text.len() / 2 + 3);
    let mut file = File::create(path).expect("the pad");
    file.write_all(first.as_bytes()).expect("the pad");
    file.sync_all().expect("the pad");
    file.write_all(rest.as_bytes()).expect("the pad");
}

/// Moves a file over the pad that is as old as the pad was when it was new.
fn backup(path: &Path, text: &str) {
    fs::write(beside(path), text).expect("a new file");
    let file = File::options().write(true).open(beside(path)).expect("the new file");
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("its time");
    fs::rename(beside(path), path).expect("a rename");
}

fn again(path: &Path, text: &str) {
    fs::remove_file(path).expect("the pad");
    fs::write(path, text).expect("a new pad");
}

/// A pad whose old copies can be told apart: each has another line that is no sequence, of which the log complains.
pub(crate) struct Copies {
    pub(crate) text: String,
    lines: usize,
    next: usize,
}

impl Copies {
    pub(crate) const MOST: usize = 24;

    /// Adds to the pad's files what the copies need.
    pub(crate) fn of(pads: &Pads) -> Copies {
        let text = fs::read_to_string(&pads.server).expect("the pad");
        let copies = Copies { lines: text.lines().count(), text, next: 0 };
        fs::write(&pads.server, copies.text(Copies::MOST)).expect("the pad");
        copies
    }

    pub(crate) fn text(&self, bad: usize) -> String {
        let end = (0..Copies::MOST).map(|line| if line == bad { " zz\n" } else { "#zz\n" });
        self.text.clone() + &end.collect::<String>()
    }

    /// The pad as it was, and how the log shows that the daemon has read this very copy.
    pub(crate) fn next(&mut self, path: &Path) -> (String, String) {
        let text = self.text(self.next);
        self.next += 1;
        (text, format!("{}:{}:", path.display(), self.lines + self.next))
    }
}
