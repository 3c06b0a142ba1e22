//! The capture loop: waits for packets, orders and deadlines, and feeds the tracker.

use std::io;
use std::thread;
use std::time::{Duration, SystemTime};

use log::info;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::live::{Arrived, Feed};
use super::post::{Inbox, Post, post};
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

/// How long nothing is done when waiting is impossible.
const BREATHER: Duration = Duration::from_millis(100);

/// What a [`Watch`] can be told.
pub enum Control {
    /// What to match.
    Order(Order),
    /// Which addresses the host has now.
    Here(Here),
    /// To capture from this interface, too.
    Listen {
        /// The interface.
        feed: Feed,
        /// Its number in [`Control::Close`] and [`Loss`].
        number: FeedNumber,
        /// Whether the log is told.
        say: bool,
    },
    /// To hand this feed back.
    Close(FeedNumber),
}

/// A number for one opened interface, never used twice.
pub type FeedNumber = u64;

/// A feed that is captured from no more; whoever gets it may take the time to close it.
pub struct Loss {
    /// Which one.
    pub(super) number: FeedNumber,
    /// Its interface.
    pub(super) feed: Feed,
    /// What went wrong; nothing when it was asked for.
    pub(super) error: Option<String>,
}

/// Gives orders to a [`Watch`], and wakes it to read them.
pub type OrderSender = Post<Control>;

/// The capture side: feeds and tracker, which know no pads, files or commands.
pub struct Watch {
    feeds: Vec<(FeedNumber, Feed)>,
    traffic: Traffic,
    tracker: Tracker,
    clock: Clock,
    /// When the latest hit arrived.
    latest: Moment,
    quota: Quota,
    orders: Inbox<Control>,
    /// Takes the feeds that are captured from no more.
    losses: Box<dyn Fn(Loss) + Send>,
}

impl Watch {
    /// A watch that listens nowhere yet, and the sender of its orders.
    pub(super) fn new(
        tracker: Tracker,
        clock: Clock,
        losses: impl Fn(Loss) + Send + 'static,
    ) -> io::Result<(Watch, OrderSender)> {
        let (sender, orders) = post()?;
        let latest = clock.now();
        let (feeds, traffic, quota) = (Vec::new(), Traffic::default(), Quota::for_strangers(latest));
        let losses = Box::new(losses);
        Ok((Watch { feeds, traffic, tracker, clock, latest, quota, orders, losses }, sender))
    }

    /// Watches until it is told to stop.
    pub fn run(mut self, mut report: impl FnMut(Report)) {
        let mut reports = Vec::new();
        while self.obey() {
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
                Arrived::Nothing => self.wait(),
            }
        }
    }

    /// Carries out the orders that have come; `false` when one of them is to stop.
    pub fn obey(&mut self) -> bool {
        let controls: Vec<Control> = self.orders.take().collect();
        for control in controls {
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
                Control::Listen { feed, number, say } => self.listen(feed, number, say),
                Control::Close(number) => self.lose(|known, _| (known == number).then_some(None)),
            }
        }
        true
    }

    /// Captures from one more interface, and says so once it is true.
    fn listen(&mut self, mut feed: Feed, number: FeedNumber, say: bool) {
        match feed.watch(&self.traffic) {
            Ok(()) => {
                if say {
                    info!("listening on {}", feed.name());
                }
                self.feeds.push((number, feed));
            }
            Err(error) => (self.losses)(Loss { number, feed, error: Some(error.to_string()) }),
        }
    }

    /// Hands back the feeds for which this says so, with what went wrong.
    fn lose(&mut self, mut is_lost: impl FnMut(FeedNumber, &mut Feed) -> Option<Option<String>>) {
        let mut at = 0;
        while let Some((number, feed)) = self.feeds.get_mut(at) {
            if let Some(error) = is_lost(*number, feed) {
                let (number, feed) = self.feeds.remove(at);
                (self.losses)(Loss { number, feed, error });
            } else {
                at += 1;
            }
        }
    }

    fn watch(&mut self, traffic: &Traffic) {
        self.traffic = traffic.clone();
        self.lose(|_, feed| feed.watch(traffic).err().map(|error| Some(error.to_string())));
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
        let mut errors = Vec::new();
        for (number, feed) in &mut self.feeds {
            match feed.hits(&mut take) {
                Ok(arrived) => most = most.max(arrived),
                Err(error) => errors.push((*number, error.to_string())),
            }
        }
        if !errors.is_empty() {
            self.lose(|number, _| {
                errors.iter().find(|(failed, _)| *failed == number).map(|(_, error)| Some(error.clone()))
            });
        }
        most
    }

    /// Sleeps until a packet, an order or a deadline comes.
    fn wait(&mut self) {
        let now = self.clock.now();
        let deadlines = [self.tracker.next_deadline(), self.quota.next_deadline()];
        let wait = deadlines.into_iter().flatten().min().map(|deadline| deadline.wait_from(now));
        let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut fds: Vec<PollFd<'_>> =
            self.feeds.iter().map(|(_, feed)| PollFd::new(feed, PollFlags::IN)).collect();
        fds.push(PollFd::new(&self.orders, PollFlags::IN));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {
                let troubles = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
                let alarms: Vec<bool> = fds.iter().map(|fd| fd.revents().intersects(troubles)).collect();
                let mut alarms = alarms.into_iter();
                self.lose(|_, feed| {
                    let survives = feed.survives(alarms.next().unwrap_or(false));
                    (!survives).then(|| Some("its handle reports errors without end".to_owned()))
                });
            }
            Err(Errno::INTR) => {}
            Err(error) => {
                // Each feed is opened anew when it is its turn; if that does not help, it is at least not tried at once.
                self.lose(|_, _| Some(Some(format!("waiting for packets failed: {error}"))));
                thread::sleep(BREATHER);
            }
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
