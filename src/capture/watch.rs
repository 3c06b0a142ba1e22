//! The capture loop: waits for packets, orders and deadlines, and feeds the tracker.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, SystemTime};

use log::error;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use super::live::{Arrived, Feed};
use crate::clock::Clock;
use crate::message::{Order, Report, Traffic};
use crate::moment::Moment;
use crate::packet::Hit;
use crate::quota::Quota;
use crate::track::{Here, Tracker};

/// How long packets gather once one has come.
///
/// A lone packet is judged at once; of a flood, each wake-up then takes what has come in this time, since being woken
/// costs ten times what judging a packet does.
const GATHER: Duration = Duration::from_millis(1);

/// The longest that a packet may have waited to be seen.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a [`Watch`] can be told.
pub enum Control {
    /// What to match.
    Order(Order),
    /// Which addresses the host has now.
    Here(Here),
    /// To capture from these interfaces in place of those before.
    Listen(Vec<Feed>),
}

/// Gives orders to a [`Watch`], and wakes it to read them.
#[derive(Clone)]
pub struct OrderSender {
    orders: Sender<Control>,
    bell: Arc<OwnedFd>,
}

impl OrderSender {
    /// Sends one order; to a watch that has ended it means nothing.
    pub fn send(&self, control: Control) {
        if self.orders.send(control).is_ok() {
            let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
        }
    }
}

/// The capture side: feeds and tracker, which know no pads, files or commands.
pub struct Watch {
    feeds: Vec<Feed>,
    tracker: Tracker,
    clock: Clock,
    /// When the latest hit arrived.
    latest: Moment,
    quota: Quota,
    orders: Receiver<Control>,
    bell: Arc<OwnedFd>,
}

impl Watch {
    /// A watch over these feeds, and the sender of its orders.
    pub fn new(feeds: Vec<Feed>, tracker: Tracker, clock: Clock) -> io::Result<(Watch, OrderSender)> {
        let (sender, orders) = mpsc::channel();
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let order_sender = OrderSender { orders: sender, bell: Arc::clone(&bell) };
        let latest = clock.now();
        let quota = Quota::for_strangers(latest);
        Ok((Watch { feeds, tracker, clock, latest, quota, orders, bell }, order_sender))
    }

    /// Watches until it is told to stop, or until no interface is left to watch.
    pub fn run(mut self, mut report: impl FnMut(Report)) {
        let mut reports = Vec::new();
        while self.obey() && !self.feeds.is_empty() {
            let arrived = self.take_hits(&mut reports);
            if arrived != Arrived::FullBatch {
                // Only now is it certain that no hit which was in time is still to be seen.
                self.tracker.expire(self.clock.now(), &mut reports);
            }
            let now = self.clock.now();
            let quota = &mut self.quota;
            reports.drain(..).filter(|r| !r.is_for_the_log() || quota.allows(now)).for_each(&mut report);
            if let Some(count) = quota.settle(now) {
                report(Report::LeftOut { count });
            }
            match arrived {
                Arrived::FullBatch => {}
                Arrived::Some => thread::sleep(GATHER),
                Arrived::Nothing => {
                    if let Err(error) = self.wait() {
                        error!("waiting for packets failed: {error}");
                        return;
                    }
                }
            }
        }
    }

    /// Carries out the orders that have come; `false` when one of them is to stop.
    pub fn obey(&mut self) -> bool {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell, &mut count);
        while let Ok(control) = self.orders.try_recv() {
            match control {
                Control::Order(Order::Adopt(plan)) => {
                    self.watch(&plan.traffic);
                    self.tracker.adopt(plan);
                }
                Control::Order(Order::Arm(slot)) => self.tracker.arm(slot),
                Control::Order(Order::Disarm(slot)) => self.tracker.disarm(slot),
                Control::Order(Order::Watch(traffic)) => self.watch(&traffic),
                Control::Order(Order::Stop) => return false,
                Control::Here(here) => self.tracker.set_here(here),
                Control::Listen(feeds) => self.feeds = feeds,
            }
        }
        true
    }

    fn watch(&mut self, traffic: &Traffic) {
        for feed in &mut self.feeds {
            if let Err(error) = feed.watch(traffic) {
                error!("{}: the capture filter cannot be changed: {error}", feed.name());
            }
        }
    }

    /// Judges one batch of packets of each feed; how much the busiest has brought.
    fn take_hits(&mut self, reports: &mut Vec<Report>) -> Arrived {
        let mut most = Arrived::Nothing;
        let clock = self.clock;
        let read_clocks = || (clock.now(), SystemTime::now());
        let mut clocks = read_clocks();
        let (tracker, latest) = (&mut self.tracker, &mut self.latest);
        let mut take = |hit: &Hit, at: SystemTime| {
            *latest = arrival(at, &mut clocks, read_clocks).max(*latest);
            tracker.hit(hit, *latest, reports);
        };
        self.feeds.retain_mut(|feed| match feed.hits(&mut take) {
            Ok(arrived) => {
                most = most.max(arrived);
                true
            }
            Err(error) => {
                error!("{}: capturing has failed: {error}", feed.name());
                false
            }
        });
        most
    }

    /// Sleeps until a packet, an order or a deadline comes.
    fn wait(&self) -> io::Result<()> {
        let now = self.clock.now();
        let deadlines = [self.tracker.next_deadline(), self.quota.next_deadline()];
        let wait = deadlines.into_iter().flatten().min().map(|deadline| deadline.wait_from(now));
        let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut fds: Vec<PollFd<'_>> =
            self.feeds.iter().map(|feed| PollFd::new(feed, PollFlags::IN)).collect();
        let bell = self.bell.as_fd();
        fds.push(PollFd::from_borrowed_fd(bell, PollFlags::IN));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// When a packet arrived, by the clock that never goes backwards: a daemon that had to wait for its turn judges packets
/// by when they came, not by when it sees them.
///
/// `clocks` is what both clocks said lately; they are read again for a packet that came since, which may be long ago if
/// the daemon was held up in between.  A difference that no waiting explains comes from a time of day that was changed
/// meanwhile, and is passed over.
fn arrival(
    at: SystemTime,
    clocks: &mut (Moment, SystemTime),
    read_clocks: impl Fn() -> (Moment, SystemTime),
) -> Moment {
    if at > clocks.1 {
        *clocks = read_clocks();
    }
    let (now, time_of_day) = *clocks;
    let age = time_of_day.duration_since(at).unwrap_or_default();
    if age > LONGEST_WAIT { now } else { now.back(age) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Moment {
        Moment::after_start(Duration::from_secs(second))
    }

    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
    }

    #[test]
    fn a_packet_counts_from_when_it_came() {
        let now = at(100);
        let moment_of = |when| arrival(when, &mut (now, noon()), || (now, noon()));
        let came = |age| moment_of(noon() - Duration::from_secs(age));
        assert_eq!(came(0), now);
        assert_eq!(came(7), at(93));
        assert_eq!(came(3600), now, "the time of day was set forward");
        assert_eq!(moment_of(noon() + Duration::from_secs(3600)), now, "it was set back");
    }

    #[test]
    fn a_packet_that_came_since_the_clocks_were_read_counts_from_when_it_came() {
        let later = |seconds| (at(100 + seconds), noon() + Duration::from_secs(seconds));
        let mut clocks = later(0);
        let mut came = |second| arrival(noon() + Duration::from_secs(second), &mut clocks, || later(30));
        assert_eq!([came(0), came(10), came(25)], [at(100), at(110), at(125)]);
    }
}
