//! Striking: making sure that a line is never used again.

use std::io;

use super::error::{PadError, PadErrorKind};
use super::file::leads_to;
use super::line::{Entry, Line};
use super::lock::LockedPad;
use crate::regular::{read_at, write_at};

const STRUCK: u8 = b'#';

/// Where a line that was read earlier is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Live, with its first byte here.
    Live(u64),
    /// In the file, but struck.
    Struck,
    /// Nowhere.
    Gone,
}

impl LockedPad {
    /// Strikes `lines`, live ones read from this pad, durably; the last is the one to be used, and those before it
    /// are struck along with it because they were skipped.
    ///
    /// Each is overwritten at its place if it still reads as it did there, or else wherever the same sequence
    /// stands now.  Where a skipped one is struck or gone already, nothing is left to do for it.  Where the *last*
    /// one is, this is an error ([`PadErrorKind::AlreadyStruck`], [`PadErrorKind::Vanished`]), nothing is written,
    /// and it must not be used; the same holds for every other error, though lines may have been struck then.
    pub fn strike(&mut self, lines: &[&Line]) -> Result<(), PadError> {
        self.strike_after(lines.len().saturating_sub(1), lines)
    }

    /// Strikes `lines`, live ones read from this pad, durably, each of which is to be used.
    ///
    /// Like [`strike`](LockedPad::strike), but it insists on each line as that does on the last one.
    pub fn strike_all(&mut self, lines: &[&Line]) -> Result<(), PadError> {
        self.strike_after(0, lines)
    }

    /// Strikes `lines`, of which the first `skipped` need not be live any more.
    fn strike_after(&mut self, skipped: usize, lines: &[&Line]) -> Result<(), PadError> {
        leads_to(&self.path, &self.file)?;
        let places = self.find(lines)?;
        for (line, place) in lines.iter().zip(&places).skip(skipped) {
            let number = line.number;
            match place {
                Place::Live(_) => {}
                Place::Struck => return Err(self.error(PadErrorKind::AlreadyStruck { number })),
                Place::Gone => return Err(self.error(PadErrorKind::Vanished { number })),
            }
        }
        for place in places {
            if let Place::Live(offset) = place {
                write_at(&self.file, &[STRUCK], offset).map_err(|e| self.error(PadErrorKind::Write(e)))?;
            }
        }
        // Once this has failed, a second call may succeed though the data are lost: the first answer counts.
        self.file.sync_data().map_err(|error| self.error(PadErrorKind::Sync(error)))?;
        leads_to(&self.path, &self.file)
    }

    /// Where `lines` are now; reads the whole file only if one is not at its place.
    fn find(&mut self, lines: &[&Line]) -> Result<Vec<Place>, PadError> {
        let mut places = Vec::with_capacity(lines.len());
        let mut moved = Vec::new();
        for (i, line) in lines.iter().enumerate() {
            let place = self.look_at(line).map_err(|error| PadError::io(&self.path, error))?;
            if place == Place::Gone {
                moved.push((i, *line));
            }
            places.push(place);
        }
        if !moved.is_empty() {
            self.search(&mut moved, &mut places)?;
        }
        Ok(places)
    }

    /// Whether `line` is still where it was read, and live.
    fn look_at(&self, line: &Line) -> io::Result<Place> {
        if line.live().is_none() {
            return Ok(Place::Gone);
        }
        let before = usize::from(line.offset > 0);
        let mut around = vec![0; before + line.text.len() + 1];
        let length = read_at(&self.file, &mut around, line.offset - before as u64)?;
        let (newline_before, rest) = around[..length].split_at(before.min(length));
        let Some((text, after)) = rest.split_at_checked(line.text.len()) else { return Ok(Place::Gone) };
        let bounded = newline_before.iter().all(|&b| b == b'\n')
            && match after {
                [] => !line.terminated,
                [byte, ..] => *byte == b'\n',
            };
        Ok(match text {
            _ if !bounded => Place::Gone,
            text if text == line.text => Place::Live(line.offset),
            [STRUCK, rest @ ..] if *rest == line.text[1..] => Place::Struck,
            _ => Place::Gone,
        })
    }

    /// Looks for `moved` lines by what they say; the first line of the file that says or said it counts.
    fn search(&mut self, moved: &mut Vec<(usize, &Line)>, places: &mut [Place]) -> Result<(), PadError> {
        let path = self.path.clone();
        for found in self.lines()? {
            let found = found.map_err(|error| PadError::io(&path, error))?;
            let place = match found.entry {
                Entry::Live(_) => Place::Live(found.offset),
                // A repeat of a line that does not say what it said before it was struck.
                Entry::Repeat(_) | Entry::Struck(_) => Place::Struck,
                Entry::Note | Entry::Unfinished | Entry::Bad(_) => continue,
            };
            moved.retain(|&(i, line)| {
                let same =
                    line.live().is_some() && (line.live() == found.sequence() || struck_to(line, &found));
                if same {
                    places[i] = place;
                }
                !same
            });
            if moved.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn error(&self, kind: PadErrorKind) -> PadError {
        PadError::new(&self.path, kind)
    }
}

/// Whether `found` is what striking `line` leaves.
fn struck_to(line: &Line, found: &Line) -> bool {
    matches!(found.entry, Entry::Struck(_))
        && found.text[1..].trim_ascii_end() == line.text[1..].trim_ascii_end()
}

#[cfg(test)]
#[path = "strike_tests.rs"]
mod tests;
