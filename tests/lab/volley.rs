//! Packets by the ten thousand, as fast as the daemon takes them: never so many at once that one could get lost.

use std::net::IpAddr;

use crate::daemon::Daemon;
use crate::frames::{SYN, Shot, Transport};
use crate::tail::Tail;
use crate::wire::Wire;

/// A door to an address that is nobody's, which no scan of the server reaches.  It runs nothing.
pub(crate) const CANARY: &str = "
[canary]
    sequence  = 61011,61010
    target    = 2001:db8::77
    tcpflags  = syn
    command   = true
    command_6 =
";

/// How many packets there are from one sign of life to the next.  Twice as many are under way at most, fewer than the
/// thousand that the kernel keeps for a busy processor.
const BATCH: usize = 400;

pub(crate) struct Volley<'w> {
    wire: &'w mut Wire,
    log: Tail,
    batch: usize,
    canaries: u32,
    seen: u32,
}

impl<'w> Volley<'w> {
    /// Over this wire to a daemon that has the [`CANARY`] among its doors.
    pub(crate) fn new(wire: &'w mut Wire, daemon: &Daemon) -> Self {
        Self { wire, log: daemon.tail(), batch: 0, canaries: 0, seen: 0 }
    }

    /// Sends one packet, when there is room for it.
    pub(crate) fn send(&mut self, packet: &[u8]) {
        self.wire.send(&[], packet);
        self.batch += 1;
        if self.batch == BATCH {
            self.batch = 0;
            self.send_canary();
            if self.canaries - self.seen > 1 {
                self.see_canary();
            }
        }
    }

    /// Waits until everything has been judged.
    pub(crate) fn settle(&mut self) {
        self.send_canary();
        while self.seen < self.canaries {
            self.see_canary();
        }
    }

    /// How many signs of life there were.
    pub(crate) fn canaries(&self) -> usize {
        self.canaries as usize
    }

    fn send_canary(&mut self) {
        self.canaries += 1;
        for port in [61_011, 61_010] {
            let shot = Shot {
                source: address("2001:db8::78"),
                target: address("2001:db8::77"),
                source_port: 40_000,
                port,
                transport: Transport::Tcp { flags: SYN, number: self.canaries },
            };
            self.wire.send(&[], &shot.packet());
        }
    }

    fn see_canary(&mut self) {
        self.log.awaits(": canary: OPEN SESAME\n", 1);
        self.seen += 1;
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("a numeric address")
}
