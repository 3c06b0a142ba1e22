//! By which interface and from which address packets leave.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Socket, Type};

/// What the user has chosen of the way out; the system chooses the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlet {
    /// The name of the interface.
    pub interface: Option<String>,
    /// An address of this host.
    pub source: Option<IpAddr>,
}

/// Why nothing can leave by an outlet.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutletError {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    #[error("there is no interface `{0}` on this host")]
    NoInterface(String),
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    #[error("this system lets only root (CAP_NET_RAW) choose the interface; --source may do instead")]
    Denied,
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    #[error("on this system an interface cannot be chosen; --source may do instead")]
    Unsupported,
    #[error("{0} is no address of this host")]
    NotOurs(IpAddr),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<OutletError> for io::Error {
    fn from(error: OutletError) -> io::Error {
        match error {
            OutletError::Io(error) => error,
            other => io::Error::other(other),
        }
    }
}

impl Outlet {
    /// A socket towards `target` that sends through here.
    pub(super) fn socket(&self, target: SocketAddr, kind: Type) -> Result<Socket, OutletError> {
        let socket = Socket::new(Domain::for_address(target), kind, None)?;
        if let Some(name) = &self.interface {
            bind_interface(&socket, name, target)?;
        }
        if let Some(source) = self.source {
            socket.bind(&from(source, target).into()).map_err(|error| match error.kind() {
                io::ErrorKind::AddrNotAvailable => OutletError::NotOurs(source),
                _ => OutletError::Io(error),
            })?;
        }
        Ok(socket)
    }

    /// The same interface, from whichever address the system takes there.
    pub(super) fn without_source(&self) -> Outlet {
        Outlet { source: None, ..self.clone() }
    }
}

/// Reads the text of a source address.
pub(super) fn parse_source(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| format!("`{text}` is not an IP address"))?;
    let address = address.to_canonical();
    if address.is_unspecified() || address.is_multicast() || address == Ipv4Addr::BROADCAST {
        return Err(format!("{address} is the address of no single host"));
    }
    Ok(address)
}

/// A link-local address belongs to the interface that the target is on.
fn from(source: IpAddr, target: SocketAddr) -> SocketAddr {
    match (source, target) {
        (IpAddr::V6(ip), SocketAddr::V6(target)) if Ipv6Addr::is_unicast_link_local(&ip) => {
            SocketAddrV6::new(ip, 0, 0, target.scope_id()).into()
        }
        _ => SocketAddr::new(source, 0),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind_interface(socket: &Socket, name: &str, _target: SocketAddr) -> Result<(), OutletError> {
    socket.bind_device(Some(name.as_bytes())).map_err(|error| refused(name, error))
}

#[cfg(target_vendor = "apple")]
fn bind_interface(socket: &Socket, name: &str, target: SocketAddr) -> Result<(), OutletError> {
    let index = nix::net::if_::if_nametoindex(name).map_err(|errno| refused(name, errno.into()))?;
    let index = std::num::NonZeroU32::new(index);
    match target {
        SocketAddr::V4(_) => socket.bind_device_by_index_v4(index),
        SocketAddr::V6(_) => socket.bind_device_by_index_v6(index),
    }
    .map_err(|error| refused(name, error))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn bind_interface(_socket: &Socket, _name: &str, _target: SocketAddr) -> Result<(), OutletError> {
    Err(OutletError::Unsupported)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn refused(name: &str, error: io::Error) -> OutletError {
    use nix::errno::Errno;
    match error.raw_os_error().map(Errno::from_raw) {
        // What is longer than any interface's name is no interface's name.
        Some(Errno::ENODEV | Errno::ENXIO | Errno::EINVAL) => OutletError::NoInterface(name.to_owned()),
        Some(Errno::EPERM | Errno::EACCES) => OutletError::Denied,
        _ => OutletError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn towards(target: &str, interface: Option<&str>, source: Option<&str>) -> Result<Socket, String> {
        let outlet = Outlet {
            interface: interface.map(str::to_owned),
            source: source.map(|text| text.parse().unwrap()),
        };
        outlet.socket(target.parse().unwrap(), Type::DGRAM).map_err(|error| error.to_string())
    }

    #[test]
    fn sends_from_the_address_that_was_chosen() {
        let socket = towards("127.0.0.1:9", None, Some("127.0.0.2"));
        if cfg!(target_os = "linux") {
            let own = socket.unwrap().local_addr().unwrap().as_socket().unwrap();
            assert_eq!(own.ip().to_string(), "127.0.0.2");
        }
        let error = towards("127.0.0.1:9", None, Some("192.0.2.77")).unwrap_err();
        assert_eq!(error, "192.0.2.77 is no address of this host");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_the_interface_that_is_none() {
        for name in ["nosuch7", "a-name-that-is-too-long-for-any"] {
            let error = towards("127.0.0.1:9", Some(name), None).unwrap_err();
            assert_eq!(error, format!("there is no interface `{name}` on this host"));
        }
        let denied = refused("eth0", nix::errno::Errno::EPERM.into());
        assert!(matches!(denied, OutletError::Denied));
    }

    #[test]
    fn reads_the_address_of_one_host() {
        assert_eq!(parse_source("::ffff:192.0.2.1"), Ok(Ipv4Addr::new(192, 0, 2, 1).into()));
        assert_eq!(parse_source("eth0"), Err("`eth0` is not an IP address".to_owned()));
        for none in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"] {
            assert_eq!(parse_source(none), Err(format!("{none} is the address of no single host")));
        }
    }
}
