//! What a kernel sends by itself when nobody answers a connection, as with netcat or a browser behind a shut firewall.

use std::net::SocketAddr;

use pcap::{Active, Capture};
use socket2::{Domain, Socket, Type};

use crate::daemon::Daemon;
use crate::doors::{door, pad_of, sequence};
use crate::firewall;
use crate::host::Host;
use crate::net::{Lab, SERVER};
use crate::wait::PATIENCE;

/// Starts to connect.  The kernel tries again after one second and after three for as long as the socket is there.
fn connect(host: &Host, port: u16) -> Socket {
    let target = SocketAddr::new(SERVER.parse().expect("an address"), port);
    host.within(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("a non-blocking socket");
        let error = socket.connect(&target.into()).expect_err("the firewall is shut");
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::INPROGRESS.raw_os_error()));
        socket
    })
}

/// What arrives for one port of a host.
struct Arrivals(Capture<Active>);

impl Arrivals {
    fn of(host: &Host, port: u16) -> Self {
        host.within(|| {
            let inactive = Capture::from_device("eth0").expect("the server's eth0");
            let patience = i32::try_from(PATIENCE.as_millis()).expect("a short time");
            let mut capture =
                inactive.immediate_mode(true).timeout(patience).open().expect("the server's eth0");
            capture.filter(&format!("tcp dst port {port}"), true).expect("a filter");
            Self(capture)
        })
    }

    /// Waits for so many packets.
    fn awaits(&mut self, packets: usize) {
        for _ in 0..packets {
            self.0.next_packet().expect("another packet");
        }
    }
}

#[test]
fn connections_that_are_tried_again_while_the_knock_goes_on_open_once() {
    let Some(lab) = Lab::new("connections_that_are_tried_again_while_the_knock_goes_on_open_once") else {
        return;
    };
    firewall::nft(&lab.server);
    let once = door("once", &pad_of(&lab, &["7300,8300,9300", "7301,8301,9301"]), "syn");
    let daemon = Daemon::start(&lab, &(door("static", &sequence("7000,8000,9000"), "syn") + &once));
    let mut first = Arrivals::of(&lab.server, 7000);
    let mut last = Arrivals::of(&lab.server, 9000);
    let hit = |ports: [u16; 2]| ports.map(|port| connect(&lab.client, port));
    let mut connections = vec![hit([7000, 7300]), hit([8000, 8300])];
    // Both first hits and both second ones have come three times by now.
    first.awaits(3);
    connections.push(hit([9300, 9000]));
    last.awaits(2);
    for door in ["static", "once"] {
        assert_eq!(daemon.openings(&lab, door), 1, "{door}");
        assert_eq!(daemon.count(&format!(": {door}: Stage 1\n")), 1, "{door} has begun again");
    }
    drop(connections);

    // Somebody really knocks again.
    drop([7000, 7301, 8000, 8301, 9000, 9301].map(|port| connect(&lab.client, port)));
    for door in ["static", "once"] {
        assert_eq!(daemon.openings(&lab, door), 2, "{door}");
    }
}
