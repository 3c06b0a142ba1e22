//! One interface, opened for capture.

use std::os::fd::{AsFd, BorrowedFd};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use pcap::{Active, Capture};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::thread::{CapabilitySet, capabilities};

use super::filter;
use crate::message::Traffic;
use crate::packet::{Hit, LinkLayer, SNAP_LENGTH, decode};

/// How long the kernel gathers packets before it hands them over, in milliseconds.  Longer delays the last hit of a
/// knock; 0 would lose packets, and immediate mode costs a wake-up for each of them.
const GATHER_MS: i32 = 1;

/// The size of the capture ring in bytes, which counts as memory.
const RING: i32 = 1 << 20;

/// The most packets that are handled before the loop looks at anything else.
const BATCH: usize = 64;

/// An interface from which hits come.
pub struct Feed {
    capture: Capture<Active>,
    link: LinkLayer,
    by_loopback: bool,
    name: String,
}

/// Why an interface cannot be captured from.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no interface of this name.
    #[error("there is no interface {name}; this host has {}", .known.join(", "))]
    NoSuchInterface {
        /// The name that was asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// It is there, but down.
    #[error("interface {name} is down; `ip link set {name} up` brings it up")]
    Down {
        /// Its name.
        name: String,
    },
    /// The daemon may not capture.
    #[error(
        "capturing on {name} needs the capability CAP_NET_RAW; start knockd as root, or give it with \
         `setcap cap_net_raw+ep` on the program or AmbientCapabilities=CAP_NET_RAW in its systemd unit"
    )]
    Privilege {
        /// The interface.
        name: String,
    },
    /// Its frames have a link layer that is not decoded.
    #[error("interface {name} has link type {link}, which knockd does not know")]
    LinkType {
        /// The interface.
        name: String,
        /// libpcap's name for its link type.
        link: String,
    },
    /// Anything else that libpcap reports.
    #[error("capturing on {name}: {error}")]
    Capture {
        /// The interface.
        name: String,
        /// What libpcap says.
        error: pcap::Error,
    },
}

impl Feed {
    /// Opens the interface for this traffic.
    pub fn open(name: &str, traffic: &Traffic) -> Result<Feed, OpenError> {
        let snap_length = i32::try_from(SNAP_LENGTH).unwrap_or(i32::MAX);
        let opened = Capture::from_device(name).and_then(|inactive| {
            let inactive = inactive.snaplen(snap_length).timeout(GATHER_MS).buffer_size(RING).promisc(false);
            inactive.open()?.setnonblock()
        });
        let capture = opened.map_err(|error| explain(name, error))?;
        let fail = |error| OpenError::Capture { name: name.to_owned(), error };
        // libpcap opens its socket without close-on-exec; no command is to inherit a view of the wire.
        fcntl_setfd(&capture, FdFlags::CLOEXEC)
            .map_err(|errno| fail(pcap::Error::IoError(std::io::Error::from(errno).kind())))?;
        let link_type = capture.get_datalink();
        let Some(link) = LinkLayer::from_pcap(link_type.0) else {
            let link = link_type.get_name().unwrap_or_else(|_| link_type.0.to_string());
            return Err(OpenError::LinkType { name: name.to_owned(), link });
        };
        let mut feed = Feed { capture, link, by_loopback: is_loopback(name), name: name.to_owned() };
        feed.watch(traffic).map_err(fail)?;
        Ok(feed)
    }

    /// Sees this traffic from now on.
    pub(super) fn watch(&mut self, traffic: &Traffic) -> Result<(), pcap::Error> {
        self.capture.filter(&filter::expression(traffic), true)
    }

    /// Hands over the hits that have arrived, up to a batch of packets; whether there may be more.
    pub(super) fn hits(&mut self, mut take: impl FnMut(&Hit)) -> Result<bool, pcap::Error> {
        let link = self.link;
        let handled = self.capture.dispatch(Some(BATCH), |packet| {
            if let Some(hit) = decode(link, packet.data) {
                take(&hit);
            }
        })?;
        Ok(handled == BATCH)
    }

    /// Whether this is the loopback interface, where our own addresses may knock.
    pub(super) fn by_loopback(&self) -> bool {
        self.by_loopback
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl AsFd for Feed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

fn explain(name: &str, error: pcap::Error) -> OpenError {
    let name = name.to_owned();
    let interfaces = interfaces();
    let flags = interfaces.iter().find(|(known, _)| *known == name).map(|(_, flags)| *flags);
    let may_capture = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_RAW));
    match flags {
        None if name != "any" && !interfaces.is_empty() => {
            let known = interfaces.into_iter().map(|(name, _)| name).collect();
            OpenError::NoSuchInterface { name, known }
        }
        _ if !may_capture => OpenError::Privilege { name },
        Some(flags) if !flags.contains(InterfaceFlags::IFF_UP) => OpenError::Down { name },
        _ => OpenError::Capture { name, error },
    }
}

fn is_loopback(name: &str) -> bool {
    interfaces().iter().any(|(known, flags)| known == name && flags.contains(InterfaceFlags::IFF_LOOPBACK))
}

/// Every interface with its flags, each once.
fn interfaces() -> Vec<(String, InterfaceFlags)> {
    let Ok(addresses) = getifaddrs() else { return Vec::new() };
    let mut interfaces: Vec<(String, InterfaceFlags)> = Vec::new();
    for address in addresses {
        if !interfaces.iter().any(|(name, _)| *name == address.interface_name) {
            interfaces.push((address.interface_name, address.flags));
        }
    }
    interfaces
}
