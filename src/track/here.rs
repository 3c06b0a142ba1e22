//! Which packets are meant for this host, and who can have sent them.

use std::net::IpAddr;

/// The addresses of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Here {
    /// A live host: only packets to one of these count, unless a door has a target of its own.
    Addresses(Addresses),
    /// A savefile from some other host: every single destination counts.
    Anywhere,
}

/// Some addresses, in order: each packet is looked up here twice, and a host has few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses(Box<[IpAddr]>);

impl Addresses {
    fn contains(&self, address: IpAddr) -> bool {
        self.0.binary_search(&address).is_ok()
    }
}

impl FromIterator<IpAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Addresses {
        let mut addresses: Vec<IpAddr> = addresses.into_iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        Addresses(addresses.into())
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
