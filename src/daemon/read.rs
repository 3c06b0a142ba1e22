//! `knockd --read`: the same core over a savefile, with its packets' own times, as a dry run.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use log::{LevelFilter, info};
use pcap::{Capture, Offline};

use super::args::Args;
use super::failure::Failure;
use super::setup::{Setup, log_warnings};
use crate::logging::{log_from, log_to_stdout_at};
use crate::message::{Generation, Order, Report, Sighting};
use crate::moment::Moment;
use crate::open::{CommandEnd, Ended, Executor, Job, LeaseKey, Mode, Outside};
use crate::packet::{LinkLayer, decode};
use crate::state::State;
use crate::track::{Here, Tracker};

/// Plays the savefile through the configured doors, and prints what would happen.
pub(super) fn read(args: &Args, path: &Path) -> Result<(), Failure> {
    let setup = Setup::new(args)?;
    let (config, report) = setup.read_config()?;
    let (mut capture, link) = open(path)?;
    let mut start = None;
    let outbox = Rc::new(RefCell::new(Outbox::default()));
    let beginning = Rc::new(Cell::new(Timestamp::UNIX_EPOCH));
    let mut playback = Playback {
        tracker: Tracker::new(Here::Anywhere, setup.families()),
        executor: Executor::new(
            Rehearsal(Rc::clone(&outbox), Rc::clone(&beginning)),
            Mode::DryRun,
            State::in_memory(),
        ),
        outbox,
        generation: Generation::default(),
        start: beginning,
        now: Moment::after_start(Duration::ZERO),
    };
    log_from(if args.debug { LevelFilter::Debug } else { LevelFilter::Info });
    let mut config = Some(config);
    loop {
        let packet = match capture.next_packet() {
            Ok(packet) => packet,
            Err(pcap::Error::NoMorePackets) => break,
            Err(error) => {
                return Err(Failure::Savefile {
                    path: path.to_owned(),
                    problem: format!("ends early: {error}"),
                });
            }
        };
        let time = packet_time(packet.header.ts.tv_sec, packet.header.ts.tv_usec);
        let start = *start.get_or_insert(time);
        if let Some(config) = config.take() {
            playback.begin(start, config, &report);
        }
        let since_start = Duration::try_from(time.duration_since(start)).unwrap_or_default();
        playback.advance(Moment::after_start(since_start));
        if let Some(hit) = decode(link, packet.data) {
            let mut reports = Vec::new();
            playback.tracker.hit(&hit, playback.now, &mut reports);
            playback.report(&reports);
        }
    }
    if let Some(config) = config.take() {
        playback.begin(Timestamp::now(), config, &report);
    }
    playback.finish();
    Ok(())
}

fn open(path: &Path) -> Result<(Capture<Offline>, LinkLayer), Failure> {
    let fail = |problem| Failure::Savefile { path: path.to_owned(), problem };
    let capture = Capture::from_file(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
    let link_type = capture.get_datalink();
    let Some(link) = LinkLayer::from_pcap(link_type.0) else {
        let name = link_type.get_name().unwrap_or_else(|_| link_type.0.to_string());
        return Err(fail(format!("has link type {name}, which knockd does not know")));
    };
    Ok((capture, link))
}

/// A packet's time; one that is no time at all counts as the start of the epoch.
fn packet_time(seconds: impl Into<i64>, microseconds: impl Into<i64>) -> Timestamp {
    let nanoseconds = i32::try_from(microseconds.into().saturating_mul(1000)).unwrap_or(0);
    Timestamp::new(seconds.into(), nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What the executor has asked for and is still to be done.
#[derive(Default)]
struct Outbox {
    orders: Vec<Order>,
    ended: Vec<LeaseKey>,
}

/// What counts as the time of day.
type Beginning = Rc<Cell<Timestamp>>;

/// Runs nothing: every command ends well at once.
struct Rehearsal(Rc<RefCell<Outbox>>, Beginning);

impl Outside for Rehearsal {
    fn order(&mut self, order: Order) {
        self.0.borrow_mut().orders.push(order);
    }

    fn unix_time(&self, now: Moment) -> Duration {
        let start =
            Duration::try_from(self.1.get().duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default();
        start + now.since_start()
    }

    fn run(&mut self, job: Job) {
        self.0.borrow_mut().ended.push(job.key);
    }
}

/// Tracker and executor on a clock that the packets drive.
struct Playback {
    tracker: Tracker,
    executor: Executor<Rehearsal>,
    /// What the tracker matches against.
    generation: Generation,
    outbox: Rc<RefCell<Outbox>>,
    start: Beginning,
    now: Moment,
}

impl Playback {
    fn begin(&mut self, start: Timestamp, config: crate::config::Config, report: &crate::config::Report) {
        self.start.set(start);
        self.set_time(self.now);
        log_warnings(report);
        self.executor.adopt(config, self.now);
        self.settle();
    }

    /// Lets time pass up to `then`, with everything that falls due on the way at its own time.  A packet out of
    /// order counts as coming with the one before it.
    fn advance(&mut self, then: Moment) {
        while let Some(due) = self.next_deadline().filter(|due| *due <= then) {
            self.set_time(due);
            self.do_what_is_due();
        }
        self.set_time(then);
        // Of steps of time that nobody knocked in only the last one matters.
        if self.executor.next_step().is_some_and(|step| step <= then) {
            self.do_what_is_due();
        }
    }

    /// Lets everything that is still due after the last packet happen.
    fn finish(&mut self) {
        info!("end of the savefile");
        while let Some(due) = self.next_deadline() {
            self.set_time(due);
            self.do_what_is_due();
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        [self.tracker.next_deadline(), self.executor.next_deadline()].into_iter().flatten().min()
    }

    fn do_what_is_due(&mut self) {
        let mut reports = Vec::new();
        self.tracker.expire(self.now, &mut reports);
        self.report(&reports);
        self.executor.tick(self.now);
        self.settle();
    }

    fn report(&mut self, reports: &[Report]) {
        for report in reports {
            let generation = self.generation;
            self.executor.report(Sighting { generation, report: *report }, self.now);
            self.settle();
        }
    }

    /// Carries out what the executor has asked for, until it asks for nothing more.
    fn settle(&mut self) {
        loop {
            let Outbox { orders, ended } = self.outbox.take();
            if orders.is_empty() && ended.is_empty() {
                return;
            }
            for order in orders {
                match order {
                    Order::Adopt(plan) => {
                        self.generation = plan.generation;
                        self.tracker.adopt(plan);
                    }
                    Order::Arm(slot) => self.tracker.arm(slot),
                    Order::ArmBound(slot) => self.tracker.arm_bound(slot),
                    Order::Disarm(slot) => self.tracker.disarm(slot),
                    Order::Watch(_) | Order::Stop => {}
                }
            }
            for key in ended {
                let end = CommandEnd { key, outcome: Ok(Ended::Exit(0)), complaint: String::new() };
                self.executor.command_ended(&end, self.now);
            }
        }
    }

    fn set_time(&mut self, now: Moment) {
        self.now = self.now.max(now);
        let since_start = SignedDuration::try_from(self.now.since_start()).unwrap_or(SignedDuration::MAX);
        let start = self.start.get();
        let time = start.checked_add(since_start).unwrap_or(start);
        log_to_stdout_at(time.to_zoned(TimeZone::system()));
    }
}
