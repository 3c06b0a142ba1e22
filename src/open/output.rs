//! What a command says: the beginning is kept for the log, and the rest is counted.

use std::fmt::Write as _;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) lines: usize,
    pub(super) bytes: usize,
}

impl Room {
    /// What the log has for a command.
    pub(super) const OF_THE_LOG: Room = Room { lines: 5, bytes: 2048 };
}

/// The beginning of a text that comes in parts.
#[derive(Debug)]
pub(super) struct Output {
    room: Room,
    kept: Vec<u8>,
    lines: usize,
    left_out: usize,
}

impl Output {
    pub(super) fn with(room: Room) -> Output {
        Output { room, kept: Vec::new(), lines: 0, left_out: 0 }
    }

    /// Takes the next part.
    pub(super) fn take(&mut self, part: &[u8]) {
        for (taken, &byte) in part.iter().enumerate() {
            if self.lines == self.room.lines || self.kept.len() == self.room.bytes {
                self.left_out += part.len() - taken;
                return;
            }
            if byte == b'\n' {
                // Empty lines say nothing.
                if self.kept.last().is_none_or(|last| *last == b'\n') {
                    continue;
                }
                self.lines += 1;
            }
            self.kept.push(byte);
        }
    }

    /// What was kept, and how much more there was.
    pub(super) fn into_text(self) -> String {
        let mut text = String::from_utf8_lossy(&self.kept).trim_end().to_owned();
        match self.left_out {
            0 => {}
            1 => text.push_str("\n[and one more byte]"),
            more => {
                let _ = write!(text, "\n[and {more} more bytes]");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(parts: &[&str]) -> String {
        let mut output = Output::with(Room::OF_THE_LOG);
        for part in parts {
            output.take(part.as_bytes());
        }
        output.into_text()
    }

    #[test]
    fn a_few_lines_are_kept_whole_but_for_empty_ones() {
        assert_eq!(kept(&[]), "");
        assert_eq!(kept(&["\n\na", "b\n", "\n\nc"]), "ab\nc");
        assert_eq!(kept(&["1\n2\n3\n4\n5\n"]), "1\n2\n3\n4\n5");
    }

    #[test]
    fn lines_beyond_the_fifth_are_counted() {
        assert_eq!(kept(&["1\n2\n3\n4\n5\n6", "7\n"]), "1\n2\n3\n4\n5\n[and 3 more bytes]");
        assert_eq!(kept(&["1\n2\n3\n4\n5\n", "6"]), "1\n2\n3\n4\n5\n[and one more byte]");
    }

    #[test]
    fn one_long_line_is_cut() {
        let long = "x".repeat(Room::OF_THE_LOG.bytes - 1);
        assert_eq!(kept(&[&long, "y"]), format!("{long}y"));
        assert_eq!(kept(&[&long, "yzzz", "zz"]), format!("{long}y\n[and 5 more bytes]"));
        assert_eq!(kept(&[&long, "é"]), format!("{long}\u{fffd}\n[and one more byte]"));
    }
}
