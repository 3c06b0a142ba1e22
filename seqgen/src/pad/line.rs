//! What one line of a pad is.

use std::fmt;
use std::ops::Range;

use crate::sequence::{Sequence, SequenceErrorKind};

/// The longest line that is read, in bytes without its newline.
pub const MAX_LINE: usize = 4096;

/// From how many characters of base64 on a line is taken for a key: half of one could be tried out.
const LIKE_KEY: usize = 22;

/// One line of a pad, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// Where its first byte is in the file.
    pub offset: u64,
    /// Its bytes without the newline; only the first [`MAX_LINE`] of an over-long line.
    pub text: Vec<u8>,
    /// Whether a newline ends it; only the last line of a file can lack one.
    pub terminated: bool,
    /// What it is.
    pub entry: Entry,
}

impl Line {
    /// The sequence that this line offers, if it can still be used.
    pub fn live(&self) -> Option<&Sequence> {
        match &self.entry {
            Entry::Live(sequence) => Some(sequence),
            _ => None,
        }
    }

    /// The sequence that stands on this line, whether it can still be used or not.
    pub fn sequence(&self) -> Option<&Sequence> {
        match &self.entry {
            Entry::Live(sequence) | Entry::Repeat(sequence) | Entry::Struck(Some(sequence)) => Some(sequence),
            _ => None,
        }
    }

    /// Every sequence that may have stood on this line: for a struck one, any digit can have been lost.
    pub fn possible_sequences(&self) -> Vec<Sequence> {
        let mut sequences: Vec<_> = self.sequence().cloned().into_iter().collect();
        if let (Entry::Struck(_), [b'#', rest @ ..]) = (&self.entry, self.text.as_slice()) {
            let rest = String::from_utf8_lossy(rest);
            sequences.extend((1..=9).filter_map(|digit| Sequence::parse(&format!("{digit}{rest}")).ok()));
        }
        sequences
    }

    /// Whether the first byte is part of the sequence, so that striking the line loses a digit of it.
    pub fn strike_loses_digit(&self) -> bool {
        self.live().is_some() && !self.text.first().is_some_and(u8::is_ascii_whitespace)
    }
}

/// What a line of a pad is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A sequence that can be used.
    Live(Sequence),
    /// A used line: `#`, and then a sequence.
    ///
    /// A line that began with a digit lost it when it was struck (`7000,8000` became `#000,8000`).  What is left
    /// may read as another sequence, and nothing in the line tells; where it reads as none, there is `None` here.
    Struck(Option<Sequence>),
    /// It looks live, but an earlier line of the file, live or struck, has or had the same content: never to be
    /// used.
    Repeat(Sequence),
    /// A comment or a blank line.
    Note,
    /// The last line, without a newline, in a file that somebody may still be writing: not to be used yet.
    Unfinished,
    /// Neither sequence nor comment: never to be used.
    Bad(BadLine),
}

impl Entry {
    /// What a line with this content is, looked at by itself (so never a repeat, nor unfinished).
    pub(super) fn of(text: &[u8]) -> Entry {
        match text.trim_ascii_start() {
            [] => Entry::Note,
            [b'#', rest @ ..] => Entry::of_comment(rest, text[0] == b'#'),
            // All that a strike would leave of one digit is a `#`, as of an empty comment.
            [b'1'..=b'9', ..] if text.trim_ascii_end().len() == 1 => {
                Entry::Bad(BadLine { span: 0..1, kind: BadLineKind::Traceless })
            }
            _ => Entry::of_sequence(text),
        }
    }

    /// What a line is that looks like a sequence.
    fn of_sequence(text: &[u8]) -> Entry {
        // Most lines are of this form.
        if let Some(sequence) = Sequence::parse_plain(text) {
            return Entry::Live(sequence);
        }
        match std::str::from_utf8(text).map(Sequence::parse) {
            Ok(Ok(sequence)) => Entry::Live(sequence),
            Ok(Err(_)) if is_like_key(text) => {
                Entry::Bad(BadLine { span: 0..text.len(), kind: BadLineKind::Key })
            }
            Ok(Err(error)) => {
                Entry::Bad(BadLine { span: error.span, kind: BadLineKind::Sequence(error.kind) })
            }
            Err(error) => {
                let at = error.valid_up_to();
                Entry::Bad(BadLine { span: at..at + 1, kind: BadLineKind::NotText })
            }
        }
    }

    /// What a comment with `rest` after its `#` is; `leading` when the `#` is the line's first byte.
    fn of_comment(rest: &[u8], leading: bool) -> Entry {
        // Prose is told from sequences by its first bytes, so that no comment is parsed in vain.
        if !rest.trim_ascii_start().first().is_some_and(|b| b.is_ascii_digit() || b",:".contains(b)) {
            return Entry::Note;
        }
        let Ok(rest) = std::str::from_utf8(rest) else { return Entry::Note };
        if let Ok(sequence) = Sequence::parse(rest) {
            return Entry::Struck(Some(sequence));
        }
        // Some first digit must have stood where the `#` is: any will do to see whether it made a sequence.
        if leading && Sequence::parse(&format!("1{rest}")).is_ok() {
            return Entry::Struck(None);
        }
        Entry::Note
    }
}

/// Whether a line has something like a key, whole or in part, which nobody may be shown, whatever stands around it.
fn is_like_key(text: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    text.split(|byte| !is_base64(byte))
        .any(|word| word.len() >= LIKE_KEY && word.iter().any(u8::is_ascii_alphabetic))
}

/// Why a line is of no use, and which of its bytes are to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The bytes at fault, counted from the start of the line.
    pub span: Range<usize>,
    /// What is wrong with them.
    pub kind: BadLineKind,
}

impl BadLine {
    /// Where the fault begins, as a column counted in bytes from 1.
    pub fn column(&self) -> usize {
        self.span.start + 1
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for BadLine {}

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadLineKind {
    /// It is no sequence.
    Sequence(SequenceErrorKind),
    /// More than [`MAX_LINE`] bytes.
    TooLong,
    /// Bytes that are no UTF-8.
    NotText,
    /// What looks like a key.
    Key,
    /// One digit at the start of the line and nothing else, of which a strike would leave nothing.
    Traceless,
}

impl fmt::Display for BadLineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadLineKind::Sequence(kind) => kind.fmt(f),
            BadLineKind::TooLong => write!(f, "the line is longer than {MAX_LINE} bytes"),
            BadLineKind::NotText => f.write_str("a byte that is no text (UTF-8)"),
            BadLineKind::Key => f.write_str("this looks like a key, not a sequence; pads hold sequences"),
            BadLineKind::Traceless => {
                f.write_str("one digit alone needs a blank before it, or a strike leaves no trace")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(text: &str) -> Sequence {
        Sequence::parse(text).unwrap()
    }

    #[test]
    fn a_sequence_is_live_with_any_blanks_around() {
        for text in [" 1,2,3", "1,2,3", "\t1 , 2:tcp,3", " 1,2,3\r", "1,2,3  "] {
            assert_eq!(Entry::of(text.as_bytes()), Entry::Live(sequence("1,2,3")), "{text:?}");
        }
    }

    #[test]
    fn a_commented_sequence_is_struck() {
        for text in ["#1,2,3", "# 1,2,3", "  #1,2,3", "#1,2,3\r"] {
            assert_eq!(Entry::of(text.as_bytes()), Entry::Struck(Some(sequence("1,2,3"))), "{text:?}");
        }
    }

    #[test]
    fn a_struck_line_that_lost_its_digit_is_still_struck() {
        for text in ["#000,8000,9000", "#,2,3", "#:udp,5", "#00:udp"] {
            assert_eq!(Entry::of(text.as_bytes()), Entry::Struck(None), "{text:?}");
        }
    }

    #[test]
    fn whatever_is_live_shows_that_it_was_struck() {
        for text in [" 7", "\t7 ", "70", "07", "7,8", "7:tcp", "7 ,8", "7 :udp"] {
            assert!(matches!(Entry::of(text.as_bytes()), Entry::Live(_)), "{text:?}");
            let struck = format!("#{}", &text[1..]);
            assert!(matches!(Entry::of(struck.as_bytes()), Entry::Struck(_)), "{struck:?}");
        }
    }

    #[test]
    fn comments_and_blank_lines_are_notes() {
        for text in [
            &b""[..],
            b"   ",
            b"\r",
            b"#",
            b"# ",
            b"##",
            b"# 000,8000",
            b" #000,8000",
            b"#Pad of 2026",
            b"#1,2,x",
            b"#, and so on",
            b"  # text",
            b"# caf\xe9",
            b"#1\xff",
        ] {
            assert_eq!(Entry::of(text), Entry::Note, "{:?}", text.escape_ascii().to_string());
        }
    }

    #[test]
    fn anything_else_is_bad_and_says_where() {
        for (text, span, message) in [
            (&b" 1,70000"[..], 3..8, "port 70000 is out of range (1-65535)"),
            (b" 1,2\0,3", 3..5, "`2\\0` is not a port number"),
            (b"\x001,2", 0..2, "`\\01` is not a port number"),
            (b"1,\xff2", 2..3, "a byte that is no text (UTF-8)"),
            (b"1,2 # first", 2..11, "`2 # first` is not a port number"),
            (b"7", 0..1, "one digit alone needs a blank before it, or a strike leaves no trace"),
            (b"7 \r", 0..1, "one digit alone needs a blank before it, or a strike leaves no trace"),
            ("\u{a0}1,2".as_bytes(), 0..3, "`\\u{a0}1` is not a port number"),
        ] {
            let Entry::Bad(bad) = Entry::of(text) else { panic!("{text:?}") };
            assert_eq!((bad.span.clone(), bad.to_string()), (span, message.to_owned()));
            assert_eq!(bad.column(), bad.span.start + 1);
        }
    }

    /// With a damaged header a key file looks like a pad.
    #[test]
    fn what_looks_like_a_key_is_never_quoted() {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let (half, rest) = key.split_at(22);
        let damaged = [
            format!("{key} # alice"),
            format!("key: \"{key}\""),
            format!("{half} {rest}"),
            format!("{half}\u{fffd}{}", &rest[1..]),
            format!("{key},{key}"),
        ];
        let damaged = damaged.iter().map(String::as_str);
        for text in [key, &format!(" {key}\r"), &key[..43], &key[22..]].into_iter().chain(damaged) {
            let Entry::Bad(bad) = Entry::of(text.as_bytes()) else { panic!("{text:?}") };
            assert_eq!((bad.span.clone(), bad.kind.clone()), (0..text.len(), BadLineKind::Key));
            assert_eq!(bad.to_string(), "this looks like a key, not a sequence; pads hold sequences");
        }
        for text in [
            "7000:udpxxxxxxxxxxxxxxxxxx",
            "1234567890123456789012345678901234567890",
            "ThisIsTwentyOneLetter 7000",
        ] {
            let Entry::Bad(bad) = Entry::of(text.as_bytes()) else { panic!("{text:?}") };
            assert!(matches!(bad.kind, BadLineKind::Sequence(_)), "{text:?}");
        }
    }

    #[test]
    fn a_struck_line_may_have_lost_any_digit() {
        let possible = |text: &[u8]| {
            let entry = Entry::of(text);
            let line = Line { number: 1, offset: 0, text: text.to_vec(), terminated: true, entry };
            line.possible_sequences().iter().map(Sequence::to_string).collect::<Vec<_>>()
        };
        assert_eq!(possible(b" 1,2"), ["1,2"]);
        assert_eq!(possible(b"# 1,2"), ["1,2"]);
        assert_eq!(possible(b"#0000,2"), ["10000,2", "20000,2", "30000,2", "40000,2", "50000,2", "60000,2"]);
        assert_eq!(possible(b"#7000,2")[..2], ["7000,2", "17000,2"]);
        assert!(possible(b"# no line").is_empty());
    }

    #[test]
    fn only_a_line_that_begins_with_its_sequence_loses_a_digit() {
        let loses = |text: &[u8]| {
            let entry = Entry::of(text);
            Line { number: 1, offset: 0, text: text.to_vec(), terminated: true, entry }.strike_loses_digit()
        };
        assert!(loses(b"1,2"));
        assert!(!loses(b" 1,2"));
        assert!(!loses(b"\t1,2"));
        assert!(!loses(b"#1,2"));
    }
}
