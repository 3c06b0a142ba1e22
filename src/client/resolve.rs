//! From the name that was typed to the addresses that it stands for.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs};

/// Which kind of address will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Either; the system's order decides.
    Any,
    /// One of each, as far as the host has them.
    Both,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    pub(super) fn takes(self, address: Address) -> bool {
        match self {
            Family::Any | Family::Both => true,
            Family::V4 => address.ip().is_ipv4(),
            Family::V6 => address.ip().is_ipv6(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Any => "IP",
            Family::Both => "IPv4 and IPv6",
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// An address of a host, together with the interface that a link-local one belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    ip: IpAddr,
    /// Interface index (RFC 4007 zone), 0 where there is none.
    scope: u32,
}

impl Address {
    /// The numeric address alone.
    pub(super) fn ip(self) -> IpAddr {
        self.ip
    }

    /// Index of the interface that a link-local address belongs to, 0 where none was named.
    pub(super) fn scope(self) -> u32 {
        self.scope
    }

    /// The socket address of `port` there.
    pub(super) fn at(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V4(ip) => SocketAddrV4::new(ip, port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.scope).into(),
        }
    }
}

/// An IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`) is taken for what the packets will be.
impl From<SocketAddr> for Address {
    fn from(socket: SocketAddr) -> Address {
        let scope = match socket {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(v6) => v6.scope_id(),
        };
        Address { ip: socket.ip().to_canonical(), scope }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ip)?;
        match self.scope {
            0 => Ok(()),
            scope => write!(f, "%{}", interface_name(scope).unwrap_or_else(|| scope.to_string())),
        }
    }
}

#[cfg(unix)]
fn interface_name(index: u32) -> Option<String> {
    nix::net::if_::if_indextoname(index).ok()?.into_string().ok()
}

#[cfg(not(unix))]
fn interface_name(_index: u32) -> Option<String> {
    None
}

/// Why a host has no address that would do.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    #[error("cannot find the address of `{host}`: {reason}")]
    Unknown { host: String, reason: io::Error },
    #[error("`{host}` has no {family} address, only {others}")]
    Family { host: String, family: Family, others: String },
}

/// The addresses of `host` that `family` allows, in the system's order; at least one.
pub(super) fn resolve(host: &str, family: Family) -> Result<Vec<Address>, ResolveError> {
    let unknown = |reason| ResolveError::Unknown { host: host.to_owned(), reason };
    let sockets = (unbracketed(host), 0).to_socket_addrs().map_err(unknown)?;
    let mut all: Vec<Address> = Vec::new();
    for address in sockets.map(Address::from) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    if all.is_empty() {
        return Err(unknown(io::ErrorKind::NotFound.into()));
    }
    let fitting: Vec<Address> = all.iter().copied().filter(|&address| family.takes(address)).collect();
    if fitting.is_empty() {
        let others = all.iter().map(Address::to_string).collect::<Vec<_>>().join(", ");
        return Err(ResolveError::Family { host: host.to_owned(), family, others });
    }
    Ok(fitting)
}

/// Whether `host` is an address rather than a name that stands for one.
pub(super) fn is_numeric(host: &str) -> bool {
    let host = unbracketed(host);
    let without_zone = host.split_once('%').map_or(host, |(address, _)| address);
    host.parse::<IpAddr>().is_ok() || without_zone.parse::<Ipv6Addr>().is_ok()
}

/// `[2001:db8::1]`, as in a URL, means the address inside.
fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(host: &str, family: Family) -> Vec<String> {
        resolve(host, family).unwrap().iter().map(Address::to_string).collect()
    }

    #[test]
    fn reads_addresses_of_both_families() {
        assert_eq!(found("192.0.2.1", Family::Any), ["192.0.2.1"]);
        assert_eq!(found("2001:db8::1", Family::V6), ["2001:db8::1"]);
        assert_eq!(found("[2001:db8::1]", Family::Any), ["2001:db8::1"]);
        assert_eq!(found("::ffff:192.0.2.1", Family::V4), ["192.0.2.1"]);
    }

    #[test]
    fn names_what_there_is_when_the_family_does_not_fit() {
        let error = resolve("192.0.2.1", Family::V6).unwrap_err();
        assert_eq!(error.to_string(), "`192.0.2.1` has no IPv6 address, only 192.0.2.1");
        let error = resolve("2001:db8::1", Family::V4).unwrap_err();
        assert_eq!(error.to_string(), "`2001:db8::1` has no IPv4 address, only 2001:db8::1");
    }

    #[test]
    fn names_the_host_that_has_no_address() {
        let error = resolve("nosuch.invalid", Family::Any).unwrap_err().to_string();
        assert!(error.starts_with("cannot find the address of `nosuch.invalid`: "), "{error}");
    }

    #[test]
    fn tells_addresses_from_names() {
        for address in ["192.0.2.1", "2001:db8::1", "[::1]", "fe80::1%eth0"] {
            assert!(is_numeric(address), "{address}");
        }
        for name in ["server.example", "localhost", "127.1", "192.0.2.1%eth0"] {
            assert!(!is_numeric(name), "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn keeps_the_interface_of_a_link_local_address() {
        let address = resolve("fe80::1%lo", Family::Any).unwrap()[0];
        assert_eq!((address.scope(), address.to_string().as_str()), (1, "fe80::1%lo"));
        assert_eq!(address.at(7000).to_string(), "[fe80::1%1]:7000");
    }
}
