//! TCP control bits, and what a door asks of them.

use std::fmt;

/// The six classic control bits of a TCP header (RFC 9293 §3.1); the others do not matter to a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TcpFlags(u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: TcpFlags = TcpFlags(0x01);
    /// Synchronise sequence numbers: opens a connection.
    pub const SYN: TcpFlags = TcpFlags(0x02);
    /// Reset the connection.
    pub const RST: TcpFlags = TcpFlags(0x04);
    /// Push.
    pub const PSH: TcpFlags = TcpFlags(0x08);
    /// The acknowledgment field is significant.
    pub const ACK: TcpFlags = TcpFlags(0x10);
    /// The urgent pointer is significant.
    pub const URG: TcpFlags = TcpFlags(0x20);

    /// Every flag with the name it has in configurations.
    pub const NAMED: [(&'static str, TcpFlags); 6] = [
        ("fin", TcpFlags::FIN),
        ("syn", TcpFlags::SYN),
        ("rst", TcpFlags::RST),
        ("psh", TcpFlags::PSH),
        ("ack", TcpFlags::ACK),
        ("urg", TcpFlags::URG),
    ];

    /// The flags in byte 13 of a TCP header.
    pub fn from_bits(byte: u8) -> TcpFlags {
        TcpFlags(byte & 0x3f)
    }

    /// The flags as in byte 13 of a TCP header.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The flags in either.
    #[must_use]
    pub fn with(self, other: TcpFlags) -> TcpFlags {
        TcpFlags(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub fn contains(self, other: TcpFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is set.
    pub fn intersects(self, other: TcpFlags) -> bool {
        self.0 & other.0 != 0
    }
}

/// Which TCP packets a door takes as hits: those with all of some flags set and all of others clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlagRule {
    set: TcpFlags,
    clear: TcpFlags,
}

impl FlagRule {
    /// Every TCP packet.
    pub const ANY: FlagRule = FlagRule { set: TcpFlags(0), clear: TcpFlags(0) };

    /// The first packet of a connection: SYN without ACK.
    pub const SYN: FlagRule = FlagRule { set: TcpFlags::SYN, clear: TcpFlags::ACK };

    /// Packets with `set` set and `clear` clear, or `None` if a flag is in both.  SYN without a word on ACK
    /// also wants ACK clear: an answer to this host's own connection is no knock.
    pub fn new(set: TcpFlags, clear: TcpFlags) -> Option<FlagRule> {
        if set.intersects(clear) {
            return None;
        }
        let silent_on_ack = !set.with(clear).contains(TcpFlags::ACK);
        let clear =
            if set.contains(TcpFlags::SYN) && silent_on_ack { clear.with(TcpFlags::ACK) } else { clear };
        Some(FlagRule { set, clear })
    }

    /// Whether a packet with these flags is a hit.
    pub fn takes(self, flags: TcpFlags) -> bool {
        flags.contains(self.set) && !flags.intersects(self.clear)
    }

    /// The flags that must be set.
    pub fn set(self) -> TcpFlags {
        self.set
    }

    /// The flags that must be clear.
    pub fn clear(self) -> TcpFlags {
        self.clear
    }
}

/// As `tcpflags` takes it.
impl fmt::Display for FlagRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == FlagRule::ANY {
            return f.write_str("any");
        }
        let mut separator = "";
        for (mark, flags) in [("", self.set), ("!", self.clear)] {
            for (name, flag) in TcpFlags::NAMED {
                if flags.contains(flag) {
                    write!(f, "{separator}{mark}{name}")?;
                    separator = ",";
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: TcpFlags = TcpFlags(0);

    #[test]
    fn listed_flags_must_be_set_and_others_do_not_matter() {
        let rule = FlagRule::new(TcpFlags::FIN.with(TcpFlags::URG), NONE).unwrap();
        assert!(rule.takes(TcpFlags::FIN.with(TcpFlags::URG)));
        assert!(rule.takes(TcpFlags::FIN.with(TcpFlags::URG).with(TcpFlags::ACK)));
        assert!(!rule.takes(TcpFlags::FIN));
    }

    #[test]
    fn flags_with_a_bang_must_be_clear() {
        let rule = FlagRule::new(TcpFlags::FIN, TcpFlags::ACK).unwrap();
        assert!(rule.takes(TcpFlags::FIN));
        assert!(!rule.takes(TcpFlags::FIN.with(TcpFlags::ACK)));
    }

    #[test]
    fn syn_without_a_word_on_ack_wants_ack_clear() {
        assert_eq!(FlagRule::new(TcpFlags::SYN, NONE), Some(FlagRule::SYN));
        assert!(!FlagRule::SYN.takes(TcpFlags::SYN.with(TcpFlags::ACK)));
        let both = FlagRule::new(TcpFlags::SYN.with(TcpFlags::ACK), NONE).unwrap();
        assert!(both.takes(TcpFlags::SYN.with(TcpFlags::ACK)));
    }

    #[test]
    fn a_flag_cannot_be_both_set_and_clear() {
        assert_eq!(FlagRule::new(TcpFlags::SYN, TcpFlags::SYN), None);
    }

    #[test]
    fn a_rule_is_shown_as_it_is_written() {
        let rule =
            FlagRule::new(TcpFlags::FIN.with(TcpFlags::URG), TcpFlags::ACK.with(TcpFlags::RST)).unwrap();
        assert_eq!(rule.to_string(), "fin,urg,!rst,!ack");
        assert_eq!(FlagRule::SYN.to_string(), "syn,!ack");
        assert_eq!(FlagRule::ANY.to_string(), "any");
    }

    #[test]
    fn reserved_and_ecn_bits_do_not_matter() {
        assert!(FlagRule::SYN.takes(TcpFlags::from_bits(0xc2)));
    }
}
