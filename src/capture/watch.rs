//! The capture loop: waits for packets, orders and deadlines, and feeds the tracker.

use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::gather::{Gather, SHORTEST};
use super::line::{Line, LineError};
use super::live::{Arrived, Feed};
use super::process::Seen;
use super::time_of_day::TimeOfDay;
use crate::clock::Clock;
use crate::message::{Families, Generation, Report, Traffic};
use crate::moment::Moment;
use crate::packet::Hit;
use crate::quota::Quota;
use crate::track::{Addresses, Here, Tracker};
use crate::wire::{BadMessage, Counters, Instruction, Loss, Progress, Sight};

/// The longest that a packet may have waited to be seen.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long nothing is done when waiting is impossible.
const BREATHER: Duration = Duration::from_millis(100);

/// How often packets are taken at most when this process is to end; a flood does not end by itself.
const LAST_LOOKS: usize = 1000;

/// Which packets are judged, by when they arrived: of two processes that see the same interface while one takes over from
/// the other, one judges each.
#[derive(Clone, Copy, Debug)]
struct Shift {
    after: TimeOfDay,
    until: Option<TimeOfDay>,
}

impl Shift {
    /// What follows from a look at all interfaces.  Once one has shown that there is no more, all that came before the
    /// shift has been passed over, and everything counts: the time of day can be set back, by years where the clock was
    /// wrong as the machine started.
    fn after_look(self, arrived: Arrived) -> Shift {
        if arrived == Arrived::FullBatch { self } else { Shift { after: TimeOfDay::START, ..self } }
    }

    fn covers(&self, at: TimeOfDay) -> bool {
        self.after < at && self.until.is_none_or(|until| at <= until)
    }
}

/// What the capture process does once it is confined.
pub(super) struct Watch {
    line: Line,
    feeds: Vec<Feed>,
    tracker: Tracker,
    generation: Generation,
    clock: Clock,
    /// Nothing until the executor says so.
    shift: Option<Shift>,
    /// When the latest hit arrived.
    latest: Moment,
    gather: Gather,
    /// Whether there may be orders.
    is_spoken_to: bool,
    quota: Quota,
    /// How many lines for the log were not sent, and are still to be counted.
    left_out: u64,
    counters: Counters,
    seen: Option<Seen>,
}

impl Watch {
    /// A watch on these interfaces that matches nothing yet.
    pub(super) fn new(line: Line, feeds: Vec<Feed>, families: Families, seen: Option<Seen>) -> Watch {
        let clock = Clock;
        let latest = clock.now();
        Watch {
            line,
            feeds,
            tracker: Tracker::new(Here::Addresses(Addresses::default()), families),
            generation: Generation::default(),
            clock,
            shift: None,
            latest,
            gather: Gather::new(latest),
            is_spoken_to: true,
            quota: Quota::new(latest),
            left_out: 0,
            counters: Counters::default(),
            seen,
        }
    }

    /// Watches until it is told to stop.
    pub(super) fn run(mut self) -> Result<(), LineError> {
        let mut reports = Vec::new();
        loop {
            self.line.flush()?;
            if std::mem::replace(&mut self.is_spoken_to, true) {
                self.obey()?;
            }
            let Some(shift) = self.shift else {
                self.wait()?;
                continue;
            };
            if shift.until.is_some() {
                return self.end(shift, &mut reports);
            }
            if self.line.is_full() {
                self.wait()?;
                continue;
            }
            let arrived = self.take_hits(shift, &mut reports)?;
            self.gather.note(arrived.packets());
            self.shift = Some(shift.after_look(arrived));
            if arrived != Arrived::FullBatch {
                // Only now is it certain that no hit which was in time is still to be seen.
                self.tracker.expire(self.clock.now(), &mut reports);
            }
            self.tell(&mut reports)?;
            match arrived {
                Arrived::FullBatch => {}
                Arrived::Some(_) => match self.gather.pause(self.clock.now()) {
                    Some(pause) => self.gather_for(pause),
                    None => self.wait()?,
                },
                Arrived::Nothing => self.wait()?,
            }
        }
    }

    /// Judges what has arrived until this process was relieved.
    fn end(&mut self, shift: Shift, reports: &mut Vec<Report>) -> Result<(), LineError> {
        // What arrived then is in the ring by now.
        thread::sleep(SHORTEST);
        for _ in 0..LAST_LOOKS {
            let arrived = self.take_hits(shift, reports)?;
            // At once: whoever relieved this process does not wait for ever.
            self.tell(reports)?;
            if arrived == Arrived::Nothing {
                break;
            }
        }
        self.line.flush_all()
    }

    /// Carries out the orders that have come.
    fn obey(&mut self) -> Result<(), LineError> {
        while let Some(instruction) = self.line.next()? {
            match instruction {
                Instruction::Adopt(plan) => {
                    self.generation = plan.generation;
                    self.watch(&plan.traffic)?;
                    self.tracker.adopt(plan);
                }
                Instruction::Arm(slot) => self.tracker.arm(slot),
                Instruction::ArmBound(slot) => self.tracker.arm_bound(slot),
                Instruction::Disarm(slot) => self.tracker.disarm(slot),
                Instruction::Watch(traffic) => self.watch(&traffic)?,
                Instruction::Here(addresses) => {
                    self.tracker.set_here(Here::Addresses(addresses.into_iter().collect()));
                }
                Instruction::Sync(number) => self.line.say(&Sight::Synced(number))?,
                Instruction::Go { after } => {
                    self.shift = Some(Shift { after: TimeOfDay::from_micros(after), until: None });
                }
                Instruction::Stop { until } => match &mut self.shift {
                    Some(shift) => shift.until = Some(TimeOfDay::from_micros(until)),
                    None => return Err(LineError::Ended),
                },
                Instruction::Look => self.lose(|feed| (!feed.is_bound()).then_some(Loss::Gone))?,
                Instruction::Close { number } => {
                    self.count_dropped();
                    self.feeds.retain(|feed| feed.number() != number);
                }
                Instruction::Count(number) => {
                    self.count_dropped();
                    self.line.say(&Sight::Counted(number, self.counters))?;
                }
                Instruction::Listen { .. } | Instruction::Ipv4Only | Instruction::Confine { .. } => {
                    return Err(BadMessage.into());
                }
            }
        }
        Ok(())
    }

    /// Takes in what the kernel has counted, which goes with its handle.
    fn count_dropped(&mut self) {
        let dropped: u64 = self.feeds.iter_mut().map(Feed::take_dropped).sum();
        self.counters.dropped = self.counters.dropped.saturating_add(dropped);
    }

    /// Lets go of the feeds for which there is a reason.
    fn lose(&mut self, mut reason: impl FnMut(&mut Feed) -> Option<Loss>) -> Result<(), LineError> {
        let mut at = 0;
        while let Some(feed) = self.feeds.get_mut(at) {
            if let Some(loss) = reason(feed) {
                let mut feed = self.feeds.remove(at);
                self.counters.dropped = self.counters.dropped.saturating_add(feed.take_dropped());
                let number = feed.number();
                self.line.say(&Sight::Lost { number, loss })?;
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    fn watch(&mut self, traffic: &Traffic) -> Result<(), LineError> {
        self.lose(|feed| feed.watch(traffic).is_err().then(|| feed.loss(Loss::Failed)))?;
        Ok(())
    }

    /// Judges one batch of packets of each feed; how much the busiest has brought.
    fn take_hits(&mut self, shift: Shift, reports: &mut Vec<Report>) -> Result<Arrived, LineError> {
        let mut most = Arrived::Nothing;
        let (clock, seen) = (self.clock, self.seen);
        let read_clocks = || (clock.now(), TimeOfDay::now());
        let mut clocks = read_clocks();
        let (tracker, latest) = (&mut self.tracker, &mut self.latest);
        let mut take = |hit: &Hit, at: TimeOfDay| {
            if let Some(seen) = seen {
                seen(hit);
            }
            if shift.covers(at) {
                *latest = arrival(at, &mut clocks, read_clocks).max(*latest);
                tracker.hit(hit, *latest, reports);
            }
        };
        let mut failed = Vec::new();
        let mut packets = 0;
        for feed in &mut self.feeds {
            match feed.hits(&mut take) {
                Ok(arrived) => {
                    most = most.max(arrived);
                    packets += u64::try_from(arrived.packets()).unwrap_or(u64::MAX);
                }
                Err(loss) => failed.push((feed.number(), loss)),
            }
        }
        self.counters.packets = self.counters.packets.saturating_add(packets);
        if !failed.is_empty() {
            self.lose(|feed| {
                failed.iter().find_map(|(number, loss)| (*number == feed.number()).then_some(*loss))
            })?;
        }
        Ok(most)
    }

    /// Tells the executor what has been seen: what must reach it, and one message at most for its log.
    fn tell(&mut self, reports: &mut Vec<Report>) -> Result<(), LineError> {
        let now = self.clock.now();
        let generation = self.generation.0;
        let mut progress = Progress { generation, ..Progress::default() };
        let mut sights = Vec::new();
        for report in reports.drain(..) {
            match report {
                Report::Completed { slot, source } => {
                    sights.push(Sight::Completed { generation, slot: slot.0, source });
                }
                Report::Exposed { slot, source, whole, crowded } => {
                    sights.push(Sight::Exposed { generation, slot: slot.0, source, whole, crowded });
                }
                report => {
                    if matches!(report, Report::Guarded { .. }) {
                        self.counters.guarded = self.counters.guarded.saturating_add(1);
                    }
                    if self.quota.allows(now) && !progress.add(report) {
                        self.left_out += 1;
                    }
                }
            }
        }
        self.left_out += self.quota.settle(now).unwrap_or(0);
        if !progress.is_empty() || self.left_out > 0 {
            progress.left_out += std::mem::take(&mut self.left_out);
            if self.line.is_free() {
                self.line.say_soon(&Sight::Progress(progress));
            } else {
                self.left_out = progress.lines();
            }
        }
        for sight in &sights {
            self.line.say_soon(sight);
        }
        self.line.flush()
    }

    /// Lets packets gather for so long, unless an order comes.
    fn gather_for(&mut self, pause: Duration) {
        let timeout = Timespec::try_from(pause).ok();
        let mut fds = [self.line.poll_fd()];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(said) => self.is_spoken_to = said > 0,
            Err(_) => thread::sleep(pause),
        }
    }

    /// Sleeps until a packet, an order or a deadline comes.
    fn wait(&mut self) -> Result<(), LineError> {
        let now = self.clock.now();
        let deadlines = [self.tracker.next_deadline(), self.quota.next_deadline()];
        let wait = deadlines.into_iter().flatten().min().map(|deadline| deadline.wait_from(now));
        let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let listens = self.shift.is_some() && !self.line.is_full();
        let feeds = if listens { self.feeds.as_slice() } else { &[] };
        let mut fds: Vec<PollFd<'_>> = feeds.iter().map(|feed| PollFd::new(feed, PollFlags::IN)).collect();
        fds.push(self.line.poll_fd());
        match poll(&mut fds, timeout.as_ref().filter(|_| listens)) {
            Ok(_) => {
                let troubles = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
                self.is_spoken_to = fds.last().is_some_and(|line| !line.revents().is_empty());
                let alarms: Vec<bool> = fds.iter().map(|fd| fd.revents().intersects(troubles)).collect();
                let mut alarms = alarms.into_iter();
                if listens {
                    self.lose(|feed| {
                        let survives = feed.survives(alarms.next().unwrap_or(false));
                        (!survives).then(|| feed.loss(Loss::Alarms))
                    })?;
                }
            }
            Err(Errno::INTR) => {}
            Err(error) => {
                // Each feed is opened anew when it is its turn; if that does not help, it is at least not tried at once.
                self.lose(|_| Some(Loss::Poll(error.raw_os_error())))?;
                thread::sleep(BREATHER);
            }
        }
        Ok(())
    }
}

/// When a packet arrived, by the clock that never goes backwards: a daemon that had to wait for its turn judges packets
/// by when they came, not by when it sees them.
///
/// `clocks` is what both clocks said lately; they are read again for a packet that came since, which may be long ago if
/// the daemon was held up in between.  A difference that no waiting explains comes from a time of day that was changed
/// meanwhile, and is passed over.
fn arrival(
    at: TimeOfDay,
    clocks: &mut (Moment, TimeOfDay),
    read_clocks: impl Fn() -> (Moment, TimeOfDay),
) -> Moment {
    if at > clocks.1 {
        *clocks = read_clocks();
    }
    let (now, time_of_day) = *clocks;
    let age = time_of_day.since(at);
    if age > LONGEST_WAIT { now } else { now.back(age) }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
