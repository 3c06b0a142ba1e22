//! One interface, opened for capture.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::sys::socket::{SockaddrStorage, getsockname};
use pcap::{Active, Capture};
use rustix::io::Errno;

use super::filter;
use super::time_of_day::TimeOfDay;
use crate::message::{Families, Traffic};
use crate::packet::{Hit, LinkLayer, SNAP_LENGTH, decode};
use crate::supervisor::Host;
use crate::wire::Loss;

/// The size of all capture rings together in bytes, which count as memory.
///
/// In immediate mode every packet has a small place of its own in it, thousands in all.  Otherwise libpcap makes
/// blocks of 256 KiB that each close after the gathering time, so that four lone packets would fill this ring while
/// the daemon waits for its turn on a busy machine, and the rest of a knock would be lost.
pub const RINGS: usize = 1 << 20;

/// The smallest ring, however many interfaces there are; it holds some hundreds of packets.
const SMALLEST_RING: usize = 256 << 10;

/// The most packets that are handled before the loop looks at anything else: about a tenth of a millisecond's work.
pub const BATCH: usize = 512;

/// An interface from which hits come.
pub(super) struct Feed {
    capture: Capture<Active>,
    link: LinkLayer,
    by_loopback: bool,
    families: Families,
    filter: Option<String>,
    number: u32,
    /// The kernel's number for the interface, 0 for all of them.
    index: u32,
    /// What poll(2) has reported of it.
    alarms: Alarms,
    /// What libpcap has reported.
    errors: Alarms,
    /// How many packets were dropped, as libpcap counts them, when that was asked last.
    dropped: u32,
}

/// How often in a row an error of a handle has been reported.
#[derive(Default)]
struct Alarms(u8);

impl Alarms {
    /// The most reports before the handle is given up; an interface that goes down or away makes one or two.
    const MOST: u8 = 16;

    /// Notes whether there is a report; `false` when they do not end.
    fn pass(&mut self, alarm: bool) -> bool {
        self.0 = if alarm { self.0.saturating_add(1) } else { 0 };
        self.0 < Self::MOST
    }
}

/// How much one look at a feed has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Arrived {
    /// No packet.
    Nothing,
    /// All there was: so many.
    Some(usize),
    /// As much as one look takes; there may be more.
    FullBatch,
}

impl Arrived {
    /// How many packets that is.
    pub(super) fn packets(self) -> usize {
        match self {
            Arrived::Nothing => 0,
            Arrived::Some(packets) => packets,
            Arrived::FullBatch => BATCH,
        }
    }
}

/// Why an interface cannot be captured from.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
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

impl OpenError {
    /// Whether waiting does not help.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            OpenError::LinkType { .. } => true,
            OpenError::Capture { .. } => false,
        }
    }
}

impl Feed {
    /// Opens the interface, one of `among` so many; it sees nothing until [`Feed::watch`] says what there is to see.
    pub(super) fn open(number: u32, name: &str, families: Families, among: usize) -> Result<Feed, OpenError> {
        let size = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
        let fail = |error| OpenError::Capture { name: name.to_owned(), error };
        let opened = Capture::from_device(name).and_then(|inactive| {
            let inactive = inactive.snaplen(size(SNAP_LENGTH)).buffer_size(size(ring(among)));
            inactive.immediate_mode(true).promisc(false).open()?.setnonblock()
        });
        let capture = opened.map_err(fail)?;
        let index = bound_to(&capture).ok_or_else(|| fail(failed_call(Errno::NODEV)))?;
        let link_type = capture.get_datalink();
        let Some(link) = LinkLayer::from_pcap(link_type.0) else {
            let link = link_type.get_name().unwrap_or_else(|_| link_type.0.to_string());
            return Err(OpenError::LinkType { name: name.to_owned(), link });
        };
        let mut feed = Feed {
            capture,
            link,
            by_loopback: is_loopback(name),
            families,
            filter: None,
            number,
            index,
            alarms: Alarms::default(),
            errors: Alarms::default(),
            dropped: 0,
        };
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
    pub(super) fn hits(&mut self, mut take: impl FnMut(&Hit, TimeOfDay)) -> Result<Arrived, Loss> {
        let (link, by_loopback) = (self.link, self.by_loopback);
        let dispatched = self.capture.dispatch(Some(BATCH), |packet| {
            if let Some(hit) = decode(link, packet.data) {
                let hit = Hit { by_loopback: by_loopback || hit.by_loopback, ..hit };
                take(&hit, TimeOfDay::of_packet(packet.header.ts.tv_sec, packet.header.ts.tv_usec));
            }
        });
        let Ok(handled) = dispatched else {
            // The kernel reports an interface that is being deleted some time before it takes it from its handles.
            // Until then it is not to be opened anew, and what is lost cannot be told from one that is broken.
            let goes_on = self.errors.pass(true);
            return if goes_on && self.is_bound() {
                Ok(Arrived::Nothing)
            } else {
                Err(self.loss(Loss::Failed))
            };
        };
        self.errors.pass(false);
        if handled > 0 {
            self.alarms.pass(false);
        }
        Ok(match handled {
            0 => Arrived::Nothing,
            BATCH => Arrived::FullBatch,
            handled => Arrived::Some(handled),
        })
    }

    /// Notes whether the kernel reports an error of the handle; `false` when that does not end, so that waiting for
    /// packets would return at once for ever.
    pub(super) fn survives(&mut self, alarm: bool) -> bool {
        self.alarms.pass(alarm)
    }

    /// How many packets the kernel has had no place for since this was asked last.
    pub(super) fn take_dropped(&mut self) -> u64 {
        // Of a handle that has lost its interface nothing more is to be had.
        let Ok(counted) = self.capture.stats() else { return 0 };
        let before = std::mem::replace(&mut self.dropped, counted.dropped);
        counted.dropped.wrapping_sub(before).into()
    }

    /// The number that the executor has given it.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The kernel's number for the interface that was opened, 0 for all of them.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Why it is lost for which libpcap or the kernel reports this: one that has lost its interface needs no pause before
    /// the one that has taken its place is opened, which may look the same from outside.
    pub(super) fn loss(&self, reported: Loss) -> Loss {
        if self.is_bound() { reported } else { Loss::Gone }
    }

    /// Whether it still has the interface that was opened.
    ///
    /// libpcap does not report when that one is deleted, and another one may have its name and even its number by then.
    pub(super) fn is_bound(&self) -> bool {
        bound_to(&self.capture) == Some(self.index)
    }
}

/// The kernel's number for the interface that a handle is bound to, 0 for all of them; nothing once it is gone.
fn bound_to(capture: &Capture<Active>) -> Option<u32> {
    // Not as a `LinkAddr`: the kernel's answer is shorter than that by the bytes that an Ethernet address leaves over.
    let address: SockaddrStorage = getsockname(capture.as_raw_fd()).ok()?;
    // Of a handle without its interface, the number is -1.
    u32::try_from(address.as_link_addr()?.ifindex()).ok().filter(|index| *index != u32::MAX)
}

fn is_loopback(name: &str) -> bool {
    Host::look().is_ok_and(|host| host.is_loopback(name))
}

impl AsFd for Feed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

/// The size of the ring of one of so many interfaces, in bytes.
fn ring(among: usize) -> usize {
    (RINGS / among.max(1)).max(SMALLEST_RING)
}

fn failed_call(errno: Errno) -> pcap::Error {
    pcap::Error::IoError(std::io::Error::from(errno).kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_without_end_give_a_handle_up() {
        let mut alarms = Alarms::default();
        for _ in 0..100 {
            assert!(alarms.pass(true) && alarms.pass(false));
        }
        let passed = (0..100).take_while(|_| alarms.pass(true)).count();
        assert_eq!(passed, usize::from(Alarms::MOST) - 1);
    }

    #[test]
    fn rings_share_a_megabyte_but_none_is_tiny() {
        assert_eq!([1, 2, 4, 5, 64].map(ring), [1 << 20, 1 << 19, 1 << 18, 1 << 18, 1 << 18]);
    }
}
