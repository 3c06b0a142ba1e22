//! Which packets are meant for this host, and who can have sent them.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// So many addresses are quicker gone through than searched.
const FEW: usize = 8;

/// The addresses of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Here {
    /// A live host: only packets to one of these count, unless a door has a target of its own.
    Addresses(Addresses),
    /// A savefile from some other host: every single destination counts.
    Anywhere,
}

/// Some addresses, in order: each packet is looked up here twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    v4: Box<[u32]>,
    v6: Box<[u128]>,
}

impl Addresses {
    fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => is_among(&self.v4, &v4.to_bits()),
            IpAddr::V6(v6) => is_among(&self.v6, &v6.to_bits()),
        }
    }
}

fn is_among<T: Ord>(list: &[T], wanted: &T) -> bool {
    // A host has few, as a rule, and going through them is quicker then.
    if list.len() <= FEW { list.contains(wanted) } else { list.binary_search(wanted).is_ok() }
}

impl FromIterator<IpAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Addresses {
        let (mut v4, mut v6) = (BTreeSet::new(), BTreeSet::new());
        for address in addresses {
            match address {
                IpAddr::V4(address) => v4.insert(address.to_bits()),
                IpAddr::V6(address) => v6.insert(address.to_bits()),
            };
        }
        Addresses { v4: v4.into_iter().collect(), v6: v6.into_iter().collect() }
    }
}

impl<const N: usize> From<[IpAddr; N]> for Addresses {
    fn from(addresses: [IpAddr; N]) -> Addresses {
        addresses.into_iter().collect()
    }
}

impl Here {
    /// Whether a packet to `destination`, which came in by the loopback interface or by another, is for this host.
    /// No host takes one to a loopback address from a cable (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
    pub fn is_destination(&self, destination: IpAddr, by_loopback: bool) -> bool {
        match self {
            Here::Addresses(ours) => {
                ours.contains(destination) && (by_loopback || !destination.is_loopback())
            }
            Here::Anywhere => !is_group(destination),
        }
    }

    /// Whether somebody at `source` can have sent a packet to this host, which came in by the loopback
    /// interface or by another.  Our own packets, seen on their way out, are nobody's knock.
    pub fn is_possible_sender(&self, source: IpAddr, by_loopback: bool) -> bool {
        if source.is_unspecified() || is_group(source) || is_mapped(source) {
            return false;
        }
        match self {
            Here::Addresses(ours) => by_loopback || !(source.is_loopback() || ours.contains(source)),
            Here::Anywhere => true,
        }
    }
}

fn is_group(address: IpAddr) -> bool {
    address.is_multicast() || matches!(address, IpAddr::V4(v4) if v4.is_broadcast())
}

/// An IPv4 address in IPv6 clothes never stands in a packet on the wire (RFC 4291 §2.5.5.2).
fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Here {
        Here::Addresses(["192.0.2.1", "2001:db8::1"].iter().map(|a| a.parse().unwrap()).collect())
    }

    fn sender(source: &str, by_loopback: bool) -> bool {
        here().is_possible_sender(source.parse().unwrap(), by_loopback)
    }

    #[test]
    fn impossible_senders() {
        assert!(sender("192.0.2.2", false) && sender("2001:db8::2", false) && sender("fe80::2", false));
        let impossible = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:192.0.2.2"];
        for source in impossible {
            assert!(!sender(source, false), "{source}");
            assert!(!sender(source, true), "{source}");
        }
    }

    #[test]
    fn loopback_and_our_own_addresses_count_on_the_loopback_interface_only() {
        for source in ["127.0.0.1", "::1", "192.0.2.1", "2001:db8::1"] {
            assert!(!sender(source, false), "{source}");
            assert!(sender(source, true), "{source}");
        }
    }

    #[test]
    fn a_savefile_may_come_from_a_loopback_interface() {
        assert!(Here::Anywhere.is_possible_sender("127.0.0.1".parse().unwrap(), false));
        assert!(!Here::Anywhere.is_possible_sender("224.0.0.1".parse().unwrap(), false));
    }

    #[test]
    fn many_addresses_are_all_known() {
        for count in [1, 8, 9, 300u16] {
            let ours: Vec<IpAddr> = (0..count)
                .flat_map(|n| {
                    let [high, low] = (2 * n).to_be_bytes();
                    [IpAddr::from([198, 18, high, low]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 2 * n])]
                })
                .collect();
            let here = Here::Addresses(ours.iter().rev().copied().collect());
            assert!(ours.iter().all(|address| here.is_destination(*address, false)), "{count}");
            let next = |address: &IpAddr| match address {
                IpAddr::V4(v4) => IpAddr::from((v4.to_bits() + 1).to_be_bytes()),
                IpAddr::V6(v6) => IpAddr::from((v6.to_bits() + 1).to_be_bytes()),
            };
            assert!(!ours.iter().any(|address| here.is_destination(next(address), false)), "{count}");
        }
    }

    #[test]
    fn destinations() {
        let ours = "192.0.2.1".parse().unwrap();
        let other = "192.0.2.9".parse().unwrap();
        assert!(here().is_destination(ours, false) && !here().is_destination(other, false));
        assert!(Here::Anywhere.is_destination(other, false));
        for group in ["224.0.0.1", "ff02::1", "255.255.255.255"] {
            assert!(!Here::Anywhere.is_destination(group.parse().unwrap(), false), "{group}");
        }
    }
}
