//! Ways to a host, in a network made for the purpose: routes, cables, several addresses, errors in sending.

use std::time::{Duration, Instant};

use crate::lab::{cable, hosts, in_lab, plug, sh, unplug};
use crate::support::{Catcher, LONG, Pad, knock_line};

#[test]
fn no_route_strikes_nothing() {
    in_lab("no_route_strikes_nothing", || {
        let pad = Pad::of(3);
        for host in ["192.0.2.1", "2001:db8::1"] {
            pad.knock(&format!("-v {host}")).refused(
                1,
                &format!(
                    "knock: cannot knock at {host}: there is no way to it from here (Network is unreachable"
                ),
            );
        }
        assert_eq!(pad.text(), Pad::of(3).text());
    });
}

#[test]
fn a_forbidden_way_strikes_nothing() {
    in_lab("a_forbidden_way_strikes_nothing", || {
        cable("lan", "192.0.2.1/24");
        sh("ip addr add 198.51.100.1/24 brd + dev lan0; ip route add prohibit 192.0.2.9");
        let pad = Pad::of(3);
        for host in ["198.51.100.255", "192.0.2.9"] {
            let message =
                format!("knock: cannot knock at {host}: this host sends nothing there: it is a broadcast");
            pad.knock(&format!("-v {host}")).refused(1, &message);
        }
        assert_eq!(pad.text(), Pad::of(3).text());
    });
}

#[test]
fn an_unplugged_cable_strikes_nothing() {
    in_lab("an_unplugged_cable_strikes_nothing", || {
        cable("lan", "192.0.2.1/24");
        cable("six", "2001:db8::1/64");
        unplug("lan");
        unplug("six");
        let pad = Pad::of(3);
        for (host, interface) in [("192.0.2.9", "lan0"), ("2001:db8::9", "six0")] {
            let message = format!(
                "knock: cannot knock at {host}: the way there leaves by {interface}, and {interface} has no link \
                 (is its cable plugged in?)\n"
            );
            pad.knock(&format!("-v {host}")).refused(1, &message);
            knock_line(&format!("-v {host} 7000")).refused(1, &message);
        }
        assert_eq!(pad.text(), Pad::of(3).text());
        plug("lan");
        assert_eq!(pad.knock("192.0.2.9").code, Some(0));
    });
}

#[test]
fn an_own_address_is_reached_without_any_cable() {
    in_lab("an_own_address_is_reached_without_any_cable", || {
        cable("lan", "192.0.2.1/24");
        unplug("lan");
        let catcher = Catcher::at("192.0.2.1:0");
        knock_line(&format!("-u 192.0.2.1 {}", catcher.port())).quietly();
        catcher.hit();
    });
}

#[test]
fn a_silent_host_is_not_waited_for() {
    in_lab("a_silent_host_is_not_waited_for", || {
        cable("lan", "192.0.2.1/24");
        sh("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev lan0");
        let start = Instant::now();
        let out = knock_line("-v -d 0 192.0.2.9 7000 8000 9000").quietly();
        // The kernel itself gives up on a host that does not answer only after two minutes.
        assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
        assert_eq!(out.lines().count(), 3);
    });
}

#[test]
fn a_silent_port_is_waited_for_as_long_as_asked() {
    in_lab("a_silent_port_is_waited_for_as_long_as_asked", || {
        cable("lan", "192.0.2.1/24");
        sh("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev lan0");
        let start = Instant::now();
        let ran = knock_line("-w 22/2 192.0.2.9 7000");
        assert_eq!(ran.code, Some(4), "{ran:?}");
        assert!(ran.err.contains("tcp 192.0.2.9:22 is still shut 2 s after the knock"), "{}", ran.err);
        assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
        // The kernel alone would try for two minutes.
        assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
    });
}

#[test]
fn the_first_address_with_a_way_is_chosen() {
    in_lab("the_first_address_with_a_way_is_chosen", || {
        cable("cut", "192.0.2.1/24");
        cable("lan", "198.51.100.1/24");
        hosts("192.0.2.9 far.example\n198.51.100.9 far.example\n");
        unplug("cut");
        let ran = knock_line("-v far.example 7000");
        assert_eq!(ran.out, "hitting tcp 198.51.100.9:7000\n");
        assert!(ran.err.ends_with("knock: far.example: chose 198.51.100.9\n"), "{}", ran.err);

        plug("cut");
        unplug("lan");
        let ran = knock_line("-v far.example 7000");
        assert_eq!(ran.out, "hitting tcp 192.0.2.9:7000\n");

        unplug("cut");
        let pad = Pad::of(2);
        let ran = pad.knock("-v far.example");
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains("192.0.2.9: the way there leaves by cut0"), "{}", ran.err);
        assert!(ran.err.contains("198.51.100.9: the way there leaves by lan0"), "{}", ran.err);
        assert_eq!(pad.text(), Pad::of(2).text());
    });
}

#[test]
fn a_name_with_both_families_obeys_the_options() {
    in_lab("a_name_with_both_families_obeys_the_options", || {
        cable("lan", "192.0.2.1/24");
        cable("six", "2001:db8::1/64");
        hosts("192.0.2.9 both.example\n2001:db8::9 both.example\n");
        assert_eq!(knock_line("-v -4 both.example 7000").out, "hitting tcp 192.0.2.9:7000\n");
        assert_eq!(knock_line("-v -6 both.example 7000").out, "hitting tcp 2001:db8::9:7000\n");
        sh("ip link set six0 down");
        let ran = knock_line("-v both.example 7000");
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "hitting tcp 192.0.2.9:7000\n"));
    });
}

#[test]
fn a_link_local_address_with_its_interface_is_reached() {
    in_lab("a_link_local_address_with_its_interface_is_reached", || {
        cable("lan", "fe80::1/64");
        sh("ip addr add fe80::2/64 dev lan1 nodad");
        let catcher = Catcher::at(("fe80::2%lan1", 7000));
        let out = knock_line("-v -u fe80::2%lan0 7000").quietly();
        assert_eq!(out, "hitting udp fe80::2%lan0:7000\n");
        catcher.hit();
    });
}

#[test]
fn an_error_in_sending_stops_the_knock() {
    in_lab("an_error_in_sending_stops_the_knock", || {
        cable("lan", "192.0.2.1/24");
        for (protocol, action, reason) in
            [("udp", "unreachable", "Network is unreachable"), ("tcp", "prohibit", "Permission denied")]
        {
            sh(&format!("ip rule add pref 10 ipproto {protocol} dport 8000 {action}"));
            let ran = knock_line(&format!("-v 192.0.2.9 7000:{protocol} 8000:{protocol} 9000:{protocol}"));
            assert_eq!(ran.code, Some(1), "{ran:?}");
            assert_eq!(
                ran.out,
                format!("hitting {protocol} 192.0.2.9:7000\nhitting {protocol} 192.0.2.9:8000\n")
            );
            let message =
                format!("knock: stopped after 1 of 3 hits: cannot send {protocol} 192.0.2.9:8000: {reason}");
            assert!(ran.err.starts_with(&message), "{}", ran.err);
        }
    });
}

#[test]
fn a_pad_whose_hits_cannot_be_sent_is_struck_and_the_rest_counted() {
    in_lab("a_pad_whose_hits_cannot_be_sent_is_struck_and_the_rest_counted", || {
        cable("lan", "192.0.2.1/24");
        sh("ip rule add pref 10 ipproto udp dport 1301 unreachable");
        let pad = Pad::of(3);
        let ran = pad.knock("192.0.2.9");
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains("stopped after 1 of 3 hits"), "{}", ran.err);
        assert!(ran.err.contains("2 sequences left"), "{}", ran.err);
        assert!(pad.text().starts_with('#'));
    });
}
