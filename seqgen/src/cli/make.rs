//! Making lines, and putting them where they are wanted.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use seqgen::generate::{Generator, Pool, Shape};
use seqgen::pad::{Entry, Line, LockedPad, PadError, PadErrorKind, create};
use seqgen::sequence::Sequence;

use super::args::Making;
use super::{Failure, refuse_key_file, warn_if_exposed};

/// How long to wait for a pad that somebody else holds; a strike takes milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Makes what was asked for.
pub(super) fn make(making: Making) -> Result<(), Failure> {
    let count = making.count.unwrap_or_default();
    let mut generator = Generator::new(shape(&making));
    match (making.append, making.output) {
        (Some(path), _) => append(&mut generator, count, &path),
        (None, Some(path)) => write_file(&written_out(generator.lines(count)?)?, &path, making.force),
        (None, None) => print(generator.lines(count)?),
    }
}

/// What the lines are to look like.
pub(super) fn shape(making: &Making) -> Shape {
    Shape {
        length: usize::from(making.length),
        protocols: making.proto.into(),
        pool: Pool::new(&making.ports, &making.exclude),
    }
}

/// Prints lines as they are made.
pub(super) fn print<E>(lines: impl IntoIterator<Item = Result<Sequence, E>>) -> Result<(), Failure>
where
    Failure: From<E>,
{
    let mut output = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    for sequence in lines {
        writeln!(output, " {}", sequence?)?;
    }
    Ok(output.flush()?)
}

/// All lines as they stand in a pad: each with a blank in front, for a strike to overwrite.
pub(super) fn written_out<E>(lines: impl IntoIterator<Item = Result<Sequence, E>>) -> Result<String, Failure>
where
    Failure: From<E>,
{
    let mut text = String::new();
    for sequence in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, " {}", sequence?);
    }
    Ok(text)
}

/// Writes a new file, or with `force` over an old one.
pub(super) fn write_file(lines: &str, path: &Path, force: bool) -> Result<(), Failure> {
    match create(path, lines.as_bytes()) {
        Err(PadError { kind: PadErrorKind::Exists, .. }) if force => {
            let mut pad = LockedPad::open_within(path, PATIENCE)?;
            pad.replace(lines.as_bytes())?;
            warn_if_exposed(path, pad.file());
            Ok(())
        }
        result => Ok(result?),
    }
}

/// Adds lines that the pad never held, under its lock from the reading to the writing.
fn append(generator: &mut Generator, count: u64, path: &Path) -> Result<(), Failure> {
    let mut pad = open_to_append(path, |line| {
        for sequence in line.possible_sequences() {
            generator.avoid(&sequence);
        }
        if let Some(sequence) = line.sequence() {
            generator.follow(sequence.first());
        }
    })?;
    finish_append(&mut pad, &written_out(generator.lines(count)?)?)
}

/// Locks a pad that can be added to, and shows each of its lines to `see`.
pub(super) fn open_to_append(path: &Path, mut see: impl FnMut(&Line)) -> Result<LockedPad, Failure> {
    let mut pad = LockedPad::open_within(path, PATIENCE)?;
    refuse_key_file(path, pad.file())?;
    for line in pad.lines()? {
        let line = line.map_err(|error| PadError::io(path, error))?;
        if line.entry == Entry::Unfinished {
            return Err(Failure::Unfinished { path: path.to_owned(), number: line.number });
        }
        see(&line);
    }
    Ok(pad)
}

/// Adds `lines`.
pub(super) fn finish_append(pad: &mut LockedPad, lines: &str) -> Result<(), Failure> {
    pad.append(lines.as_bytes())?;
    warn_if_exposed(pad.path(), pad.file());
    Ok(())
}
