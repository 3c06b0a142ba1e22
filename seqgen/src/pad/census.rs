//! Counting what a pad holds, and telling whether two pads hold the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroU16;

use sha2::{Digest as _, Sha256};

use super::line::{Entry, Line};
use crate::generate::{Pool, PortRange, Protocols, Shape};
use crate::sequence::{Protocol, Sequence};

/// What the lines of a pad amount to.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Lines that can be used.
    pub live: u64,
    /// Used lines.
    pub struck: u64,
    /// Lines that say what an earlier line says or said.
    pub repeats: u64,
    /// Lines that are neither sequence nor comment.
    pub bad: u64,
    /// Live lines that begin with a digit, which they will lose when they are struck.
    pub digit_led: u64,
    /// Struck lines that have lost a digit, so that their sequence is unknown.
    pub lost: u64,
    fingerprint: Sha256,
    /// The last sequence as it is printed; kept for its memory.
    text: String,
    lengths: BTreeMap<usize, u64>,
    protocols: BTreeSet<Protocol>,
    lowest: Option<NonZeroU16>,
    highest: Option<NonZeroU16>,
}

impl Census {
    /// Takes one more line into account.
    pub fn count(&mut self, line: &Line) {
        let counter = match &line.entry {
            Entry::Live(_) => &mut self.live,
            Entry::Struck(_) => &mut self.struck,
            Entry::Repeat(_) => &mut self.repeats,
            Entry::Bad(_) => &mut self.bad,
            Entry::Note | Entry::Unfinished => return,
        };
        *counter += 1;
        self.digit_led += u64::from(line.strike_loses_digit());
        self.lost += u64::from(line.entry == Entry::Struck(None));
        if let Some(sequence) = line.sequence() {
            self.measure(sequence);
        }
    }

    fn measure(&mut self, sequence: &Sequence) {
        self.text.clear();
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{sequence}");
        self.fingerprint.update(&self.text);
        *self.lengths.entry(sequence.steps().len()).or_default() += 1;
        for step in sequence.steps() {
            self.protocols.insert(step.protocol);
            self.lowest = Some(self.lowest.map_or(step.port, |port| port.min(step.port)));
            self.highest = Some(self.highest.map_or(step.port, |port| port.max(step.port)));
        }
    }

    /// SHA-256 over the sequences of all lines, used or not, in order: each as it is printed, with a newline; in
    /// lower-case hexadecimal.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone().finalize().iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// What a usual line looks like: of the length that most lines have (the shorter of two), over the protocols
    /// that occur, with ports between the lowest and the highest one that occur.  `None` for a pad without lines.
    pub fn usual_shape(&self) -> Option<Shape> {
        let (&length, _) = self.lengths.iter().rev().max_by_key(|(_, lines)| **lines)?;
        let range = PortRange::new(self.lowest?, self.highest?).ok()?;
        let protocols =
            match (self.protocols.contains(&Protocol::Tcp), self.protocols.contains(&Protocol::Udp)) {
                (true, true) => Protocols::Mixed,
                (false, true) => Protocols::Udp,
                _ => Protocols::Tcp,
            };
        Some(Shape { length, protocols, pool: Pool::new(&[range], &[]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(text: &str) -> Census {
        use std::io::{Seek as _, Write as _};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.seek(std::io::SeekFrom::Start(0)).unwrap();
        let mut census = Census::default();
        super::super::Scan::new(&file).for_each(|line| census.count(&line.unwrap()));
        census
    }

    #[test]
    fn counts_each_kind_of_line() {
        let census = census("# pad\n 1,2\n3,4\n#5,6\n 1,2\n#000,7\nx\n\n 8,9");
        let Census { live, struck, repeats, bad, digit_led, lost, .. } = census;
        assert_eq!((live, struck, repeats, bad, digit_led, lost), (2, 2, 1, 1, 1, 1));
    }

    #[test]
    fn the_fingerprint_is_that_of_the_plain_lines() {
        // printf '1,2\n3,4:udp\n' | sha256sum
        let expected = "d5215d4108d617936957ac5b86e5426e5693fab2a22ef848ec8ff6f6f739b5bb";
        assert_eq!(census(" 1,2\n#3 , 4:UDP\r\n").fingerprint(), expected);
    }

    #[test]
    fn striking_blank_led_lines_leaves_the_fingerprint() {
        let whole = census(" 1,2\n 3,4\n 1,2\n").fingerprint();
        for struck in ["#1,2\n#3,4\n 1,2\n", "# 1,2\n 3,4\n#1,2\n", "# note\n 1,2\r\n\n3, 4:tcp\n1,2\n"] {
            assert_eq!(census(struck).fingerprint(), whole, "{struck}");
        }
        for other in [" 3,4\n 1,2\n 1,2\n", " 1,2\n 3,4\n", " 1,2\n 3,4:udp\n 1,2\n", ""] {
            assert_ne!(census(other).fingerprint(), whole, "{other}");
        }
    }

    #[test]
    fn the_usual_shape_is_that_of_most_lines() {
        let shape = |text: &str| census(text).usual_shape();
        let usual = shape(" 10,19,12\n#11,13,12\n 10,11\n").unwrap();
        assert_eq!((usual.length, usual.protocols, usual.pool.ports().len()), (3, Protocols::Tcp, 10));
        assert_eq!(shape(" 1,2\n 1,2,3\n").unwrap().length, 2);
        assert_eq!(shape(" 1:udp,2:udp\n").unwrap().protocols, Protocols::Udp);
        assert_eq!(shape(" 1:udp,2\n").unwrap().protocols, Protocols::Mixed);
        assert!(shape("# nothing\n").is_none());
    }
}
