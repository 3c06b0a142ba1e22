//! Adding lines to a pad, and putting new ones in the place of all the old ones.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use super::error::{PadError, PadErrorKind};
use super::file::leads_to;
use super::lock::LockedPad;

impl LockedPad {
    /// Adds `lines`, each with its newline, at the end, durably; a last line that lacks its newline gets it first.
    ///
    /// After an error the pad is as it was, as far as that can be had.
    pub fn append(&mut self, lines: &[u8]) -> Result<(), PadError> {
        leads_to(&self.path, &self.file)?;
        self.add(lines).map_err(|(end, error)| {
            // A line cut short must not stay behind: what is left of it might read as another sequence.
            match end.map_or(Ok(()), |end| self.file.set_len(end)) {
                Ok(()) => PadError::io(&self.path, error),
                Err(_) => PadError::new(&self.path, PadErrorKind::Torn(error)),
            }
        })?;
        leads_to(&self.path, &self.file)
    }

    /// Writes and syncs; where that fails, says where the pad ended before.
    fn add(&self, lines: &[u8]) -> Result<(), (Option<u64>, io::Error)> {
        let mut file = &self.file;
        let end = file.seek(SeekFrom::End(0)).map_err(|error| (None, error))?;
        let fail = |error| (Some(end), error);
        let mut text = Vec::with_capacity(lines.len() + 1);
        if end > 0 {
            let mut last = [0];
            file.seek(SeekFrom::Start(end - 1)).map_err(fail)?;
            file.read_exact(&mut last).map_err(fail)?;
            if last != *b"\n" {
                text.push(b'\n');
            }
        }
        text.extend_from_slice(lines);
        file.write_all(&text).map_err(fail)?;
        file.sync_all().map_err(fail)
    }

    /// Puts `lines` in the place of all that the pad held, durably.
    ///
    /// The file stays the same one, with its owner and permissions; an error can leave it empty or cut short.
    pub fn replace(&mut self, lines: &[u8]) -> Result<(), PadError> {
        leads_to(&self.path, &self.file)?;
        let mut file = &self.file;
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(lines))
            .and_then(|()| file.sync_all())
            .map_err(|error| PadError::new(&self.path, PadErrorKind::Torn(error)))?;
        leads_to(&self.path, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    fn pad(text: &str) -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seqs");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn adds_after_the_last_line() {
        for (before, after) in [
            ("", " 5,6\n 7,8\n"),
            (" 1,2\n", " 1,2\n 5,6\n 7,8\n"),
            (" 1,2", " 1,2\n 5,6\n 7,8\n"),
            (" 1,2\n\n", " 1,2\n\n 5,6\n 7,8\n"),
        ] {
            let (_dir, path) = pad(before);
            LockedPad::try_open(&path).unwrap().append(b" 5,6\n 7,8\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn replaces_all_lines_in_the_same_file() {
        let (_dir, path) = pad(" 1,2\n 3,4\n#5,6\n");
        let identity = same_file::Handle::from_path(&path).unwrap();
        LockedPad::try_open(&path).unwrap().replace(b" 7,8\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), " 7,8\n");
        assert_eq!(same_file::Handle::from_path(&path).unwrap(), identity);
    }

    #[test]
    fn errors_leave_the_pad_as_it_was() {
        let (_dir, path) = pad(" 1,2");
        let mut frozen = LockedPad { path: path.clone(), file: File::open(&path).unwrap() };
        for result in [frozen.append(b" 5,6\n"), frozen.replace(b" 5,6\n")] {
            assert!(matches!(result.unwrap_err().kind, PadErrorKind::Torn(_)));
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), " 1,2");

        let mut locked = LockedPad::try_open(&path).unwrap();
        let moved = path.with_extension("old");
        std::fs::rename(&path, &moved).unwrap();
        for result in [locked.append(b" 5,6\n"), locked.replace(b" 5,6\n")] {
            assert!(matches!(result.unwrap_err().kind, PadErrorKind::Replaced));
        }
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), " 1,2");
    }
}
