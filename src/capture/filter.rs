//! The coarse kernel filter: a small superset of what the doors could take as hits, by protocol and flags.
//!
//! It never names a port: libpcap needs seconds to compile a filter of a thousand ports, and whoever scans other
//! ports is to be seen.  The exact decision is made in [`crate::packet`] and [`crate::track`].

use crate::flags::FlagRule;
use crate::message::{Families, Traffic};

/// With more different flag rules than this, every TCP packet is let through instead.
const MOST_RULES: usize = 4;

/// The filter expression (pcap-filter(7)) for this traffic.
///
/// IPv6 extension headers and VLAN tags are let through whole, since the offsets behind them are not fixed.
pub fn expression(traffic: &Traffic, families: Families) -> String {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    if traffic.udp {
        v4.push("udp".to_owned());
        v6.push("ip6[6]=17".to_owned());
    }
    if traffic.tcp.len() > MOST_RULES || traffic.tcp.contains(&FlagRule::ANY) {
        v4.push("tcp".to_owned());
        v6.push("ip6[6]=6".to_owned());
    } else {
        for rule in &traffic.tcp {
            let value = rule.set().bits();
            let mask = value | rule.clear().bits();
            v4.push(format!("tcp[13]&{mask}={value}"));
            v6.push(format!("(ip6[6]=6 and ip6[53]&{mask}={value})"));
        }
    }
    if v4.is_empty() {
        return "less 0".to_owned();
    }
    v6.extend([0, 43, 44, 60, 51].map(|header| format!("ip6[6]={header}")));
    let (v4, v6) = (v4.join(" or "), v6.join(" or "));
    let v6 = match families {
        Families::Both => format!(" or (ip6 and ({v6}))"),
        Families::Ipv4Only => String::new(),
    };
    format!("(ip and ({v4})){v6} or ether proto 0x8100 or ether proto 0x88a8")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use etherparse::PacketBuilder;
    use pcap::{BpfProgram, Capture, Linktype};
    use seqgen::sequence::Sequence;

    use super::*;
    use crate::flags::TcpFlags;
    use crate::open::see;
    use crate::packet::{LinkLayer, Segment, decode};

    fn compile(traffic: &Traffic) -> BpfProgram {
        Capture::dead(Linktype::ETHERNET)
            .unwrap()
            .compile(&expression(traffic, Families::Both), true)
            .unwrap()
    }

    fn syn() -> Traffic {
        Traffic { tcp: vec![FlagRule::SYN], udp: false }
    }

    /// Ethernet frames with every combination of the six flags, over IPv4 and IPv6, with and without a tag, and UDP.
    fn frames() -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mac = || PacketBuilder::ethernet2([2; 6], [2, 0, 0, 0, 0, 1]);
        let port = 7000;
        for flags in 0..64u8 {
            let mut tcp = etherparse::TcpHeader::new(1, port, 1, 1);
            let has = |flag: TcpFlags| TcpFlags::from_bits(flags).contains(flag);
            (tcp.fin, tcp.syn, tcp.rst) = (has(TcpFlags::FIN), has(TcpFlags::SYN), has(TcpFlags::RST));
            (tcp.psh, tcp.ack, tcp.urg) = (has(TcpFlags::PSH), has(TcpFlags::ACK), has(TcpFlags::URG));
            let mut write = |builder: etherparse::PacketBuilderStep<etherparse::IpHeaders>| {
                let mut frame = Vec::new();
                builder.tcp_header(tcp.clone()).write(&mut frame, &[]).unwrap();
                frames.push(frame);
            };
            write(mac().ipv4([192, 0, 2, 2], [192, 0, 2, 1], 64));
            write(mac().ipv6([1; 16], [2; 16], 64));
            write(mac().single_vlan(5.try_into().unwrap()).ipv4([192, 0, 2, 2], [192, 0, 2, 1], 64));
        }
        let mut udp = |builder: etherparse::PacketBuilderStep<etherparse::IpHeaders>| {
            let mut frame = Vec::new();
            builder.udp(1, port).write(&mut frame, &[]).unwrap();
            frames.push(frame);
        };
        udp(mac().ipv4([192, 0, 2, 2], [192, 0, 2, 1], 64));
        udp(mac().ipv6([1; 16], [2; 16], 64));
        frames
    }

    #[test]
    fn nothing_that_a_door_could_take_is_filtered_out() {
        let fin = FlagRule::new(TcpFlags::FIN, TcpFlags::ACK).unwrap();
        let null = FlagRule::new(TcpFlags::default(), TcpFlags::from_bits(0x3f)).unwrap();
        let many = (1..=5).map(|bits| FlagRule::new(TcpFlags::from_bits(bits), TcpFlags::default()).unwrap());
        for tcp in [vec![], vec![FlagRule::SYN], vec![FlagRule::ANY], vec![fin, null], many.collect()] {
            for udp in [false, true] {
                let traffic = Traffic { tcp: tcp.clone(), udp };
                let program = compile(&traffic);
                for frame in frames() {
                    let hit = decode(LinkLayer::Ethernet, &frame).unwrap();
                    let wanted = match hit.segment {
                        Segment::Tcp { flags, .. } => tcp.iter().any(|rule| rule.takes(flags)),
                        Segment::Udp => udp,
                    };
                    assert!(program.filter(&frame) || !wanted, "{traffic:?} misses {hit:?}");
                }
            }
        }
    }

    #[test]
    fn established_connections_and_unwanted_udp_stay_in_the_kernel() {
        let program = compile(&syn());
        let passed = frames().iter().filter(|frame| frame[12] != 0x81 && program.filter(frame)).count();
        assert_eq!(passed, 32, "SYN set and ACK clear leaves 16 combinations for each family");
    }

    #[test]
    fn the_filter_stays_small() {
        for udp in [false, true] {
            let program = compile(&Traffic { udp, ..syn() });
            assert!(program.get_instructions().len() <= 30);
        }
    }

    #[test]
    fn a_hundred_thousand_ports_need_no_more_of_it_than_one() {
        let counts = [1, 100, 1000, 100_000].map(|ports| {
            let mut traffic = Traffic::default();
            for port in 1..=ports {
                // There are more than TCP alone has.
                let (port, protocol) = if port <= 65_535 { (port, "tcp") } else { (port - 65_535, "udp") };
                let sequence = Sequence::parse(&format!("{port}:{protocol}")).unwrap();
                see(&mut traffic, &sequence, FlagRule::SYN);
            }
            let start = Instant::now();
            let program = compile(&traffic);
            println!(
                "{ports} ports: {} instructions, {:?}",
                program.get_instructions().len(),
                start.elapsed()
            );
            program.get_instructions().len()
        });
        assert!(counts[1] == counts[0] && counts[2] == counts[0], "{counts:?}");
        assert!(counts.iter().all(|count| *count <= 30), "{counts:?}");
    }

    #[test]
    fn without_doors_nothing_passes() {
        let program = compile(&Traffic::default());
        assert!(!frames().iter().any(|frame| program.filter(frame)));
    }

    #[test]
    fn it_compiles_on_every_link_that_is_decoded() {
        for link in [1, 12, 113, 276] {
            let dead = Capture::dead(Linktype(link)).unwrap();
            for families in [Families::Both, Families::Ipv4Only] {
                dead.compile(&expression(&Traffic { udp: true, ..syn() }, families), true).unwrap();
            }
        }
    }

    #[test]
    fn ipv6_stays_in_the_kernel_where_it_is_left_out() {
        let dead = Capture::dead(Linktype::ETHERNET).unwrap();
        let program = dead.compile(&expression(&syn(), Families::Ipv4Only), true).unwrap();
        let passed = frames().iter().filter(|frame| frame[12] == 0x86 && program.filter(frame)).count();
        assert_eq!(passed, 0);
    }
}
