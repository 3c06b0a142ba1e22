//! Checking a pad.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use seqgen::generate::{Protocols, Shape};
use seqgen::pad::{Census, Entry, Line, PadError, ReadPad};

use super::{Failure, say, warn_if_exposed};

/// Prints what the pad at `path` holds, and on standard error what is wrong with it.
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    let mut pad = ReadPad::open(path)?;
    warn_if_exposed(path, pad.file());
    let mut census = Census::default();
    for line in pad.lines()? {
        let line = line.map_err(|error| PadError::io(path, error))?;
        complain(path, &line);
        census.count(&line);
    }
    print(&census)?;
    if census.bad > 0 { Err(Failure::BadLines) } else { Ok(()) }
}

fn complain(path: &Path, line: &Line) {
    let place = format!("{}:{}", path.display(), line.number);
    match &line.entry {
        Entry::Bad(bad) => say(&format!("{place}:{}: {bad}", bad.column())),
        Entry::Repeat(_) => say(&format!("{place}: this repeats an earlier line, so it will never be used")),
        Entry::Unfinished => say(&format!(
            "{place}: the last line has no newline, and the file was changed just now; it does not count yet"
        )),
        Entry::Live(_) | Entry::Struck(_) | Entry::Note => {}
    }
}

fn print(census: &Census) -> io::Result<()> {
    let Census { live, struck, repeats, bad, digit_led, lost, .. } = census;
    let mut output = BufWriter::new(io::stdout().lock());
    writeln!(output, "live: {live}\nstruck: {struck}\nrepeats: {repeats}\nbad: {bad}")?;
    if let Some(shape) = census.usual_shape() {
        writeln!(output, "entropy: {:.1} bits a line, if made of {}", shape.bits(), describe(&shape))?;
    }
    writeln!(output, "fingerprint: {}", census.fingerprint())?;
    if *digit_led > 0 {
        writeln!(
            output,
            "note: live lines that begin with a digit: {digit_led}; striking one loses the digit and changes the \
             fingerprint, which a blank in front prevents"
        )?;
    }
    if *lost > 0 {
        writeln!(
            output,
            "note: struck lines that have lost a digit: {lost}; they are not part of the fingerprint"
        )?;
    }
    output.flush()
}

/// The shape that lines are taken to have.
fn describe(shape: &Shape) -> String {
    let protocols = match shape.protocols {
        Protocols::Tcp => "TCP",
        Protocols::Udp => "UDP",
        Protocols::Mixed => "TCP or UDP",
    };
    let range = match shape.pool.ports() {
        [] => String::new(),
        [port] => format!(" from {port}"),
        [first, .., last] => format!(" from {first}-{last}"),
    };
    format!("{} {protocols} ports at random{range}", shape.length)
}
