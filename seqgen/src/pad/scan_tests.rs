use std::collections::HashSet;
use std::io::{Seek as _, SeekFrom, Write as _};

use proptest::prelude::*;

use super::*;
use crate::sequence::Sequence;

/// Bytes that nobody is writing, or that somebody is.
struct Bytes<'a>(&'a [u8], bool);

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Source for Bytes<'_> {
    fn settled(&self) -> io::Result<bool> {
        Ok(self.1)
    }
}

fn scan(text: &[u8]) -> Vec<Line> {
    Scan::new(Bytes(text, true)).collect::<io::Result<_>>().unwrap()
}

fn entries(text: &str) -> Vec<Entry> {
    scan(text.as_bytes()).into_iter().map(|line| line.entry).collect()
}

fn seq(text: &str) -> Sequence {
    Sequence::parse(text).unwrap()
}

#[test]
fn lines_know_their_number_and_place() {
    let lines = scan(b" 1,2\n\n#c\r\n 3,4\r\n 5,6");
    let places: Vec<_> =
        lines.iter().map(|l| (l.number, l.offset, l.text.as_slice(), l.terminated)).collect();
    assert_eq!(
        places,
        [
            (1, 0, &b" 1,2"[..], true),
            (2, 5, b"", true),
            (3, 6, b"#c\r", true),
            (4, 10, b" 3,4\r", true),
            (5, 16, b" 5,6", false)
        ]
    );
    assert_eq!(lines[3].live(), Some(&seq("3,4")));
    assert!(scan(b"").is_empty());
}

#[test]
fn a_sequence_is_live_only_where_it_stands_first() {
    use Entry::{Live, Repeat, Struck};
    assert_eq!(
        entries(" 1,2\n1 , 2:tcp\n#3,4\n 3,4\n 5,6\n#5,6\n"),
        [
            Live(seq("1,2")),
            Repeat(seq("1,2")),
            Struck(Some(seq("3,4"))),
            Repeat(seq("3,4")),
            Live(seq("5,6")),
            Struck(Some(seq("5,6")))
        ]
    );
}

#[test]
fn a_repeat_is_known_even_when_the_first_one_lost_its_digit() {
    use Entry::{Live, Repeat, Struck};
    assert_eq!(
        entries("#234,5\n1234,5\n 9234,5\n#000,8000 \n7000,8000\n"),
        [
            Struck(Some(seq("234,5"))),
            Repeat(seq("1234,5")),
            Live(seq("9234,5")),
            Struck(None),
            Repeat(seq("7000,8000"))
        ]
    );
}

#[test]
fn a_line_that_is_being_written_is_unfinished() {
    let last = |text: &str, settled| {
        let lines: Vec<_> = Scan::new(Bytes(text.as_bytes(), settled)).map(Result::unwrap).collect();
        lines.last().unwrap().entry.clone()
    };
    assert_eq!(last(" 1,2\n 3,4", false), Entry::Unfinished);
    assert_eq!(last(" 1,2\n 3,", false), Entry::Unfinished);
    assert_eq!(last(" 1,2\n 1,2", false), Entry::Unfinished);
    assert_eq!(last(" 1,2\n 3,4", true), Entry::Live(seq("3,4")));
    assert_eq!(last(" 1,2\n 3,4\n", false), Entry::Live(seq("3,4")));
    assert_eq!(last(" 1,2\n#3,4", false), Entry::Struck(Some(seq("3,4"))));
    assert_eq!(last(" 1,2\n# no", false), Entry::Note);
}

#[test]
fn a_file_is_settled_two_seconds_after_its_last_change() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b" 1,2").unwrap();
    let mut last = |changed: SystemTime| {
        file.set_modified(changed).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        Scan::new(&file).next().unwrap().unwrap().entry
    };
    let now = SystemTime::now();
    assert_eq!(last(now), Entry::Unfinished);
    assert_eq!(last(now - SETTLED), Entry::Live(seq("1,2")));
    assert_eq!(last(now + Duration::from_secs(3600)), Entry::Live(seq("1,2")), "the clock was set back");
}

#[test]
fn over_long_lines_are_bad_and_never_held_whole() {
    let long = |length: usize| [b" 1,2".to_vec(), vec![b' '; length - 4]].concat();
    let fits = scan(&[long(MAX_LINE), b"\n 3,4\n".to_vec()].concat());
    assert_eq!(fits[0].entry, Entry::Live(seq("1,2")));

    for excess in [1, 2, 1_000_000] {
        let lines = scan(&[long(MAX_LINE + excess), b"\n 3,4\n".to_vec()].concat());
        let Entry::Bad(bad) = &lines[0].entry else { panic!("{:?}", lines[0].entry) };
        assert_eq!((bad.kind.clone(), bad.column()), (BadLineKind::TooLong, 1));
        assert_eq!(lines[0].text.len(), MAX_LINE);
        assert_eq!((lines[1].number, lines[1].offset), (2, (MAX_LINE + excess) as u64 + 1));
        assert_eq!(lines[1].live(), Some(&seq("3,4")));
    }

    let unterminated = scan(&long(MAX_LINE + 70_000));
    assert!(matches!(unterminated[..], [Line { terminated: false, entry: Entry::Bad(_), .. }]));
    let comment = scan(&[b"#1,2".to_vec(), vec![b' '; MAX_LINE], b"\n".to_vec()].concat());
    assert!(matches!(comment[..], [Line { terminated: true, entry: Entry::Note, .. }]));
}

#[test]
fn a_scan_goes_on_where_it_ended() {
    let text = b" 1,2\n#3,4\n 5";
    let mut first = Scan::new(Bytes(text, false));
    assert_eq!(first.by_ref().count(), 3);
    let (next, seen) = first.into_rest();
    assert_eq!(next, Position { offset: 10, number: 3 }, "the unfinished line is read again");

    let grown = b" 1,2\n#3,4\n 5,6\n 1,2\n 3,4\n 5,6\n";
    let rest = &grown[usize::try_from(next.offset).unwrap()..];
    let lines: Vec<_> = Scan::resume(Bytes(rest, true), next, seen).map(Result::unwrap).collect();
    let entries: Vec<_> = lines.iter().map(|l| (l.number, l.entry.clone())).collect();
    assert_eq!(
        entries,
        [
            (3, Entry::Live(seq("5,6"))),
            (4, Entry::Repeat(seq("1,2"))),
            (5, Entry::Repeat(seq("3,4"))),
            (6, Entry::Repeat(seq("5,6")))
        ]
    );
}

#[test]
fn a_settled_last_line_is_live_again_when_a_scan_goes_on() {
    let mut first = Scan::new(Bytes(b" 1,2\n 5,6", true));
    assert_eq!(first.by_ref().filter(|line| line.as_ref().unwrap().live().is_some()).count(), 2);
    let (next, seen) = first.into_rest();
    let again: Vec<_> = Scan::resume(Bytes(b" 5,6\n", true), next, seen).map(Result::unwrap).collect();
    assert_eq!((again[0].number, again[0].live()), (2, Some(&seq("5,6"))));
}

#[test]
fn a_read_error_ends_the_scan() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::TimedOut.into())
        }
    }
    impl Source for Broken {
        fn settled(&self) -> io::Result<bool> {
            Ok(true)
        }
    }
    let mut scan = Scan::new(Broken);
    assert!(scan.next().unwrap().is_err());
    assert!(scan.next().is_none());
}

proptest! {
    #[test]
    fn any_bytes_are_split_where_their_newlines_are(
        pieces in proptest::collection::vec(
            prop_oneof!["[ #0-9,:a-z\r]{0,9}".prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..6),
                (4090_usize..4200).prop_map(|n| vec![b'7'; n])],
            0..12),
    ) {
        let text = pieces.join(&b'\n');
        let mut whole: Vec<&[u8]> = text.split(|&b| b == b'\n').collect();
        let ends = whole.pop_if(|last| last.is_empty()).is_some();
        let lines = scan(&text);
        prop_assert_eq!(lines.len(), whole.len());
        let mut offset = 0;
        for (i, (line, expected)) in lines.iter().zip(&whole).enumerate() {
            prop_assert_eq!(line.number, i as u64 + 1);
            prop_assert_eq!(line.offset, offset);
            prop_assert_eq!(&line.text[..], &expected[..expected.len().min(MAX_LINE)]);
            prop_assert_eq!(line.terminated, ends || i + 1 < whole.len());
            offset += expected.len() as u64 + 1;
        }
    }

    #[test]
    fn no_sequence_is_live_twice(picks in proptest::collection::vec((0_u16..6, any::<bool>()), 0..40)) {
        let text = picks
            .iter()
            .map(|(pick, struck)| format!("{}{},{}\n", if *struck { '#' } else { ' ' }, pick + 1, 7))
            .collect::<Vec<_>>()
            .concat();
        let mut taken = HashSet::new();
        for line in scan(text.as_bytes()) {
            let sequence = line.sequence().unwrap().clone();
            prop_assert_eq!(line.live().is_some(), line.text[0] == b' ' && !taken.contains(&sequence));
            taken.insert(sequence);
        }
    }
}
