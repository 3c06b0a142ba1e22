//! The forms that a savefile can have.

use crate::frames::ethernet;
use crate::savefile::{Desk, ETHERNET, KNOCKER, RAW, Savefile, tcp, udp};

/// Sixteen bytes before each packet: seconds, parts of a second, captured length, length.
const RECORD: usize = 16;

/// The same savefile with every number through `number`, and the times in parts of `per_microsecond`.
fn rewritten(
    savefile: &Savefile,
    magic: u32,
    per_microsecond: u32,
    number: impl Fn(u32) -> [u8; 4],
) -> Savefile {
    let word = |at: usize| u32::from_le_bytes(savefile.0[at..at + 4].try_into().expect("four bytes"));
    let mut bytes = number(magic).to_vec();
    // Two 16-bit numbers, 2 and 4, which only big-endian machines write in this order.
    bytes.extend(if number(1) == [0, 0, 0, 1] { [0, 2, 0, 4] } else { [2, 0, 4, 0] });
    (8..24).step_by(4).for_each(|at| bytes.extend(number(word(at))));
    let mut at = 24;
    while at < savefile.0.len() {
        let length = word(at + 8);
        for field in [word(at), word(at + 4) * per_microsecond, length, word(at + 12)] {
            bytes.extend(number(field));
        }
        let end = at + RECORD + usize::try_from(length).expect("a small frame");
        bytes.extend(&savefile.0[at + RECORD..end]);
        at = end;
    }
    Savefile(bytes)
}

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

#[test]
fn either_byte_order_and_either_precision() {
    let in_time = Savefile::new(RAW).with(&[(0.9, tcp(7000)), (3.0, udp(8000)), (5.899_999, tcp(9000))]);
    let late = Savefile::new(RAW).with(&[(0.9, tcp(7000)), (3.0, udp(8000)), (5.9, tcp(9000))]);
    let desk = Desk::with_door("seq_timeout = 5\n");
    for (magic, parts) in [(MICROSECONDS, 1), (NANOSECONDS, 1000)] {
        for number in [u32::to_le_bytes, u32::to_be_bytes] {
            let openings = |savefile| desk.openings(&rewritten(savefile, magic, parts, number));
            assert_eq!((openings(&in_time), openings(&late)), (1, 0), "{magic:x} {:?}", number(1));
        }
    }
}

/// A block of a pcapng file (draft-ietf-opsawg-pcapng, section 3.1).
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = u32::try_from(padded + 12).expect("a small block").to_le_bytes();
    let mut block = [&kind.to_le_bytes()[..], &length, body].concat();
    block.resize(padded + 8, 0);
    block.extend(length);
    block
}

#[test]
fn pcapng_as_newer_tools_write_it() {
    let words = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    let mut file = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    file.extend(block(1, &words(&[RAW, 65_535])));
    for shot in [tcp(7000), udp(8000), tcp(9000)] {
        let packet = shot.packet();
        let length = u32::try_from(packet.len()).expect("a small packet");
        // 1767323045 seconds in microseconds, the upper half first.
        let (high, low) = (411_486, 4_132_238_144);
        file.extend(block(6, &[words(&[0, high, low, length, length]), packet].concat()));
    }
    let ran = Desk::with_door("").read(&Savefile(file));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        ran.out.contains(&format!("[2026-01-02 03:04:05] {KNOCKER}: door: OPEN SESAME\n")),
        "{}",
        ran.out
    );
}

#[test]
fn frames_of_which_only_the_headers_were_kept() {
    let mut savefile = Savefile::new(ETHERNET);
    for shot in [tcp(7000), udp(8000), tcp(9000)] {
        let whole = ethernet([2; 6], [4; 6], &[], &shot.packet());
        let kept = if shot == udp(8000) { 14 + 20 + 8 } else { 14 + 20 + 20 };
        savefile.frame(0.0, &whole[..kept]);
        let record = savefile.0.len() - kept - 4;
        let length = u32::try_from(whole.len()).expect("a small frame");
        savefile.0[record..record + 4].copy_from_slice(&length.to_le_bytes());
    }
    assert_eq!(Desk::with_door("").openings(&savefile), 1);
}

#[test]
fn frames_that_were_cut_before_the_ports_are_no_hits() {
    let mut savefile = Savefile::new(ETHERNET);
    for shot in [tcp(7000), udp(8000), tcp(9000)] {
        savefile.frame(0.0, &ethernet([2; 6], [4; 6], &[], &shot.packet())[..14 + 20 + 2]);
    }
    assert_eq!(Desk::with_door("").lines(&savefile), [""; 0]);
}
