//! The client's end of the cable, for frames that no socket would send.

use std::process::Command;

use pcap::{Active, Capture};

use crate::frames::ethernet;
use crate::host::Host;
use crate::net::Lab;

pub(crate) struct Wire {
    capture: Capture<Active>,
    from: [u8; 6],
    to: [u8; 6],
}

impl Wire {
    /// Does something with the client's end of the cable.
    pub(crate) fn with<T: Send>(lab: &Lab, deed: impl FnOnce(&mut Wire) -> T + Send) -> T {
        let (from, to) = (link_address(&lab.client), link_address(&lab.server));
        lab.client.within(|| {
            let mut capture =
                Capture::from_device("eth0").and_then(Capture::open).expect("the client's eth0");
            // Nobody reads what comes in, so the kernel need not keep it.
            capture.filter("less 0", true).expect("a filter");
            deed(&mut Wire { capture, from, to })
        })
    }

    /// Sends an IP packet in an Ethernet frame with these tags.
    pub(crate) fn send(&mut self, tags: &[(u16, u16)], packet: &[u8]) {
        self.capture.sendpacket(ethernet(self.to, self.from, tags, packet)).expect("sending a frame");
    }
}

fn link_address(host: &Host) -> [u8; 6] {
    let text = host.succeeds(Command::new("cat").arg("/sys/class/net/eth0/address"));
    let bytes: Vec<u8> = text
        .trim()
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).expect("a hexadecimal byte"))
        .collect();
    bytes.try_into().expect("six bytes")
}
