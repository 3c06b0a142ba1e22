//! One interface, opened for capture.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use pcap::{Active, Capture};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::thread::{CapabilitySet, capabilities};

use super::filter;
use crate::message::{Families, Traffic};
use crate::packet::{Hit, LinkLayer, SNAP_LENGTH, decode};

/// The size of the capture ring in bytes, which counts as memory.
///
/// In immediate mode every packet has a small place of its own in it, thousands in all.  Otherwise libpcap makes
/// blocks of 256 KiB that each close after the gathering time, so that four lone packets would fill this ring while
/// the daemon waits for its turn on a busy machine, and the rest of a knock would be lost.
const RING: i32 = 1 << 20;

/// The most packets that are handled before the loop looks at anything else.
const BATCH: usize = 64;

/// An interface from which hits come.
pub struct Feed {
    capture: Capture<Active>,
    link: LinkLayer,
    by_loopback: bool,
    families: Families,
    filter: Option<String>,
    name: String,
}

/// How much one look at a feed has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Arrived {
    /// No packet.
    Nothing,
    /// All there was.
    Some,
    /// As much as one look takes; there may be more.
    FullBatch,
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
    /// Opens the interface; it sees nothing until [`Control::Order`](super::Control::Order) says what there is to see.
    pub fn open(name: &str, families: Families) -> Result<Feed, OpenError> {
        let snap_length = i32::try_from(SNAP_LENGTH).unwrap_or(i32::MAX);
        let opened = Capture::from_device(name).and_then(|inactive| {
            let inactive =
                inactive.snaplen(snap_length).immediate_mode(true).buffer_size(RING).promisc(false);
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
        let by_loopback = is_loopback(name);
        let mut feed = Feed { capture, link, by_loopback, families, filter: None, name: name.to_owned() };
        feed.watch(&Traffic::default()).map_err(fail)?;
        Ok(feed)
    }

    /// Sees this traffic from now on.  Setting a filter can lose packets, so one that stays is left alone.
    pub(super) fn watch(&mut self, traffic: &Traffic) -> Result<(), pcap::Error> {
        let expression = filter::expression(traffic, self.families);
        if self.filter.as_ref() != Some(&expression) {
            self.capture.filter(&expression, true)?;
            self.filter = Some(expression);
        }
        Ok(())
    }

    /// Hands over the hits that have arrived, up to a batch of packets, each with the time of day of its arrival.
    pub(super) fn hits(&mut self, mut take: impl FnMut(&Hit, SystemTime)) -> Result<Arrived, pcap::Error> {
        let (link, by_loopback) = (self.link, self.by_loopback);
        let handled = self.capture.dispatch(Some(BATCH), |packet| {
            if let Some(hit) = decode(link, packet.data) {
                let hit = Hit { by_loopback: by_loopback || hit.by_loopback, ..hit };
                take(&hit, time_of_day(packet.header.ts.tv_sec, packet.header.ts.tv_usec));
            }
        })?;
        Ok(match handled {
            0 => Arrived::Nothing,
            BATCH => Arrived::FullBatch,
            _ => Arrived::Some,
        })
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

/// The time that these seconds and microseconds since 1970 mean; none in a packet is before that.
fn time_of_day(seconds: impl TryInto<u64>, microseconds: impl TryInto<u64>) -> SystemTime {
    let seconds = Duration::from_secs(seconds.try_into().unwrap_or(0));
    SystemTime::UNIX_EPOCH + seconds + Duration::from_micros(microseconds.try_into().unwrap_or(0))
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
