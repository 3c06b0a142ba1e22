//! Making lines, and putting them where they are wanted.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use seqgen::generate::{Generator, Lines, Pool, Shape};
use seqgen::pad::{Entry, LockedPad, PadError, PadErrorKind, create};

use super::args::Making;
use super::{Failure, warn_if_exposed};

/// How long to wait for a pad that somebody else holds; a strike takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes what was asked for.
pub(super) fn make(making: Making) -> Result<(), Failure> {
    let shape = Shape {
        length: usize::from(making.length),
        protocols: making.proto.into(),
        pool: Pool::new(&making.ports, &making.exclude),
    };
    let count = making.count.unwrap_or_default();
    let mut generator = Generator::new(shape);
    match (making.append, making.output) {
        (Some(path), _) => append(&mut generator, count, &path),
        (None, Some(path)) => write_file(&written_out(generator.lines(count)?)?, &path, making.force),
        (None, None) => print(generator.lines(count)?),
    }
}

/// Prints lines as they are made.
fn print(lines: Lines<'_>) -> Result<(), Failure> {
    let mut output = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    for sequence in lines {
        writeln!(output, " {}", sequence?)?;
    }
    Ok(output.flush()?)
}

/// All lines as they stand in a pad: each with a blank in front, for a strike to overwrite.
fn written_out(lines: Lines<'_>) -> Result<String, Failure> {
    let mut text = String::new();
    for sequence in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, " {}", sequence?);
    }
    Ok(text)
}

/// Writes a new file, or with `force` over an old one.
fn write_file(lines: &str, path: &Path, force: bool) -> Result<(), Failure> {
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
    let mut pad = LockedPad::open_within(path, PATIENCE)?;
    for line in pad.lines()? {
        let line = line.map_err(|error| PadError::io(path, error))?;
        if line.entry == Entry::Unfinished {
            return Err(Failure::Unfinished { path: path.to_owned(), number: line.number });
        }
        for sequence in line.possible_sequences() {
            generator.avoid(&sequence);
        }
        if let Some(sequence) = line.sequence() {
            generator.follow(sequence.first());
        }
    }
    pad.append(written_out(generator.lines(count)?)?.as_bytes())?;
    warn_if_exposed(path, pad.file());
    Ok(())
}
