//! Addresses that are added and removed.

use std::process::Command;
use std::time::Instant;

use super::{SOON, hit_from, on, start};
use crate::net::{CLIENT, CLIENT_6, Lab, OTHER, SERVER, SERVER_6};
use crate::wait::wait_until;

/// Checks that knocks to an address count from when it is added until it is removed, and disturb nobody.
fn follows(test: &str, source: &str, address: &str, length: &str, target: &str) {
    let Some(lab) = Lab::new(test) else { return };
    let daemon = start(&lab, "eth0");
    let link = lab.server.succeeds(Command::new("cat").arg("/sys/class/net/eth0/address"));
    // Knocks must arrive whoever has the address.
    on(&lab.client, &["neighbour", "replace", address, "lladdr", link.trim(), "dev", "eth0"]);
    let knock = || {
        let before = daemon.openings(&lab, "door");
        hit_from(&lab, source, address, &[7000, 8000, 9000]);
        daemon.openings(&lab, "door") > before
    };
    assert!(!knock(), "the address is not there yet");
    hit_from(&lab, if source == CLIENT { OTHER } else { source }, target, &[7000]);
    daemon.says(": door: Stage 1");
    let with_length = format!("{address}/{length}");
    for _ in 0..5 {
        on(&lab.server, &["address", "add", &with_length, "dev", "eth0"]);
        let added = Instant::now();
        assert!(wait_until(SOON, knock), "the new address is not known");
        eprintln!("{address} counts after {:?}", added.elapsed());
        on(&lab.server, &["address", "delete", &with_length, "dev", "eth0"]);
        assert!(wait_until(SOON, || !knock()), "the old address still counts");
    }
    if source == CLIENT {
        let opened = daemon.openings(&lab, "door");
        hit_from(&lab, OTHER, target, &[8000, 9000]);
        assert_eq!(daemon.openings(&lab, "door"), opened + 1, "an attempt at another address was disturbed");
    }
    assert_eq!(daemon.count("listening on"), 1);
}

#[test]
fn an_ipv4_address_counts_as_long_as_it_is_there() {
    let test = "an_ipv4_address_counts_as_long_as_it_is_there";
    follows(test, CLIENT, "192.0.2.77", "24", SERVER);
}

#[test]
fn an_ipv6_address_counts_as_long_as_it_is_there() {
    let test = "an_ipv6_address_counts_as_long_as_it_is_there";
    follows(test, CLIENT_6, "2001:db8::77", "64", SERVER_6);
}
