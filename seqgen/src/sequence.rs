//! Sequences of ports, as they stand in configurations, in pads and on the client's command line.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU16;
use std::ops::Range;

use zeroize::Zeroize as _;

/// The most steps one sequence may have.
pub const MAX_STEPS: usize = 32;

/// A transport protocol whose packets can be port hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// One element of a sequence: the port to hit next, and over which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// The destination port, 1 to 65535.
    pub port: NonZeroU16,
    /// The protocol that the hit must use.
    pub protocol: Protocol,
}

impl Step {
    /// Reads `PORT[:tcp|udp]`; blanks around either part are allowed, and `default` stands in for an
    /// absent protocol.
    pub fn parse(text: &str, default: Protocol) -> Result<Step, SequenceError> {
        let (port_text, protocol) = match text.bytes().position(|b| b == b':') {
            None => (text, default),
            Some(colon) => {
                let name = &text[colon + 1..];
                let protocol = match name.trim_ascii() {
                    word if word.eq_ignore_ascii_case("tcp") => Protocol::Tcp,
                    word if word.eq_ignore_ascii_case("udp") => Protocol::Udp,
                    word => {
                        return Err(SequenceError {
                            span: trimmed_span(name, colon + 1),
                            kind: SequenceErrorKind::Protocol(excerpt(word)),
                        });
                    }
                };
                (&text[..colon], protocol)
            }
        };
        Ok(Step { port: parse_port(port_text)?, protocol })
    }
}

/// Reads a port by itself; blanks around it are allowed.
pub(crate) fn parse_port(text: &str) -> Result<NonZeroU16, SequenceError> {
    let fail = |kind| SequenceError { span: trimmed_span(text, 0), kind };
    let digits = text.trim_ascii();
    if digits.is_empty() {
        return Err(fail(SequenceErrorKind::MissingPort));
    }
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(fail(SequenceErrorKind::NotAPort(excerpt(digits))));
    }
    digits.parse().map_err(|_| fail(SequenceErrorKind::PortRange(excerpt(digits))))
}

impl Step {
    /// A number that no other step has.
    fn code(self) -> u32 {
        u32::from(self.port.get()) << 1 | u32::from(self.protocol == Protocol::Udp)
    }
}

/// In one piece, which is faster than each field by itself.
impl Hash for Step {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.code());
    }
}

/// `7000` for TCP, `7000:udp` for UDP: the shortest form that every reader of sequences takes.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Tcp => write!(f, "{}", self.port),
            Protocol::Udp => write!(f, "{}:udp", self.port),
        }
    }
}

/// Ports in the order in which they must be hit: 1 to [`MAX_STEPS`] of them.  They are overwritten in the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence(Box<[Step]>);

impl Drop for Sequence {
    fn drop(&mut self) {
        for step in &mut self.0 {
            step.port.zeroize();
        }
    }
}

impl Sequence {
    /// A sequence of these steps, or `None` where there are none or more than [`MAX_STEPS`].
    pub fn new(steps: Vec<Step>) -> Option<Sequence> {
        (1..=MAX_STEPS).contains(&steps.len()).then(|| Sequence(steps.into_boxed_slice()))
    }

    /// A sequence of these steps, of which there are 1 to [`MAX_STEPS`] for certain.
    pub(crate) fn of_few(steps: Vec<Step>) -> Sequence {
        debug_assert!((1..=MAX_STEPS).contains(&steps.len()));
        Sequence(steps.into_boxed_slice())
    }

    /// Reads steps joined by commas, TCP where no protocol is named.
    ///
    /// The error's span counts bytes from the start of `text`.
    pub fn parse(text: &str) -> Result<Sequence, SequenceError> {
        if let Some(sequence) = Sequence::parse_plain(text.as_bytes()) {
            return Ok(sequence);
        }
        let commas = text.bytes().filter(|&b| b == b',').count();
        let mut steps = Vec::with_capacity(MAX_STEPS.min(commas + 1));
        let mut offset = 0;
        for part in text.split(',') {
            let step = Step::parse(part, Protocol::Tcp).map_err(|error| error.moved(offset))?;
            if steps.len() == MAX_STEPS {
                return Err(SequenceError {
                    span: trimmed_span(part, offset),
                    kind: SequenceErrorKind::TooLong,
                });
            }
            steps.push(step);
            offset += part.len() + 1;
        }
        Ok(Sequence(steps.into_boxed_slice()))
    }

    /// Reads the form in which sequences are printed, with blanks before and behind, and nothing else, in one go: pads have
    /// a million lines of it.
    pub(crate) fn parse_plain(text: &[u8]) -> Option<Sequence> {
        const LONGEST_PORT: u8 = 5;
        let mut steps = [Step { port: NonZeroU16::MIN, protocol: Protocol::Tcp }; MAX_STEPS];
        let mut rest = text.trim_ascii();
        for count in 1..=MAX_STEPS {
            let mut port: u32 = 0;
            let mut digits = 0;
            while let [digit @ b'0'..=b'9', behind @ ..] = rest
                && digits < LONGEST_PORT
            {
                port = port * 10 + u32::from(digit - b'0');
                digits += 1;
                rest = behind;
            }
            let mut protocol = Protocol::Tcp;
            if let [b':', b'u', b'd', b'p', behind @ ..] = rest {
                (protocol, rest) = (Protocol::Udp, behind);
            }
            // Where there are no digits the port is 0, too.
            steps[count - 1] = Step { port: NonZeroU16::new(u16::try_from(port).ok()?)?, protocol };
            match rest {
                [] => return Some(Sequence(steps[..count].into())),
                [b',', behind @ ..] => rest = behind,
                _ => return None,
            }
        }
        None
    }

    /// The steps in order; never empty.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The first step, which starts an attempt.
    pub fn first(&self) -> Step {
        self.0[0]
    }
}

/// In few pieces, since it is done for each line of pads of a million: three steps in each number.
impl Hash for Sequence {
    fn hash<H: Hasher>(&self, state: &mut H) {
        const BITS: u32 = 17;
        // With the length in front, no sequence looks like the beginning of another one.
        let mut number = self.0.len() as u64;
        for steps in self.0.chunks(3) {
            for step in steps {
                number = number << BITS | u64::from(step.code());
            }
            state.write_u64(number);
            number = 0;
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            step.fmt(f)?;
        }
        Ok(())
    }
}

/// Why a text is no sequence, and which bytes of it are to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceError {
    /// The bytes at fault, counted from the start of the text that was read.
    pub span: Range<usize>,
    /// What is wrong with them.
    pub kind: SequenceErrorKind,
}

impl SequenceError {
    /// The same error for a text that begins `offset` bytes further on.
    #[must_use]
    pub fn moved(mut self, offset: usize) -> SequenceError {
        self.span = self.span.start + offset..self.span.end + offset;
        self
    }
}

impl fmt::Display for SequenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for SequenceError {}

/// What can be wrong with a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SequenceErrorKind {
    /// Nothing stands where a port should.
    MissingPort,
    /// This is not made of digits.
    NotAPort(String),
    /// A number that is no port.
    PortRange(String),
    /// A protocol other than TCP and UDP.
    Protocol(String),
    /// More than [`MAX_STEPS`] steps.
    TooLong,
}

impl fmt::Display for SequenceErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SequenceErrorKind::MissingPort => f.write_str("a port is missing here"),
            SequenceErrorKind::NotAPort(text) => write!(f, "`{text}` is not a port number"),
            SequenceErrorKind::PortRange(text) => write!(f, "port {text} is out of range (1-65535)"),
            SequenceErrorKind::Protocol(text) => write!(f, "unknown protocol `{text}` (tcp or udp)"),
            SequenceErrorKind::TooLong => write!(f, "more than {MAX_STEPS} ports in one sequence"),
        }
    }
}

/// The span of `text` without the blanks around it, in a larger text where it begins at `offset`.
fn trimmed_span(text: &str, offset: usize) -> Range<usize> {
    let start = offset + text.len() - text.trim_ascii_start().len();
    start..start + text.trim_ascii().len()
}

/// At most 40 characters of a stranger's text, with control characters escaped, fit for a message.
fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<(u16, Protocol)> {
        Sequence::parse(text).unwrap().steps().iter().map(|s| (s.port.get(), s.protocol)).collect()
    }

    fn error(text: &str) -> (Range<usize>, String) {
        let error = Sequence::parse(text).unwrap_err();
        (error.span.clone(), error.to_string())
    }

    #[test]
    fn reads_ports_protocols_and_blanks() {
        use Protocol::{Tcp, Udp};
        assert_eq!(steps("7000,8000:udp,9000:tcp"), [(7000, Tcp), (8000, Udp), (9000, Tcp)]);
        assert_eq!(steps("  1 , 65535 : UDP\t"), [(1, Tcp), (65535, Udp)]);
    }

    #[test]
    fn the_plain_form_is_what_is_printed() {
        let longest = vec!["65535:udp"; MAX_STEPS].join(",");
        for text in ["7000", "1,2:udp,65535", "9:udp", &longest] {
            let plain = Sequence::parse_plain(format!(" {text}\r").as_bytes()).unwrap();
            assert_eq!(plain.to_string(), text);
        }
        for text in
            ["", "0", "1,", ",1", "1,,2", "65536", "99999", "007000", "1 ,2", "1:tcp", "1:UDP", "1:udp:udp"]
        {
            assert_eq!(Sequence::parse_plain(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Sequence::parse_plain(format!("{longest},1").as_bytes()), None);
    }

    proptest::proptest! {
        #[test]
        fn the_plain_form_means_what_any_form_does(text in "[ ]?[0-9]{1,6}(,([0-9]{1,5}|[0-9]{1,5}:udp|[0-9]{1,5}|[0-9:, udpt]{0,5})){0,4}(,7){0,30}[ ]?") {
            if let Some(plain) = Sequence::parse_plain(text.as_bytes()) {
                let steps: Vec<Step> =
                    text.split(',').map(|part| Step::parse(part, Protocol::Tcp).unwrap()).collect();
                proptest::prop_assert_eq!(Some(plain), Sequence::new(steps));
            }
        }
    }

    #[test]
    fn equal_sequences_and_no_others_have_equal_hashes() {
        use std::hash::{BuildHasher as _, RandomState};
        let keys = RandomState::new();
        let hash = |text: &str| keys.hash_one(Sequence::parse(text).unwrap());
        assert_eq!(hash("1,2:udp"), hash(" 1 , 2:UDP"));
        let different =
            ["1,2", "2,1", "1,2:udp", "1:udp,2", "1", "1,2,1", "1,2,2", "1,40000", "1:udp,40000"].map(hash);
        assert_eq!(different.iter().collect::<std::collections::HashSet<_>>().len(), different.len());
    }

    #[test]
    fn prints_what_it_reads_back() {
        let sequence = Sequence::parse("1, 2:udp , 3:tcp").unwrap();
        assert_eq!(sequence.to_string(), "1,2:udp,3");
        assert_eq!(Sequence::parse(&sequence.to_string()).unwrap(), sequence);
    }

    #[test]
    fn blames_the_bytes_at_fault() {
        assert_eq!(error("7000, 70000"), (6..11, "port 70000 is out of range (1-65535)".into()));
        assert_eq!(error("0"), (0..1, "port 0 is out of range (1-65535)".into()));
        assert_eq!(error("1,,2"), (2..2, "a port is missing here".into()));
        assert_eq!(error("1,2,"), (4..4, "a port is missing here".into()));
        assert_eq!(error(""), (0..0, "a port is missing here".into()));
        assert_eq!(error("1,$x"), (2..4, "`$x` is not a port number".into()));
        assert_eq!(error("1,+5"), (2..4, "`+5` is not a port number".into()));
        assert_eq!(error("1,2: sctp"), (5..9, "unknown protocol `sctp` (tcp or udp)".into()));
    }

    #[test]
    fn holds_at_most_32_steps() {
        let longest = vec!["9"; MAX_STEPS].join(",");
        assert_eq!(steps(&longest).len(), MAX_STEPS);
        assert_eq!(error(&format!("{longest},77")), (64..66, "more than 32 ports in one sequence".into()));
        assert!(Sequence::new(Vec::new()).is_none());
    }
}
