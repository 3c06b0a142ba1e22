//! The capture loop: waits for packets, orders and deadlines, and feeds the tracker.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use log::error;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use super::live::{Arrived, Feed};
use crate::clock::Clock;
use crate::message::{Order, Report, Traffic};
use crate::track::{Here, Tracker};

/// How long packets gather once one has come.
///
/// A lone packet is judged at once; of a flood, each wake-up then takes what has come in this time, since being woken
/// costs ten times what judging a packet does.
const GATHER: Duration = Duration::from_millis(1);

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
    orders: Receiver<Control>,
    bell: Arc<OwnedFd>,
}

impl Watch {
    /// A watch over these feeds, and the sender of its orders.
    pub fn new(feeds: Vec<Feed>, tracker: Tracker, clock: Clock) -> io::Result<(Watch, OrderSender)> {
        let (sender, orders) = mpsc::channel();
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let order_sender = OrderSender { orders: sender, bell: Arc::clone(&bell) };
        Ok((Watch { feeds, tracker, clock, orders, bell }, order_sender))
    }

    /// Watches until it is told to stop, or until no interface is left to watch.
    pub fn run(mut self, mut report: impl FnMut(Report)) {
        let mut reports = Vec::new();
        while self.obey() && !self.feeds.is_empty() {
            let arrived = self.take_hits(&mut reports);
            self.tracker.expire(self.clock.now(), &mut reports);
            reports.drain(..).for_each(&mut report);
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
        let now = self.clock.now();
        let tracker = &mut self.tracker;
        self.feeds.retain_mut(|feed| match feed.hits(|hit| tracker.hit(hit, now, reports)) {
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
        let wait = self.tracker.next_deadline().map(|deadline| deadline.wait_from(now));
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
