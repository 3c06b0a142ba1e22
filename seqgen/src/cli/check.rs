//! Checking a pad or a key file.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use seqgen::derive::{KeyFile, KeyMaterial, Label};
use seqgen::generate::{Protocols, Shape};
use seqgen::pad::{Census, Entry, Line, PadError, ReadPad};

use super::{Failure, is_key_file, key, say, warn_if_exposed};

/// Prints what the pad or key file at `path` holds, and on standard error what is wrong with it.
pub(super) fn check(path: &Path, label: Option<&Label>) -> Result<(), Failure> {
    let mut pad = ReadPad::open(path)?;
    if is_key_file(path, pad.file())? {
        return check_key(path, label);
    }
    if label.is_some() {
        return Err(Failure::NotAKey(path.to_owned()));
    }
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

fn check_key(path: &Path, label: Option<&Label>) -> Result<(), Failure> {
    let file = KeyFile::open(path)?;
    warn_if_exposed(path, file.file());
    let key = key::for_label(path, file.material(), label)?;
    let (what, label) = match file.material() {
        KeyMaterial::Key(_) => ("a whole key, from which the key of each label follows", label),
        KeyMaterial::Label { label, .. } => ("the key of one label", Some(label)),
    };
    let label = match label.map(Label::as_str) {
        None | Some("") => "(none)".to_owned(),
        Some(label) => label.escape_debug().to_string(),
    };
    let fingerprint = key.fingerprint();
    Ok(writeln!(io::stdout(), "key file: {what}\nlabel: {label}\nfingerprint: {fingerprint}")?)
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
