//! Sequences and single lines of pads.

use std::io::{self, Read};

use seqgen::pad::{BadLineKind, Entry, Line, MAX_LINE, Scan, Source};
use seqgen::sequence::{MAX_STEPS, Sequence};

/// Bytes as a pad that nobody is writing, or that somebody is.
pub(super) struct Bytes<'a> {
    pub(super) text: &'a [u8],
    pub(super) settled: bool,
}

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.text.read(buffer)
    }
}

impl Source for Bytes<'_> {
    fn settled(&self) -> io::Result<bool> {
        Ok(self.settled)
    }
}

/// The lines of a pad with this text.
pub(super) fn scan(text: &[u8], settled: bool) -> Vec<Line> {
    Scan::new(Bytes { text, settled }).collect::<io::Result<_>>().unwrap()
}

/// Reads the bytes as a sequence, and their first line as a line of a pad.
///
/// What is read prints as what reads the same; what is not has its fault within the text.  A comment is never armed,
/// and a line that is armed is none any more once it is struck, which shows, and which leaves what it may have said.
pub fn sequence(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Sequence::parse(&text) {
        Ok(sequence) => {
            assert!((1..=MAX_STEPS).contains(&sequence.steps().len()));
            assert_eq!(sequence.first(), sequence.steps()[0]);
            assert_eq!(Sequence::parse(&sequence.to_string()).as_ref(), Ok(&sequence));
            assert_eq!(Sequence::new(sequence.steps().to_vec()), Some(sequence));
        }
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{:?} of {text:?}", error.span);
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
    line(bytes.split(|&byte| byte == b'\n').next().unwrap_or_default());
}

fn line(text: &[u8]) {
    let [line] = scan(&[text, b"\n"].concat(), false).try_into().unwrap();
    assert_eq!(line.text, text[..text.len().min(MAX_LINE)]);
    let is_comment = text.trim_ascii_start().first().is_none_or(|&byte| byte == b'#');
    match &line.entry {
        Entry::Live(sequence) => {
            assert!(!is_comment);
            assert_eq!(std::str::from_utf8(text).map(Sequence::parse), Ok(Ok(sequence.clone())));
            struck(&line, sequence);
        }
        Entry::Struck(_) => assert!(is_comment),
        Entry::Note => assert!(is_comment || text.len() > MAX_LINE),
        Entry::Bad(bad) => {
            assert!(!is_comment);
            let fault = line.text.get(bad.span.clone()).unwrap();
            let points_at_text =
                std::str::from_utf8(&line.text).is_ok_and(|text| text.get(bad.span.clone()).is_some());
            assert!(
                points_at_text || matches!(bad.kind, BadLineKind::NotText | BadLineKind::TooLong),
                "{fault:?}"
            );
            assert!(!bad.to_string().contains(char::is_control), "{bad}");
        }
        other @ (Entry::Repeat(_) | Entry::Unfinished) => {
            unreachable!("a first line with its newline: {other:?}")
        }
    }
}

/// An armed line, once it is struck.
fn struck(line: &Line, sequence: &Sequence) {
    let mut text = line.text.clone();
    text[0] = b'#';
    let [struck] = scan(&[&text, &b"\n"[..]].concat(), false).try_into().unwrap();
    assert!(matches!(struck.entry, Entry::Struck(_)), "{line:?} becomes {struck:?}");
    assert!(struck.possible_sequences().contains(sequence), "{line:?} is not among what {struck:?} said");
    if !line.strike_loses_digit() {
        assert_eq!(struck.sequence(), Some(sequence), "nothing is lost");
    }
}
