//! A door that sees some people's hits only.

use crate::daemon::Daemon;
use crate::hits::{Hit, send};
use crate::net::{CLIENT, CLIENT_6, Lab, OTHER, SERVER, SERVER_6, ip};

/// A neighbour of the client's IPv6 address.
const OTHER_6: &str = "2001:db8::4";

const KNOCK: [Hit; 4] = [Hit::Tcp(7000), Hit::Tcp(9000), Hit::Udp(8000), Hit::Tcp(7500)];

#[test]
fn a_door_opens_to_allowed_addresses_and_takes_no_notice_of_others() {
    let Some(lab) = Lab::new("a_door_opens_to_allowed_addresses_and_takes_no_notice_of_others") else {
        return;
    };
    let address = format!("{OTHER_6}/64");
    ip(&["-n", lab.client.name(), "address", "add", &address, "dev", "eth0", "nodad"]);
    let sequence = "sequence = 7000,9000,8000:udp,7500\ntcpflags = syn\ncommand = true";
    let allow = "allow = 192.0.2.2, 198.51.100.0/24, 2001:db8::2/127";
    let daemon = Daemon::start(&lab, &format!("[friends]\n{sequence}\n{allow}\n[all]\n{sequence}\n"));
    for (outside, inside, server) in [(OTHER, CLIENT, SERVER), (OTHER_6, CLIENT_6, SERVER_6)] {
        let before = daemon.openings(&lab, "friends");
        send(&lab.client, outside, server, &KNOCK);
        // The same knock opens where nobody is left out.
        daemon.says(&format!("{outside}: all: OPEN SESAME"));
        assert_eq!(daemon.openings(&lab, "friends"), before, "{outside}");
        assert!(
            !daemon.log().contains(&format!("{outside}: friends")),
            "the door has taken notice of {outside}"
        );
        send(&lab.client, inside, server, &KNOCK);
        daemon.says(&format!("{inside}: friends: OPEN SESAME"));
        assert_eq!(daemon.openings(&lab, "friends"), before + 1, "{inside}");
    }
}
