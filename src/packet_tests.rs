use etherparse::{IpHeaders, Ipv4Header, Ipv6Header, PacketBuilder, TcpHeader};

use super::*;

const SYN: Segment = Segment::Tcp { flags: TcpFlags::SYN, number: 77 };

fn hit4(segment: Segment) -> Hit {
    Hit {
        source: [192, 0, 2, 2].into(),
        destination: [192, 0, 2, 1].into(),
        source_port: 40000,
        port: NonZeroU16::new(7000).unwrap(),
        segment,
        by_loopback: false,
    }
}

fn hit6(segment: Segment) -> Hit {
    Hit {
        source: "2001:db8::2".parse().unwrap(),
        destination: "2001:db8::1".parse().unwrap(),
        ..hit4(segment)
    }
}

fn syn() -> TcpHeader {
    TcpHeader { syn: true, ..TcpHeader::new(40000, 7000, 77, 1024) }
}

fn v4(options: &[u8]) -> Ipv4Header {
    let mut header = Ipv4Header::new(0, 64, IpNumber::TCP, [192, 0, 2, 2], [192, 0, 2, 1]).unwrap();
    header.options = options.try_into().unwrap();
    header
}

fn v6() -> Ipv6Header {
    let Hit { source: IpAddr::V6(source), destination: IpAddr::V6(destination), .. } = hit6(SYN) else {
        unreachable!()
    };
    Ipv6Header {
        hop_limit: 64,
        source: source.octets(),
        destination: destination.octets(),
        ..Default::default()
    }
}

/// An IPv4 packet that carries `header`, with right lengths.
fn v4_packet(ip: Ipv4Header, header: &TcpHeader) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ip(IpHeaders::Ipv4(ip, etherparse::Ipv4Extensions::default()))
        .tcp_header(header.clone())
        .write(&mut packet, &[])
        .unwrap();
    packet
}

/// An IPv6 packet with these extension headers (raw bytes) before a SYN; `first` is the first one's number.
fn v6_packet(first: u8, extensions: &[u8]) -> Vec<u8> {
    let mut tcp = Vec::new();
    syn().write(&mut tcp).unwrap();
    let mut header = v6();
    header.next_header = IpNumber(first);
    header.payload_length = u16::try_from(extensions.len() + tcp.len()).unwrap();
    let mut packet = header.to_bytes().to_vec();
    packet.extend(extensions);
    packet.extend(tcp);
    packet
}

fn udp_packet() -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4([192, 0, 2, 2], [192, 0, 2, 1], 64)
        .udp(40000, 7000)
        .write(&mut packet, b"hi")
        .unwrap();
    packet
}

fn ethernet(destination: [u8; 6], ether_types: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut frame = [destination, [2, 0, 0, 0, 0, 2]].concat();
    for (i, ether_type) in ether_types.iter().enumerate() {
        if i > 0 {
            frame.extend([0, 42]); // the tag before: VLAN 42
        }
        frame.extend(ether_type.to_be_bytes());
    }
    frame.extend(packet);
    frame
}

const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];

#[test]
fn tcp_and_udp_over_ipv4_and_ipv6() {
    assert_eq!(decode(LinkLayer::Raw, &v4_packet(v4(&[]), &syn())), Some(hit4(SYN)));
    assert_eq!(decode(LinkLayer::Raw, &udp_packet()), Some(hit4(Segment::Udp)));
    assert_eq!(decode(LinkLayer::Raw, &v6_packet(6, &[])), Some(hit6(SYN)));
}

#[test]
fn flags_are_those_of_the_header() {
    let header = TcpHeader { syn: true, ack: true, fin: true, urg: true, ece: true, ..syn() };
    let flags = TcpFlags::SYN.with(TcpFlags::ACK).with(TcpFlags::FIN).with(TcpFlags::URG);
    let expected = hit4(Segment::Tcp { flags, number: 77 });
    assert_eq!(decode(LinkLayer::Raw, &v4_packet(v4(&[]), &header)), Some(expected));
}

#[test]
fn ipv4_with_options() {
    assert_eq!(decode(LinkLayer::Raw, &v4_packet(v4(&[1; 40]), &syn())), Some(hit4(SYN)));
}

#[test]
fn ipv6_behind_extension_headers() {
    let hop_by_hop = [60, 0, 1, 4, 0, 0, 0, 0];
    let destination_options = [43, 0, 1, 4, 0, 0, 0, 0];
    let routing_done = [44, 0, 4, 0, 0, 0, 0, 0];
    let atomic_fragment = [51, 0, 0, 0, 0, 0, 0, 9];
    let authentication = [6, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];
    let all =
        [&hop_by_hop[..], &destination_options, &routing_done, &atomic_fragment, &authentication].concat();
    assert_eq!(decode(LinkLayer::Raw, &v6_packet(0, &all)), Some(hit6(SYN)));
}

#[test]
fn an_endless_chain_of_extension_headers_is_ignored() {
    let chain = [60, 0, 1, 4, 0, 0, 0, 0].repeat(12);
    assert_eq!(decode(LinkLayer::Raw, &v6_packet(60, &chain)), None);
}

#[test]
fn a_packet_still_on_its_route_is_ignored() {
    assert_eq!(decode(LinkLayer::Raw, &v6_packet(43, &[6, 0, 4, 1, 0, 0, 0, 0])), None);
}

#[test]
fn later_fragments_are_ignored_and_first_ones_are_not() {
    let mut later = v4(&[]);
    later.fragment_offset = 1.try_into().unwrap();
    assert_eq!(decode(LinkLayer::Raw, &v4_packet(later, &syn())), None);
    let mut first = v4(&[]);
    first.more_fragments = true;
    assert_eq!(decode(LinkLayer::Raw, &v4_packet(first, &syn())), Some(hit4(SYN)));
    assert_eq!(decode(LinkLayer::Raw, &v6_packet(44, &[6, 0, 0, 8, 0, 0, 0, 9])), None);
    assert_eq!(decode(LinkLayer::Raw, &v6_packet(44, &[6, 0, 0, 1, 0, 0, 0, 9])), Some(hit6(SYN)));
}

#[test]
fn ethernet_with_up_to_two_tags() {
    let packet = v4_packet(v4(&[]), &syn());
    for tags in [&[0x0800][..], &[0x8100, 0x0800], &[0x88a8, 0x8100, 0x0800]] {
        assert_eq!(decode(LinkLayer::Ethernet, &ethernet(OURS, tags, &packet)), Some(hit4(SYN)), "{tags:x?}");
    }
    let three = ethernet(OURS, &[0x88a8, 0x8100, 0x8100, 0x0800], &packet);
    assert_eq!(decode(LinkLayer::Ethernet, &three), None);
    assert_eq!(decode(LinkLayer::Ethernet, &ethernet(OURS, &[0x0806], &packet)), None);
}

#[test]
fn a_packet_of_another_version_than_its_frame_says_is_no_hit() {
    for (other, packet) in [(0x86dd, v4_packet(v4(&[]), &syn())), (0x0800, v6_packet(6, &[]))] {
        let right = other ^ 0x0800 ^ 0x86dd;
        let cooked = |kind: u16| [&[0; 14], &kind.to_be_bytes()[..], &packet].concat();
        assert!(decode(LinkLayer::Ethernet, &ethernet(OURS, &[right], &packet)).is_some());
        assert!(decode(LinkLayer::Sll, &cooked(right)).is_some());
        assert_eq!(decode(LinkLayer::Ethernet, &ethernet(OURS, &[other], &packet)), None);
        assert_eq!(decode(LinkLayer::Ethernet, &ethernet(OURS, &[0x8100, other], &packet)), None);
        assert_eq!(decode(LinkLayer::Sll, &cooked(other)), None);
    }
}

#[test]
fn frames_to_a_group_address_are_ignored() {
    let packet = v4_packet(v4(&[]), &syn());
    for group in [[0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
        assert_eq!(decode(LinkLayer::Ethernet, &ethernet(group, &[0x0800], &packet)), None);
    }
}

#[test]
fn cooked_frames_count_only_when_sent_to_this_host() {
    let packet = v4_packet(v4(&[]), &syn());
    for packet_type in 0..=4u8 {
        let wanted = (packet_type == 0).then(|| hit4(SYN));
        let sll = [&[0, packet_type, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0, 8, 0][..], &packet].concat();
        assert_eq!(decode(LinkLayer::Sll, &sll), wanted);
        let sll2 =
            [&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, packet_type, 6, 2, 0, 0, 0, 0, 2, 0, 0][..], &packet].concat();
        assert_eq!(decode(LinkLayer::Sll2, &sll2), wanted);
    }
}

#[test]
fn cooked_frames_tell_the_loopback_interface() {
    let packet = v4_packet(v4(&[]), &syn());
    let sll = [&[0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0][..], &packet].concat();
    let sll2 = [&[8, 0, 0, 0, 0, 0, 0, 1, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0][..], &packet].concat();
    for (link, frame) in [(LinkLayer::Sll, sll), (LinkLayer::Sll2, sll2)] {
        assert_eq!(decode(link, &frame), Some(Hit { by_loopback: true, ..hit4(SYN) }), "{link:?}");
    }
}

#[test]
fn link_types_have_their_decoders_and_others_none() {
    let known =
        [(1, LinkLayer::Ethernet), (12, LinkLayer::Raw), (101, LinkLayer::Raw), (228, LinkLayer::Raw)];
    let more = [(229, LinkLayer::Raw), (113, LinkLayer::Sll), (276, LinkLayer::Sll2)];
    for (number, link) in known.into_iter().chain(more) {
        assert_eq!(LinkLayer::from_pcap(number), Some(link), "{number}");
    }
    for number in [0, 105, 127, 147, 249] {
        assert_eq!(LinkLayer::from_pcap(number), None, "{number}");
    }
}

#[test]
fn every_truncation_is_ignored() {
    let frame = ethernet(OURS, &[0x8100, 0x0800], &v4_packet(v4(&[1; 8]), &syn()));
    assert!(decode(LinkLayer::Ethernet, &frame).is_some());
    for length in 0..frame.len() {
        assert_eq!(decode(LinkLayer::Ethernet, &frame[..length]), None, "{length} bytes");
    }
}

#[test]
fn lengths_that_lie_are_ignored() {
    let mut short_total = v4_packet(v4(&[]), &syn());
    short_total[3] = 39; // one byte less than the two headers need
    assert_eq!(decode(LinkLayer::Raw, &short_total), None);
    let mut short_payload = v6_packet(6, &[]);
    short_payload[5] = 19;
    assert_eq!(decode(LinkLayer::Raw, &short_payload), None);
    for udp_length in [0, 7, 11] {
        let mut packet = udp_packet();
        packet[25] = udp_length; // two bytes of payload make ten
        assert_eq!(decode(LinkLayer::Raw, &packet), None, "UDP length {udp_length}");
    }
    let mut data_offset = v4_packet(v4(&[]), &syn());
    data_offset[20 + 12] = 0xf0;
    assert_eq!(decode(LinkLayer::Raw, &data_offset), None);
}

#[test]
fn padding_after_the_packet_is_no_part_of_it() {
    let mut frame = ethernet(OURS, &[0x0800], &v4_packet(v4(&[]), &syn()));
    frame.extend([0; 6]);
    assert_eq!(decode(LinkLayer::Ethernet, &frame), Some(hit4(SYN)));
}

#[test]
fn port_zero_is_no_port() {
    let header = TcpHeader { destination_port: 0, ..syn() };
    assert_eq!(decode(LinkLayer::Raw, &v4_packet(v4(&[]), &header)), None);
}

#[test]
fn other_protocols_and_versions_are_ignored() {
    let mut icmp = v4(&[]);
    icmp.protocol = IpNumber::ICMP;
    let mut packet = Vec::new();
    icmp.write(&mut packet).unwrap();
    packet.extend([0; 64]);
    assert_eq!(decode(LinkLayer::Raw, &packet), None);
    let mut version = v4_packet(v4(&[]), &syn());
    version[0] = 0x55;
    assert_eq!(decode(LinkLayer::Raw, &version), None);
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    const LINKS: [LinkLayer; 4] = [LinkLayer::Ethernet, LinkLayer::Raw, LinkLayer::Sll, LinkLayer::Sll2];

    proptest! {
        /// Noise never panics; a hit that comes out of it keeps to the bounds of its types.
        #[test]
        fn never_panic(frame in proptest::collection::vec(any::<u8>(), 0..300)) {
            for link in LINKS {
                decode(link, &frame);
            }
        }

        /// Nor does a good frame with a few bytes changed, which gets further into the decoder.
        #[test]
        fn never_panic_when_nearly_right(
            changes in proptest::collection::vec((0usize..120, any::<u8>()), 0..6),
            length in 0usize..120,
        ) {
            let extensions = [60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 9];
            for packet in [v4_packet(v4(&[1; 8]), &syn()), v6_packet(0, &extensions), udp_packet()] {
                let mut frame = ethernet(OURS, &[0x8100, 0x0800], &packet);
                for (at, byte) in &changes {
                    if let Some(place) = frame.get_mut(*at) {
                        *place = *byte;
                    }
                }
                frame.truncate(length.max(14));
                for link in LINKS {
                    decode(link, &frame);
                }
            }
        }
    }
}
