//! Whether there is a way to an address, found out without sending anything.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::Type;

#[cfg(unix)]
use super::link::{self, LinkState};
use super::outlet::{Outlet, OutletError};
use super::resolve::Address;

/// Any port will do to ask for a route; this one is "discard".
const PROBE_PORT: u16 = 9;

/// The address to knock at, and those before it that were no good.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) address: Address,
    pub(super) passed_over: Vec<(Address, Unreachable)>,
}

/// Why nothing can get from here to an address.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    #[error("this is {0} address, and a knock goes to one host")]
    NotOneHost(&'static str),
    #[error("a link-local address needs its interface, as in {0}%eth0")]
    NoInterface(IpAddr),
    #[error("there is no way to it from here ({0})")]
    NoRoute(io::Error),
    #[error("this host sends nothing there: it is a broadcast address, or a route or rule forbids it")]
    Forbidden,
    #[error(transparent)]
    Outlet(OutletError),
    #[cfg(unix)]
    #[error("the way there leaves by {interface}, and {interface} {state}")]
    DeadLink { interface: String, state: LinkState },
}

/// No address of the host can be reached, with the reason for each.
#[derive(Debug)]
pub(super) struct NoWay {
    host: String,
    tried: Vec<(Address, Unreachable)>,
}

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot knock at {}: ", self.host)?;
        for (i, (address, reason)) in self.tried.iter().enumerate() {
            let separator = if i > 0 { "; " } else { "" };
            if address.to_string() == self.host {
                write!(f, "{separator}{reason}")?;
            } else {
                write!(f, "{separator}{address}: {reason}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for NoWay {}

/// The first of `addresses` that can be reached from here through `outlet`.
pub(super) fn choose(host: &str, addresses: &[Address], outlet: &Outlet) -> Result<Choice, NoWay> {
    choose_by(host, addresses, |address| check(address, outlet))
}

/// Our own address on the way to `address`, which the server sees if nothing on the way replaces it.
pub(super) fn own_address(host: &str, address: Address, outlet: &Outlet) -> Result<IpAddr, NoWay> {
    match source_towards(address, outlet) {
        Ok(own) => Ok(own.ip().to_canonical()),
        Err(reason) => Err(NoWay { host: host.to_owned(), tried: vec![(address, reason)] }),
    }
}

fn choose_by(
    host: &str,
    addresses: &[Address],
    check: impl Fn(Address) -> Result<(), Unreachable>,
) -> Result<Choice, NoWay> {
    let mut passed_over = Vec::new();
    for &address in addresses {
        match check(address) {
            Ok(()) => return Ok(Choice { address, passed_over }),
            Err(reason) => passed_over.push((address, reason)),
        }
    }
    Err(NoWay { host: host.to_owned(), tried: passed_over })
}

fn check(address: Address, outlet: &Outlet) -> Result<(), Unreachable> {
    check_kind(address, outlet)?;
    let mut source = source_towards(address, outlet)?;
    if outlet.source.is_some() {
        // An address may be sent from by another interface than its own, and the system knows by which.
        source = source_towards(address, &outlet.without_source()).unwrap_or(source);
    }
    // A host reaches its own addresses without any link.
    if source.ip() == address.ip() {
        return Ok(());
    }
    check_link(source, outlet)
}

fn check_kind(address: Address, outlet: &Outlet) -> Result<(), Unreachable> {
    let ip = address.ip();
    if ip.is_unspecified() {
        return Err(Unreachable::NotOneHost("the unspecified"));
    }
    if ip.is_multicast() {
        return Err(Unreachable::NotOneHost("a multicast"));
    }
    match ip {
        IpAddr::V4(Ipv4Addr::BROADCAST) => Err(Unreachable::NotOneHost("the broadcast")),
        IpAddr::V6(v6)
            if v6.is_unicast_link_local() && address.scope() == 0 && outlet.interface.is_none() =>
        {
            Err(Unreachable::NoInterface(ip))
        }
        _ => Ok(()),
    }
}

/// Our own address on the way to `address`; connecting a datagram socket looks up the route and sends nothing.
fn source_towards(address: Address, outlet: &Outlet) -> Result<SocketAddr, Unreachable> {
    let target = address.at(PROBE_PORT);
    let probe = outlet.socket(target, Type::DGRAM).map_err(Unreachable::Outlet)?;
    let connected = probe.connect(&target.into()).and_then(|()| probe.local_addr());
    let source = connected.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => Unreachable::Forbidden,
        _ => Unreachable::NoRoute(error),
    })?;
    source.as_socket().ok_or_else(|| Unreachable::NoRoute(io::ErrorKind::AddrNotAvailable.into()))
}

/// A route outlives the cable, so the interface that holds the source address must be fit to send.
#[cfg(unix)]
fn check_link(source: SocketAddr, outlet: &Outlet) -> Result<(), Unreachable> {
    // Where the interfaces cannot be listed there is nothing to judge by, and the packets decide.
    let links = link::list().unwrap_or_default();
    let dead = match &outlet.interface {
        Some(name) => link::state_of(&links, name).map(|state| (name.as_str(), state)),
        None => link::dead(&links, source),
    };
    match dead {
        None => Ok(()),
        Some((interface, state)) => Err(Unreachable::DeadLink { interface: interface.to_owned(), state }),
    }
}

#[cfg(not(unix))]
fn check_link(_source: SocketAddr, _outlet: &Outlet) -> Result<(), Unreachable> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        SocketAddr::new(text.parse().unwrap(), 0).into()
    }

    fn refusal(text: &str) -> String {
        choose(text, &[address(text)], &Outlet::default()).unwrap_err().to_string()
    }

    #[test]
    fn reaches_itself() {
        assert_eq!(
            choose("x", &[address("127.0.0.1")], &Outlet::default()).unwrap().address,
            address("127.0.0.1")
        );
    }

    #[test]
    fn refuses_what_is_not_one_host() {
        let reason = "address, and a knock goes to one host";
        assert_eq!(refusal("0.0.0.0"), format!("cannot knock at 0.0.0.0: this is the unspecified {reason}"));
        assert_eq!(refusal("::"), format!("cannot knock at ::: this is the unspecified {reason}"));
        assert_eq!(refusal("224.0.0.1"), format!("cannot knock at 224.0.0.1: this is a multicast {reason}"));
        assert_eq!(refusal("ff02::1"), format!("cannot knock at ff02::1: this is a multicast {reason}"));
        let broadcast = refusal("255.255.255.255");
        assert!(broadcast.ends_with(&format!("this is the broadcast {reason}")), "{broadcast}");
    }

    #[test]
    fn asks_for_the_interface_of_a_link_local_address() {
        let error = refusal("fe80::1");
        assert!(error.ends_with("a link-local address needs its interface, as in fe80::1%eth0"), "{error}");
    }

    #[test]
    fn takes_the_first_address_with_a_way_to_it() {
        let all = ["2001:db8::1", "192.0.2.1", "192.0.2.2"].map(address);
        let ipv4_only = |a: Address| {
            if a.ip().is_ipv4() {
                Ok(())
            } else {
                Err(Unreachable::NoRoute(io::ErrorKind::NetworkUnreachable.into()))
            }
        };
        let choice = choose_by("host", &all, ipv4_only).unwrap();
        assert_eq!(choice.address, all[1]);
        assert_eq!(choice.passed_over.len(), 1);
        assert_eq!(choice.passed_over[0].0, all[0]);
    }

    #[cfg(unix)]
    #[test]
    fn gives_the_reason_for_each_address() {
        let all = ["192.0.2.1", "192.0.2.2"].map(address);
        let dead = |_| Err(Unreachable::DeadLink { interface: "eth7".into(), state: LinkState::NoLink });
        assert_eq!(
            choose_by("host", &all, dead).unwrap_err().to_string(),
            "cannot knock at host: \
             192.0.2.1: the way there leaves by eth7, and eth7 has no link (is its cable plugged in?); \
             192.0.2.2: the way there leaves by eth7, and eth7 has no link (is its cable plugged in?)"
        );
    }
}
