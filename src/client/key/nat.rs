//! Whether the server is likely to see another address than the one that packets leave from.

use std::net::{IpAddr, Ipv4Addr};

/// What to say where a sequence is bound to `own`, an address that routers replace.
pub(in crate::client) fn behind_nat(own: IpAddr, target: IpAddr, shut: bool) -> Option<String> {
    // Without a sign that nothing has opened, only where packets leave the private network.
    if !is_private(own) || !(shut || is_public(target)) {
        return None;
    }
    Some(format!(
        "the sequence was for {own}, a private address: if the server sees another one, as behind NAT, give that with \
         --as ADDRESS"
    ))
}

/// RFC 1918, RFC 6598, RFC 4193 and link-local addresses.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || is_shared(v4),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn is_public(ip: IpAddr) -> bool {
    !is_private(ip) && !ip.is_loopback()
}

/// 100.64.0.0/10, behind which providers put their customers.
fn is_shared(v4: Ipv4Addr) -> bool {
    v4.to_bits() & 0xffc0_0000 == Ipv4Addr::new(100, 64, 0, 0).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_addresses_that_routers_replace() {
        for private in [
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.5",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.1.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for other in
            ["192.0.2.1", "100.63.255.255", "100.128.0.0", "172.32.0.1", "127.0.0.1", "2001:db8::1", "::1"]
        {
            assert!(!is_private(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn speaks_of_nat_only_where_there_may_be_some() {
        let speaks = |own: &str, target: &str, shut| {
            behind_nat(own.parse().unwrap(), target.parse().unwrap(), shut).is_some()
        };
        assert!(speaks("192.168.1.5", "192.0.2.1", false) && speaks("fd00::5", "2001:db8::1", false));
        assert!(!speaks("192.168.1.5", "192.168.1.1", false) && speaks("192.168.1.5", "192.168.1.1", true));
        for shut in [false, true] {
            assert!(!speaks("192.0.2.7", "192.0.2.1", shut) && !speaks("127.0.0.1", "127.0.0.1", shut));
        }
    }
}
