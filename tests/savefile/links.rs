//! A knock opens its door whatever link it was captured on.

use crate::frames::{OUTER_TAG, Shot, TAG, ether_type, ethernet};
use crate::savefile::{Desk, ETHERNET, KNOCKER, KNOCKER_6, Savefile, over_ipv6, tcp, udp};

const HOST: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SENDER: [u8; 6] = [2, 0, 0, 0, 0, 2];
const EVERYBODY: [u8; 6] = [0xff; 6];

/// How the kernel tells a packet to this host from one that it sends (`PACKET_HOST`, `PACKET_OUTGOING`).
const TO_US: u8 = 0;
const OUTGOING: u8 = 4;

type Wrap = dyn Fn(&[u8]) -> Vec<u8>;

fn knock() -> [Shot; 3] {
    [tcp(7000), udp(8000), tcp(9000)]
}

fn savefile(link_type: u32, wrap: &Wrap, hits: &[Shot]) -> Savefile {
    let mut savefile = Savefile::new(link_type);
    for hit in hits {
        savefile.frame(0.0, &wrap(&hit.packet()));
    }
    savefile
}

/// Checks what is printed for a knock over IPv4, or over IPv6, on this link.
#[track_caller]
fn opens(link_type: u32, wrap: &Wrap) {
    opens_over_ipv4(link_type, wrap);
    opens_over_ipv6(link_type, wrap);
}

#[track_caller]
fn opens_over_ipv4(link_type: u32, wrap: &Wrap) {
    says(KNOCKER, &savefile(link_type, wrap, &knock()));
}

#[track_caller]
fn opens_over_ipv6(link_type: u32, wrap: &Wrap) {
    says(KNOCKER_6, &savefile(link_type, wrap, &knock().map(over_ipv6)));
}

#[track_caller]
fn says(knocker: &str, savefile: &Savefile) {
    let said = Desk::with_door("").lines(savefile);
    let expected = [
        format!("03:04:05] {knocker}: door: Stage 1"),
        format!("03:04:05] {knocker}: door: Stage 2"),
        format!("03:04:05] {knocker}: door: Stage 3"),
        format!("03:04:05] {knocker}: door: OPEN SESAME"),
        format!("03:04:05] door: would run: open {knocker}"),
    ];
    assert_eq!(said, expected);
}

#[track_caller]
fn stays_shut(link_type: u32, wrap: &Wrap) {
    let said = Desk::with_door("").lines(&savefile(link_type, wrap, &knock()));
    assert_eq!(said, [""; 0]);
}

fn cooked(packet_type: u8, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, packet_type, 0, 1, 0, 6];
    frame.extend(SENDER);
    frame.extend([0, 0]);
    frame.extend(ether_type(packet).to_be_bytes());
    frame.extend(packet);
    frame
}

fn cooked_2(packet_type: u8, packet: &[u8]) -> Vec<u8> {
    let mut frame = ether_type(packet).to_be_bytes().to_vec();
    frame.extend([0, 0, 0, 0, 0, 3, 0, 1, packet_type, 6]);
    frame.extend(SENDER);
    frame.extend([0, 0]);
    frame.extend(packet);
    frame
}

#[test]
fn ethernet_frames() {
    opens(ETHERNET, &|packet| ethernet(HOST, SENDER, &[], packet));
}

#[test]
fn ethernet_frames_with_a_vlan_tag() {
    opens(ETHERNET, &|packet| ethernet(HOST, SENDER, &[(TAG, 5)], packet));
    opens(ETHERNET, &|packet| ethernet(HOST, SENDER, &[(TAG, 0xe005)], packet));
}

#[test]
fn ethernet_frames_with_two_tags() {
    opens(ETHERNET, &|packet| ethernet(HOST, SENDER, &[(OUTER_TAG, 7), (TAG, 5)], packet));
    opens(ETHERNET, &|packet| ethernet(HOST, SENDER, &[(TAG, 7), (TAG, 5)], packet));
}

#[test]
fn ethernet_broadcasts_are_no_hits() {
    stays_shut(ETHERNET, &|packet| ethernet(EVERYBODY, SENDER, &[], packet));
}

#[test]
fn raw_ip_under_each_of_its_numbers() {
    opens(101, &<[u8]>::to_vec);
    opens(12, &<[u8]>::to_vec);
    opens_over_ipv4(228, &<[u8]>::to_vec);
    opens_over_ipv6(229, &<[u8]>::to_vec);
}

#[test]
fn linux_cooked_frames() {
    opens(113, &|packet| cooked(TO_US, packet));
}

#[test]
fn linux_cooked_frames_of_the_second_version() {
    opens(276, &|packet| cooked_2(TO_US, packet));
}

#[test]
fn cooked_frames_that_the_host_sent_are_no_hits() {
    stays_shut(113, &|packet| cooked(OUTGOING, packet));
    stays_shut(276, &|packet| cooked_2(OUTGOING, packet));
}
