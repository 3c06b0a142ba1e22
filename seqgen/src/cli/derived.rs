//! Lines that follow from a key: two who have the same key make the same pad.

use std::path::Path;

use seqgen::contents::Contents;
use seqgen::derive::{Form, KeyFile, Label, LabelKey, Mode};
use seqgen::generate::Impossible;
use seqgen::sequence::Sequence;

use super::args::Making;
use super::make::{finish_append, open_to_append, print, shape, write_file, written_out};
use super::{Failure, key, say, warn_if_exposed};

/// Makes the lines of the counters from `start` on, bound to nobody's address.
pub(super) fn make(path: &Path, label: Option<&Label>, start: u64, making: &Making) -> Result<(), Failure> {
    let form = Form::new(shape(making))?;
    let count = making.count.unwrap_or_default();
    let (last, possible) = (last(start, count)?, form.shape().possible());
    if possible / 2 < u128::from(count) {
        return Err(Impossible::Sequences { count, possible, used: 0, most: possible / 2 }.into());
    }
    let file = KeyFile::open(path)?;
    warn_if_exposed(path, file.file());
    let mut lines = Derived {
        key: key::for_label(path, file.material(), label)?,
        form,
        counters: start..=last,
        made: Contents::default(),
        repeats: 0,
    };
    match (&making.append, &making.output) {
        (Some(path), _) => append(&mut lines, start, path)?,
        (None, Some(path)) => write_file(&written_out(&mut lines)?, path, making.force)?,
        (None, None) => print(&mut lines)?,
    }
    if lines.repeats > 0 {
        let repeats = lines.repeats;
        say(&format!(
            "seqgen: lines that repeat an earlier one, and so will never be used: {repeats}; allow more ports or longer \
             lines"
        ));
    }
    Ok(())
}

/// The last of `count` counters.
fn last(start: u64, count: u64) -> Result<u64, Failure> {
    start.checked_add(count.saturating_sub(1)).ok_or(Failure::CountersEnd {
        start,
        count,
        most: (u64::MAX - start).saturating_add(1),
    })
}

/// Adds lines that the pad never held, under its lock from the reading to the writing.
fn append(lines: &mut Derived, start: u64, path: &Path) -> Result<(), Failure> {
    let mut held = Contents::default();
    let mut pad = open_to_append(path, |line| {
        for sequence in line.possible_sequences() {
            held.insert(&sequence);
        }
    })?;
    let added = lines.zip(start..=u64::MAX).map(|(line, counter)| match line {
        Ok(sequence) if held.contains(&sequence) => {
            Err(Failure::AlreadyThere { path: path.to_owned(), counter })
        }
        line => line,
    });
    finish_append(&mut pad, &written_out(added)?)
}

/// Sequences of one counter after the other.
struct Derived {
    key: LabelKey,
    form: Form,
    counters: std::ops::RangeInclusive<u64>,
    made: Contents,
    repeats: u64,
}

impl Iterator for Derived {
    type Item = Result<Sequence, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let counter = self.counters.next()?;
        let sequence = self.key.counter_key(Mode::Counter, counter, &self.form).sequence(&self.form, None);
        if !self.made.insert(&sequence) {
            self.repeats += 1;
        }
        Some(Ok(sequence))
    }
}
