//! Reading a pad line by line, in bounded memory a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::time::{Duration, SystemTime};

use crate::contents::Contents;

use super::line::{BadLine, BadLineKind, Entry, Line, MAX_LINE};

/// How long a file must have been left alone before a last line without a newline counts as complete.
pub const SETTLED: Duration = Duration::from_secs(2);

/// Where the lines of a pad come from.
pub trait Source: Read {
    /// Whether nobody has written to it for [`SETTLED`], so that an unterminated last line is complete.
    fn settled(&self) -> io::Result<bool>;
}

impl Source for &File {
    fn settled(&self) -> io::Result<bool> {
        let modified = self.metadata()?.modified()?;
        // A time ahead of the clock means that the clock was set back since: that is no recent write either.
        let apart = match SystemTime::now().duration_since(modified) {
            Ok(age) => age,
            Err(ahead) => ahead.duration(),
        };
        Ok(apart >= SETTLED)
    }
}

/// The start of a line: where a scan begins, or goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Bytes before the line.
    pub offset: u64,
    /// The line's number, from 1.
    pub number: u64,
}

impl Position {
    /// The start of the file.
    pub const TOP: Position = Position { offset: 0, number: 1 };
}

/// What a scan remembers of the lines before, to know repeats: keyed 64-bit hashes of their content.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    sequences: Contents,
    /// What strikes left of lines: of one that began with a digit, all that can be compared with afterwards.
    rests: Contents,
}

impl Seen {
    /// What the line is in the light of those before it; remembers it if it is `complete`.
    fn judge(&mut self, text: &[u8], entry: Entry, complete: bool) -> Entry {
        match entry {
            Entry::Live(sequence) => {
                let first = if complete {
                    self.sequences.insert(&sequence)
                } else {
                    !self.sequences.contains(&sequence)
                };
                let new = first && !rest(text).is_some_and(|rest| self.rests.contains(rest));
                if new { Entry::Live(sequence) } else { Entry::Repeat(sequence) }
            }
            Entry::Struck(sequence) => {
                if complete {
                    if let Some(sequence) = &sequence {
                        self.sequences.insert(sequence);
                    }
                    if let Some(rest) = rest(text) {
                        self.rests.insert(rest);
                    }
                }
                Entry::Struck(sequence)
            }
            other => other,
        }
    }
}

/// What a strike leaves of a line, or has left of it, if it does not begin with a blank.
fn rest(text: &[u8]) -> Option<&[u8]> {
    let (first, rest) = text.split_first()?;
    (!first.is_ascii_whitespace()).then(|| rest.trim_ascii_end())
}

/// The lines of a pad, in order.
///
/// After an error it ends; the pad is to be scanned again.
#[derive(Debug)]
pub struct Scan<R> {
    reader: BufReader<R>,
    next: Position,
    seen: Seen,
    done: bool,
}

impl<R: Source> Scan<R> {
    /// Scans from the top.
    pub fn new(reader: R) -> Scan<R> {
        Scan::resume(reader, Position::TOP, Seen::default())
    }

    /// Goes on at `next`, where `reader` stands already, with what an earlier scan has `seen`.
    pub fn resume(reader: R, next: Position, seen: Seen) -> Scan<R> {
        Scan { reader: BufReader::with_capacity(64 * 1024, reader), next, seen, done: false }
    }

    /// Where to go on later, and with what memory, when lines may have been appended.
    ///
    /// A last line without a newline is read again then, since it may have grown.
    pub fn into_rest(self) -> (Position, Seen) {
        (self.next, self.seen)
    }

    fn read_line(&mut self) -> io::Result<Option<Line>> {
        let mut text = Vec::with_capacity(64);
        let mut length = (&mut self.reader).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut text)? as u64;
        if length == 0 {
            return Ok(None);
        }
        let mut terminated = text.last() == Some(&b'\n');
        let too_long = !terminated && text.len() > MAX_LINE;
        if too_long {
            text.truncate(MAX_LINE);
            let (skipped, ended) = skip_line(&mut self.reader)?;
            length += skipped;
            terminated = ended;
        } else if terminated {
            text.pop();
        }

        let mut entry = match Entry::of(&text) {
            Entry::Note => Entry::Note,
            _ if too_long && text.trim_ascii_start().starts_with(b"#") => Entry::Note,
            _ if too_long => Entry::Bad(BadLine { span: 0..MAX_LINE, kind: BadLineKind::TooLong }),
            entry => self.seen.judge(&text, entry, terminated),
        };
        let Position { offset, number } = self.next;
        if terminated {
            self.next = Position { offset: offset + length, number: number + 1 };
        } else {
            self.done = true;
            // What begins as a comment stays one, however it goes on.
            let may_change = !matches!(entry, Entry::Note | Entry::Struck(_));
            if may_change && !self.reader.get_ref().settled()? {
                entry = Entry::Unfinished;
            }
        }
        Ok(Some(Line { number, offset, text, terminated, entry }))
    }
}

/// Skips the rest of a line: how many bytes that is, and whether a newline ended it.
fn skip_line(reader: &mut impl BufRead) -> io::Result<(u64, bool)> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let (length, ended) = match buffer.iter().position(|&b| b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        let newline = length > 0 && ended;
        reader.consume(length);
        skipped += length as u64;
        if ended {
            return Ok((skipped, newline));
        }
    }
}

impl<R: Source> Iterator for Scan<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<io::Result<Line>> {
        if self.done {
            return None;
        }
        let line = self.read_line().transpose();
        self.done |= !matches!(line, Some(Ok(_)));
        line
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
