//! The interfaces of this host, as far as a knock must know them: which address is whose, and who can send.

use std::fmt;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

/// What keeps an interface from carrying packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkState {
    Down,
    NoLink,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkState::Down => "is down",
            LinkState::NoLink => "has no link (is its cable plugged in?)",
        })
    }
}

/// One address of one interface.
#[derive(Debug)]
pub(super) struct Link {
    name: String,
    address: SocketAddr,
    flags: InterfaceFlags,
}

/// Every address of every interface of this host.
pub(super) fn list() -> io::Result<Vec<Link>> {
    let all = getifaddrs()?;
    Ok(all
        .filter_map(|entry| {
            let address = socket_address(&entry.address?)?;
            Some(Link { name: entry.interface_name, address, flags: entry.flags })
        })
        .collect())
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*v4).into());
    }
    storage.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into())
}

/// The interface that holds the address `source` and cannot send, if none that holds it can.
///
/// An address that no interface holds tells nothing.
pub(super) fn dead(links: &[Link], source: SocketAddr) -> Option<(&str, LinkState)> {
    let holders = || links.iter().filter(|link| same_host(link.address, source));
    if holders().any(|link| state(link.flags).is_none()) {
        return None;
    }
    holders().find_map(|link| state(link.flags).map(|state| (link.name.as_str(), state)))
}

/// What keeps the interface of this name from sending, if anything does.
pub(super) fn state_of(links: &[Link], name: &str) -> Option<LinkState> {
    links.iter().find(|link| link.name == name).and_then(|link| state(link.flags))
}

fn state(flags: InterfaceFlags) -> Option<LinkState> {
    if !flags.contains(InterfaceFlags::IFF_UP) {
        Some(LinkState::Down)
    } else if !flags.contains(InterfaceFlags::IFF_RUNNING) {
        Some(LinkState::NoLink)
    } else {
        None
    }
}

/// Several interfaces may hold the same link-local address; the scope tells them apart.
fn same_host(a: SocketAddr, b: SocketAddr) -> bool {
    let scope = |socket: SocketAddr| match socket {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(v6) => v6.scope_id(),
    };
    a.ip() == b.ip() && scope(a) == scope(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIT: InterfaceFlags = InterfaceFlags::IFF_UP.union(InterfaceFlags::IFF_RUNNING);

    fn link(name: &str, address: &str, flags: InterfaceFlags) -> Link {
        Link { name: name.into(), address: format!("{address}:0").parse().unwrap(), flags }
    }

    fn dead_for(links: &[Link], source: &str) -> Option<(String, LinkState)> {
        dead(links, format!("{source}:5555").parse().unwrap()).map(|(name, state)| (name.to_owned(), state))
    }

    #[test]
    fn finds_the_interface_that_cannot_send() {
        let links = [
            link("a", "192.0.2.1", FIT),
            link("b", "192.0.2.2", InterfaceFlags::IFF_UP),
            link("c", "192.0.2.3", InterfaceFlags::IFF_RUNNING),
        ];
        assert_eq!(dead_for(&links, "192.0.2.1"), None);
        assert_eq!(dead_for(&links, "192.0.2.2"), Some(("b".into(), LinkState::NoLink)));
        assert_eq!(dead_for(&links, "192.0.2.3"), Some(("c".into(), LinkState::Down)));
        assert_eq!(dead_for(&links, "192.0.2.4"), None);
    }

    #[test]
    fn one_fit_interface_is_enough() {
        let links = [link("cable", "192.0.2.1", InterfaceFlags::IFF_UP), link("radio", "192.0.2.1", FIT)];
        assert_eq!(dead_for(&links, "192.0.2.1"), None);
    }

    #[test]
    fn finds_an_interface_by_its_name() {
        let links = [link("a", "192.0.2.1", FIT), link("b", "192.0.2.2", InterfaceFlags::IFF_UP)];
        assert_eq!(["a", "b", "c"].map(|name| state_of(&links, name)), [None, Some(LinkState::NoLink), None]);
    }

    #[test]
    fn tells_link_local_addresses_apart_by_interface() {
        let links = [link("a", "[fe80::1%7]", InterfaceFlags::IFF_UP), link("b", "[fe80::1%8]", FIT)];
        assert_eq!(dead_for(&links, "[fe80::1%7]"), Some(("a".into(), LinkState::NoLink)));
        assert_eq!(dead_for(&links, "[fe80::1%8]"), None);
    }

    #[test]
    fn lists_the_loopback_addresses_as_fit() {
        let links = list().unwrap();
        let loopback = links.iter().find(|link| link.address.ip().is_loopback()).unwrap();
        assert_eq!(state(loopback.flags), None);
    }
}
