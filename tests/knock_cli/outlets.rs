//! `--both`, `--interface` and `--source`: over which family, interface and address a knock goes.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use crate::lab::{cable, hosts, in_lab, sh, unplug};
use crate::support::{Catcher, LONG, Pad, knock, knock_line, receive};

const V4: &str = "192.0.2.1";
const V6: &str = "2001:db8::1";

/// A host `both.example` with an address of each family, which is this one.
fn both_families() {
    cable("lan", &format!("{V4}/24"));
    cable("six", &format!("{V6}/64"));
    hosts(&format!(
        "{V4} both.example\n{V6} both.example\n{V4} four.example\n{V4} half.example\n2001:db8::9 half.example\n\
         192.0.2.9 none.example\n2001:db8::9 none.example\n"
    ));
}

fn struck(pad: &Pad) -> usize {
    pad.text().lines().filter(|line| line.starts_with('#')).count()
}

#[test]
fn both_knocks_over_either_family_with_the_same_ports() {
    in_lab("both_knocks_over_either_family_with_the_same_ports", || {
        both_families();
        let catchers = [V4, V6].map(|ip| Catcher::at((ip, 7000)));
        let out = knock_line("-v --both -u both.example 7000").out;
        assert_eq!(out, format!("hitting udp {V4}:7000\nhitting udp {V6}:7000\n"));
        for catcher in catchers {
            catcher.hit();
            catcher.assert_nothing();
        }
    });
}

#[test]
fn both_gives_each_family_lines_of_its_own() {
    in_lab("both_gives_each_family_lines_of_its_own", || {
        both_families();
        let pad = Pad::of(20);
        let hits = |ip: &str, line: u16| {
            [1001, 1301, 1601].map(|base| format!("hitting udp {ip}:{}\n", base + line)).concat()
        };
        assert_eq!(pad.knock("-v -d 0 --both both.example").out, hits(V4, 0) + &hits(V6, 1));
        assert_eq!(struck(&pad), 2);
        let out = pad.knock("-v -d 0 --both --resync both.example").out;
        assert_eq!(out, hits(V4, 2) + &hits(V4, 3) + &hits(V6, 4) + &hits(V6, 5));
        assert_eq!(struck(&pad), 6);
        let last = Pad::of(1);
        last.knock("-v --both both.example").refused(3, "this knock needs 2 sequences, and ");
        assert_eq!(struck(&last), 0);
    });
}

#[test]
fn both_makes_do_with_one_family_and_says_so() {
    in_lab("both_makes_do_with_one_family_and_says_so", || {
        both_families();
        let pad = Pad::of(20);
        let ran = pad.knock("--both four.example");
        let said = "knock: four.example has no IPv6 address: not knocking over IPv6\n";
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), said));
        assert_eq!(struck(&pad), 1);
        unplug("six");
        let ran = pad.knock("-v -d 0 --both half.example");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(
            ran.err.contains("not knocking over IPv6: cannot knock at half.example: 2001:db8::9: the way")
        );
        assert_eq!((ran.out.lines().count(), struck(&pad)), (3, 2));
        unplug("lan");
        let ran = pad.knock("--both none.example");
        assert_eq!(ran.code, Some(1));
        for reason in ["192.0.2.9: the way there leaves by lan0", "2001:db8::9: the way there leaves by six0"]
        {
            assert!(ran.err.contains(reason), "{}", ran.err);
        }
        assert_eq!(struck(&pad), 2);
    });
}

#[test]
fn both_with_wait_knocks_only_where_the_port_is_shut() {
    in_lab("both_with_wait_knocks_only_where_the_port_is_shut", || {
        both_families();
        let pad = Pad::of(20);
        let _v4 = TcpListener::bind((V4, 22)).unwrap();
        let ran = pad.knock("-v -d 0 --both -w 22/1 both.example");
        assert_eq!(ran.code, Some(4), "{ran:?}");
        assert!(ran.err.contains(&format!("tcp {V4}:22 is open already")), "{}", ran.err);
        assert!(ran.err.contains(&format!("tcp {V6}:22 is still shut")), "{}", ran.err);
        assert!(ran.out.lines().all(|line| line.contains(V6)), "{}", ran.out);
        assert_eq!(struck(&pad), 1);
        let _v6 = TcpListener::bind((V6, 22)).unwrap();
        assert_eq!(pad.knock("--both -w 22/1 both.example").quietly(), "");
        assert_eq!(struck(&pad), 1);
    });
}

#[test]
fn a_door_of_one_family_that_is_shut_before_the_other_opens_is_not_knocked_at_again() {
    in_lab("a_door_of_one_family_that_is_shut_before_the_other_opens_is_not_knocked_at_again", || {
        both_families();
        let catcher = Catcher::at((V6, 7000));
        let pad = Pad::new(" 7000:udp,1001:udp\n 7000:udp,1002:udp\n 7000:udp,1003:udp\n");
        let ran = std::thread::scope(|scope| {
            scope.spawn(|| {
                catcher.hit();
                let six = TcpListener::bind((V6, 22)).unwrap();
                six.accept().unwrap();
                drop(six);
                let four = TcpListener::bind((V4, 22)).unwrap();
                four.accept().unwrap();
            });
            pad.knock("-d 0 --both -w 22/60 --retry 1 -v both.example")
        });
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(struck(&pad), 2);
    });
}

#[test]
fn an_interface_may_be_chosen() {
    in_lab("an_interface_may_be_chosen", || {
        for name in ["one", "two"] {
            cable(name, "fe80::1/64");
            sh(&format!("ip addr add fe80::2/64 dev {name}1 nodad"));
        }
        let [one, two] = ["one1", "two1"].map(|name| Catcher::at((format!("fe80::2%{name}").as_str(), 7000)));
        knock_line("-u --interface two0 fe80::2 7000").quietly();
        two.hit();
        knock_line("-u --interface one0 fe80::2 7000").quietly();
        one.hit();
        two.assert_nothing();
        let listener = TcpListener::bind(("fe80::2%one1", 22)).unwrap();
        knock_line("-w 22 --interface one0 fe80::2 7000").quietly();
        listener.accept().unwrap();
    });
}

#[test]
fn an_interface_that_cannot_send_strikes_nothing() {
    in_lab("an_interface_that_cannot_send_strikes_nothing", || {
        cable("lan", "192.0.2.1/24");
        cable("cut", "198.51.100.1/24");
        unplug("cut");
        sh("ip route add 192.0.2.9 dev cut0 metric 5; ip addr add 192.0.2.5/32 dev cut0");
        let pad = Pad::of(3);
        for (interface, reason) in [
            ("nosuch7", "there is no interface `nosuch7` on this host\n"),
            (
                "a-name-that-is-far-too-long",
                "there is no interface `a-name-that-is-far-too-long` on this host\n",
            ),
            ("cut0", "the way there leaves by cut0, and cut0 has no link"),
        ] {
            for wait in ["-w22/1", "-v"] {
                knock(["-f", pad.arg(), wait, "--interface", interface, "192.0.2.9"])
                    .refused(1, &format!("knock: cannot knock at 192.0.2.9: {reason}"));
            }
        }
        assert_eq!(pad.text(), Pad::of(3).text());
    });
}

#[test]
fn a_source_address_may_be_chosen() {
    in_lab("a_source_address_may_be_chosen", || {
        cable("lan", &format!("{V4}/24"));
        sh("ip addr add 192.0.2.2/24 dev lan0; ip addr add 2001:db8::2/64 dev lan0 nodad");
        hosts(&format!("2001:db8::2 both.example\n{V4} both.example\n"));
        let catcher = UdpSocket::bind((V4, 0)).unwrap();
        catcher.set_read_timeout(Some(LONG)).unwrap();
        let port = catcher.local_addr().unwrap().port();
        for source in [V4, "192.0.2.2"] {
            // The family of the source is that of the knock.
            let ran = knock_line(&format!("-u --source {source} both.example {port}"));
            assert_eq!(ran.code, Some(0), "{ran:?}");
            let (_, from) = receive(&catcher, &mut [0; 8]);
            assert_eq!(from.ip(), source.parse::<IpAddr>().unwrap());
        }
        let listener = TcpListener::bind(SocketAddr::from(([192, 0, 2, 1], 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        knock_line(&format!("--source 192.0.2.2 {V4} {port}")).quietly();
        assert_eq!(listener.accept().unwrap().1.ip().to_string(), "192.0.2.2");
        knock_line(&format!("-w {port} --source 192.0.2.2 {V4} 1")).quietly();
        assert_eq!(listener.accept().unwrap().1.ip().to_string(), "192.0.2.2");
    });
}

#[test]
fn an_address_of_another_host_is_no_source() {
    let pad = Pad::of(3);
    pad.knock("-v --source 192.0.2.77 127.0.0.1")
        .refused(1, "knock: cannot knock at 127.0.0.1: 192.0.2.77 is no address of this host\n");
    pad.knock("-v --source ::1 127.0.0.1").refused(1, "`127.0.0.1` has no IPv6 address, only 127.0.0.1");
    assert_eq!(pad.text(), Pad::of(3).text());
}

#[test]
fn bad_outlets_end_with_2_and_use_nothing() {
    let pad = Pad::of(3);
    for (line, message) in [
        ("--source eth0", "`eth0` is not an IP address"),
        ("--source 0.0.0.0", "0.0.0.0 is the address of no single host"),
        ("--source ff02::1", "ff02::1 is the address of no single host"),
        ("-6 --source 127.0.0.1", "--source 127.0.0.1 is not of the family that is to be knocked over, IPv6"),
        ("-4 --source ::1", "--source ::1 is not of the family that is to be knocked over, IPv4"),
        ("--both --source ::1", "'--both' cannot be used with '--source <ADDRESS>'"),
        ("--both -4", "'--both' cannot be used with '--ipv4'"),
        ("--both -6", "'--both' cannot be used with '--ipv6'"),
        ("--interface=", "a value is required for '--interface <NAME>'"),
    ] {
        let ran = pad.knock(&format!("{line} 127.0.0.1"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{line}: {ran:?}");
        assert!(ran.err.contains(message) || ran.err.contains(&swapped(message)), "{line}: {}", ran.err);
    }
    assert_eq!(pad.text(), Pad::of(3).text());
}

/// Of two options that exclude each other, either may be named first.
fn swapped(message: &str) -> String {
    let mut sides: Vec<_> = message.split(" cannot be used with ").collect();
    sides.reverse();
    sides.join(" cannot be used with ")
}
