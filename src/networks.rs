//! The networks that a door listens to.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// Some addresses of either family, at least one; the same addresses are equal however they were written down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Networks(
    /// In order, and none within another or next to what completes it, so that one look finds an address.
    Arc<[IpNet]>,
);

impl Networks {
    /// The addresses in any of these; `None` if there are none.
    pub fn of(networks: &Vec<IpNet>) -> Option<Networks> {
        (!networks.is_empty()).then(|| Networks(IpNet::aggregate(networks).into()))
    }

    /// Whether the address is in one of them.
    pub fn hold(&self, address: IpAddr) -> bool {
        let beyond = self.0.partition_point(|network| network.network() <= address);
        beyond.checked_sub(1).is_some_and(|last| self.0[last].contains(&address))
    }

    /// Whether there is an address in both.
    pub fn overlap(&self, other: &Networks) -> bool {
        let begins_in = |a: &Networks, b: &Networks| a.0.iter().any(|network| b.hold(network.network()));
        begins_in(self, other) || begins_in(other, self)
    }

    /// As few networks as hold just these addresses, in order.
    pub fn as_slice(&self) -> &[IpNet] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(list: &str) -> Networks {
        Networks::of(&list.split(' ').map(|network| network.parse().unwrap()).collect()).unwrap()
    }

    fn written(list: &str) -> String {
        networks(list).as_slice().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_same_addresses_are_equal() {
        assert_eq!(written("192.0.2.128/25 192.0.2.0/25"), "192.0.2.0/24");
        assert_eq!(written("2001:db8::/32 192.0.2.0/24 192.0.2.7/32"), "192.0.2.0/24 2001:db8::/32");
        assert_eq!(written("0.0.0.0/0 ::/0 255.255.255.255/32"), "0.0.0.0/0 ::/0");
        assert_eq!(written("0.0.0.0/1 128.0.0.0/1 ::/1 8000::/1"), "0.0.0.0/0 ::/0");
        assert_eq!(written("192.0.2.1/32 192.0.2.2/32"), "192.0.2.1/32 192.0.2.2/32");
        assert_eq!(Networks::of(&Vec::new()), None);
    }

    #[test]
    fn the_first_and_the_last_address_are_held_and_those_beside_are_not() {
        let networks = networks("192.0.2.64/26 192.0.2.200/32 2001:db8::/127");
        let holds = |address: &str| networks.hold(address.parse().unwrap());
        for address in ["192.0.2.64", "192.0.2.127", "192.0.2.200", "2001:db8::", "2001:db8::1"] {
            assert!(holds(address), "{address}");
        }
        for address in
            ["192.0.2.63", "192.0.2.128", "192.0.2.199", "192.0.2.201", "2001:db8::2", "::", "0.0.0.0"]
        {
            assert!(!holds(address), "{address}");
        }
    }

    #[test]
    fn networks_overlap_where_one_holds_the_other() {
        for (a, b, both) in [
            ("192.0.2.0/24", "192.0.2.7/32", true),
            ("192.0.2.0/25", "192.0.2.128/25", false),
            ("192.0.2.0/24 2001:db8::/64", "198.51.100.0/24 2001:db8::/32", true),
            ("0.0.0.0/0", "::/0", false),
        ] {
            assert_eq!(networks(a).overlap(&networks(b)), both, "{a} {b}");
            assert_eq!(networks(b).overlap(&networks(a)), both, "{b} {a}");
        }
    }

    /// Few enough bits that networks and addresses meet.
    fn network() -> impl Strategy<Value = IpNet> {
        (any::<bool>(), 0u8..16, 0u8..=4).prop_map(|(v4, bits, prefix)| {
            let network = if v4 {
                IpNet::new([bits << 4, 0, 0, 0].into(), prefix)
            } else {
                IpNet::new([u16::from(bits) << 12, 0, 0, 0, 0, 0, 0, 0].into(), prefix)
            };
            network.unwrap().trunc()
        })
    }

    proptest! {
        #[test]
        fn an_address_is_held_where_any_network_holds_it(
            list in prop::collection::vec(network(), 1..6),
            address in network(),
        ) {
            let address = address.addr();
            let held = list.iter().any(|network| network.contains(&address));
            prop_assert_eq!(Networks::of(&list).unwrap().hold(address), held);
        }
    }
}
