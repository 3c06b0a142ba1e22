//! Doors, as both daemons read them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::frames::SYN;
use crate::hits::{ACK, FIN};

pub(super) const PSH: u8 = 0x08;
pub(super) const URG: u8 = 0x20;

/// A port and whether it is hit over UDP.
pub(super) type Step = (u16, bool);

/// What a door asks of TCP packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags {
    pub(super) text: Option<&'static str>,
    pub(super) set: u8,
    pub(super) clear: u8,
}

pub(super) const JUST_SYN: Flags = Flags { text: Some("syn"), set: SYN, clear: 0 };
pub(super) const NO_FLAGS: Flags = Flags { text: None, set: 0, clear: 0 };
pub(super) const FLAGS: [Flags; 8] = [
    JUST_SYN,
    JUST_SYN,
    NO_FLAGS,
    Flags { text: Some("fin,!ack"), set: FIN, clear: ACK },
    Flags { text: Some("syn,ack"), set: SYN | ACK, clear: 0 },
    Flags { text: Some("syn,!ack"), set: SYN, clear: ACK },
    Flags { text: Some("psh,urg,!syn"), set: PSH | URG, clear: SYN },
    Flags { text: Some("!ack"), set: 0, clear: ACK },
];

#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) steps: Vec<Step>,
    pub(super) flags: Flags,
    pub(super) timeout: Duration,
}

impl Door {
    /// Its section; `command` is what it runs.
    pub(super) fn section(&self, name: &str, command: &str) -> String {
        let steps: Vec<_> = self
            .steps
            .iter()
            .map(|(port, udp)| format!("{port}{}", if *udp { ":udp" } else { "" }))
            .collect();
        let mut text = format!("[{name}]\n    sequence = {}\n", steps.join(","));
        let _ = writeln!(text, "    seq_timeout = {}", self.timeout.as_secs());
        if let Some(flags) = self.flags.text {
            let _ = writeln!(text, "    tcpflags = {flags}");
        }
        let _ = writeln!(text, "    command = {command}");
        text
    }

    /// Flags that this door takes under either daemon's rules.
    pub(super) fn right_flags(&self) -> u8 {
        if self.flags.set == 0 { SYN } else { self.flags.set }
    }
}
