//! The interfaces and addresses that this host has now, and word of any change to them.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use super::interfaces::Present;

/// libpcap's name for all interfaces at once.
pub(super) const ANY: &str = "any";

/// The groups of rtnetlink(7) that tell of interfaces and of IPv4 and IPv6 addresses (`RTMGRP_LINK`,
/// `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV6_IFADDR`).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// What the host looked like at one moment.
pub(crate) struct Host {
    /// Every IPv4 and IPv6 address of every interface.
    pub(super) addresses: HashSet<IpAddr>,
    links: Vec<Link>,
}

struct Link {
    name: String,
    index: u32,
    flags: InterfaceFlags,
}

impl Host {
    /// Looks at the host (getifaddrs(3)).
    pub(crate) fn look() -> io::Result<Host> {
        let mut host = Host { addresses: HashSet::new(), links: Vec::new() };
        for entry in getifaddrs()? {
            let address = entry.address.as_ref();
            if let Some(v4) = address.and_then(|address| address.as_sockaddr_in()) {
                host.addresses.insert(IpAddr::V4(v4.ip()));
            } else if let Some(v6) = address.and_then(|address| address.as_sockaddr_in6()) {
                host.addresses.insert(IpAddr::V6(v6.ip()));
            } else {
                // The entry of the interface itself; one without link addresses (tun) comes without its number.
                let number =
                    address.and_then(|address| u32::try_from(address.as_link_addr()?.ifindex()).ok());
                let Some(index) = number.or_else(|| if_nametoindex(entry.interface_name.as_str()).ok())
                else {
                    continue;
                };
                host.links.push(Link { name: entry.interface_name, index, flags: entry.flags });
            }
        }
        Ok(host)
    }

    /// The interface of this name, if there is one now.
    pub(super) fn find(&self, name: &str) -> Option<Present> {
        if name == ANY {
            return Some(Present { index: 0, up: true });
        }
        let link = self.link(name)?;
        Some(Present { index: link.index, up: link.flags.contains(InterfaceFlags::IFF_UP) })
    }

    /// Whether it is a loopback interface.
    pub(crate) fn is_loopback(&self, name: &str) -> bool {
        self.link(name).is_some_and(|link| link.flags.contains(InterfaceFlags::IFF_LOOPBACK))
    }

    /// The names of all interfaces, for a message.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.links.iter().map(|link| link.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// The kernel knows an interface also by its alternative names, and by labels such as `eth0:1`.
    fn link(&self, name: &str) -> Option<&Link> {
        let named = self.links.iter().find(|link| link.name == name);
        named.or_else(|| {
            let index = if_nametoindex(name).ok()?;
            self.links.iter().find(|link| link.index == index)
        })
    }
}

/// Readable when an interface or an address has come, gone or changed.
///
/// What has changed is not read out of the messages: the host is looked at again, so that a message which was lost
/// because too many came at once makes no difference.
pub(super) struct Changes(OwnedFd);

impl Changes {
    /// Begins to listen to the kernel.
    pub(super) fn subscribe() -> io::Result<Changes> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        Ok(Changes(socket))
    }

    /// Throws away what the kernel has said.
    pub(super) fn drain(&self) -> io::Result<()> {
        let mut buffer = [0; 8192];
        loop {
            match recv(&self.0, &mut buffer[..], RecvFlags::empty()) {
                // `NOBUFS` says once that messages were lost.
                Ok(_) | Err(Errno::INTR | Errno::NOBUFS) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_with_its_addresses() {
        let host = Host::look().unwrap();
        let lo = host.find("lo").unwrap();
        assert_eq!(lo.index, if_nametoindex("lo").unwrap());
        assert!(host.is_loopback("lo") && host.names().contains("lo"));
        assert!(!lo.up || host.addresses.contains(&"127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn any_is_always_there_and_nonsense_never() {
        let host = Host::look().unwrap();
        assert_eq!(host.find(ANY), Some(Present { index: 0, up: true }));
        assert!(!host.is_loopback(ANY));
        assert_eq!(host.find("nosuch7"), None);
    }

    #[test]
    fn nothing_is_said_while_nothing_changes() {
        let changes = Changes::subscribe().unwrap();
        changes.drain().unwrap();
    }
}
