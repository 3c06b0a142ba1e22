//! Whole pads.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};
use seqgen::pad::{Entry, Line, LockedPad, MAX_LINE, Position, Scan, Seen};

use super::sequence::{Bytes, scan};

/// Reads the bytes as a pad, and strikes lines of it.
///
/// Lines lie where they say they do, and no sequence is armed twice.  A scan may stop anywhere and go on.  A strike
/// changes one byte, and of what the pad offers it takes that line away and no other; where a line has lost its digit,
/// others that may be the same go too.
pub fn pad(bytes: &[u8]) {
    let lines = scan(bytes, true);
    in_place(&lines, bytes);
    armed_once(&lines);
    while_it_is_written(&lines, bytes);
    goes_on(&lines, bytes);
    let live: Vec<&Line> = lines.iter().filter(|line| line.live().is_some()).collect();
    if !live.is_empty() {
        // As good as at random, and yet the same each time.
        let which = bytes.len() % live.len();
        strike_one(&lines, live[which], bytes);
        strike_several(&live[..=which], bytes);
    }
}

fn in_place(lines: &[Line], bytes: &[u8]) {
    let mut offset = 0;
    let mut pieces: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let terminated = pieces.pop_if(|last| last.is_empty()).is_some();
    assert_eq!(lines.len(), pieces.len());
    for ((line, piece), number) in lines.iter().zip(&pieces).zip(1..) {
        assert_eq!((line.number, line.offset), (number, offset));
        assert_eq!(line.text, piece[..piece.len().min(MAX_LINE)]);
        assert_eq!(line.terminated, terminated || lines.len() as u64 > number);
        offset += piece.len() as u64 + 1;
    }
}

fn armed_once(lines: &[Line]) {
    let mut said = HashSet::new();
    for line in lines {
        if let Some(sequence) = line.live() {
            assert!(line.text.trim_ascii_start().first().is_some_and(u8::is_ascii_digit), "{line:?}");
            assert!(!said.contains(sequence), "armed though it was said before: {line:?}");
        }
        said.extend(line.sequence());
    }
}

/// Somebody may be writing the last line, but no other.
fn while_it_is_written(lines: &[Line], bytes: &[u8]) {
    let writing = scan(bytes, false);
    assert_eq!(writing.len(), lines.len());
    for (now, then) in writing.iter().zip(lines) {
        match &now.entry {
            Entry::Unfinished => assert!(!now.terminated),
            entry => {
                assert!(now.terminated || !matches!(entry, Entry::Live(_) | Entry::Repeat(_)));
                assert_eq!(now, then);
            }
        }
    }
}

fn goes_on(lines: &[Line], bytes: &[u8]) {
    let count = bytes.len() % (lines.len() + 1);
    let mut first = Scan::new(Bytes { text: bytes, settled: true });
    assert_eq!(first.by_ref().take(count).count(), count);
    let (next, seen): (Position, Seen) = first.into_rest();
    let text = &bytes[usize::try_from(next.offset).unwrap()..];
    let rest = Scan::resume(Bytes { text, settled: true }, next, seen);
    assert_eq!(
        rest.map(Result::unwrap).collect::<Vec<_>>(),
        lines[usize::try_from(next.number).unwrap() - 1..]
    );
}

fn strike_one(lines: &[Line], line: &Line, bytes: &[u8]) {
    let expected = with_strikes(bytes, &[line]);
    assert_eq!(after_strike(bytes, &[line]), expected);
    for (now, then) in scan(&expected, true).iter().zip(lines) {
        if then.number == line.number {
            assert!(matches!(now.entry, Entry::Struck(_)), "{then:?} is struck and reads as {now:?}");
            continue;
        }
        let after = then.number > line.number;
        let begins_blank = |line: &Line| line.text.first().is_some_and(u8::is_ascii_whitespace);
        match (&then.entry, &now.entry) {
            (then, now) if then == now => {}
            // What is left of the struck line may have been what this line says.
            (Entry::Live(sequence), Entry::Repeat(_)) => {
                let mut text = line.text.clone();
                text[0] = b'#';
                let [struck] = scan(&text, true).try_into().unwrap();
                assert!(
                    after && struck.possible_sequences().contains(sequence),
                    "{line:?} takes {then:?} along"
                );
                assert!(!begins_blank(line) || !begins_blank(then), "{line:?} takes {then:?} along");
            }
            // What the struck line said can no longer be told.
            (Entry::Repeat(_), Entry::Live(sequence)) => {
                assert!(
                    after && line.strike_loses_digit() && line.live() == Some(sequence),
                    "{line:?} brings {now:?}"
                );
            }
            _ => unreachable!("a strike of {line:?} turns {then:?} into {now:?}"),
        }
    }
}

/// The last is used and the others are skipped.
fn strike_several(lines: &[&Line], bytes: &[u8]) {
    assert_eq!(after_strike(bytes, lines), with_strikes(bytes, lines));
}

fn with_strikes(bytes: &[u8], lines: &[&Line]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for line in lines {
        bytes[usize::try_from(line.offset).unwrap()] = b'#';
    }
    bytes
}

/// What is in a pad's file after these lines of it were struck; none of them can be struck again.
fn after_strike(bytes: &[u8], lines: &[&Line]) -> Vec<u8> {
    let file = File::from(memfd_create("pad", MemfdFlags::CLOEXEC).unwrap());
    file.write_all_at(bytes, 0).unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let mut pad = LockedPad::try_open(&path).unwrap();
    pad.strike(lines).unwrap();
    let mut after = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut after, 0).unwrap();
    for line in lines {
        pad.strike(&[line]).unwrap_err();
    }
    after
}
