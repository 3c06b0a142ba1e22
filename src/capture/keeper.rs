//! Keeps the wanted interfaces open, and the host's addresses known, whatever becomes of them.
//!
//! It has a thread of its own, since opening and closing take their time, which packets of other interfaces have not.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use log::{error, info, warn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::host::{Changes, Host};
use super::interfaces::{Interfaces, News, Problem, Step};
use super::live::{Bound, Feed, OpenError};
use super::post::{Inbox, Post, post};
use super::watch::{Control, FeedNumber, Loss, OrderSender, Watch};
use crate::clock::Clock;
use crate::message::Families;
use crate::moment::Moment;
use crate::track::{Here, Tracker};

/// How long changes gather once one has been told: making an interface takes several.
const GATHER: Duration = Duration::from_millis(10);

/// When to try again to learn how the host looks, if the kernel will not say.
const NEXT_LOOK: Duration = Duration::from_secs(1);

/// What a [`Keeper`] can be told.
pub enum Wish {
    /// To listen on these interfaces and no others.
    Interfaces {
        /// Their names.
        names: Vec<String>,
        /// Those that have been opened already.
        opened: Vec<Feed>,
    },
    /// What the capture side gives back.
    Loss(Loss),
}

/// Tells a [`Keeper`] what to do.
pub type WishSender = Post<Wish>;

/// An interface that is open, seen from here: its feed is with the capture side.
struct Handle {
    number: FeedNumber,
    bound: Bound,
}

/// See the module.
pub struct Keeper {
    interfaces: Interfaces,
    open: HashMap<String, Handle>,
    next_number: FeedNumber,
    addresses: Option<HashSet<IpAddr>>,
    families: Families,
    clock: Clock,
    changes: Changes,
    /// When to look at the host without being told of a change.
    look_at: Option<Moment>,
    orders: OrderSender,
    wishes: Inbox<Wish>,
    /// Whether the log is told of each interface that is opened.
    say: bool,
}

/// The capture side: the loop, what keeps its interfaces open, and who tells either what to do.
pub struct CaptureSide {
    /// Takes hits off the wire and matches them.
    pub watch: Watch,
    /// Keeps interfaces open.
    pub keeper: Keeper,
    /// Tells the watch what to match.
    pub orders: OrderSender,
    /// Tells the keeper where to listen.
    pub wishes: WishSender,
}

impl CaptureSide {
    /// One that listens nowhere yet and knows none of the host's addresses.
    pub fn new(families: Families, clock: Clock) -> io::Result<CaptureSide> {
        let (wishes, inbox) = post()?;
        let losses = wishes.clone();
        let tracker = Tracker::new(Here::Addresses(HashSet::new()), families);
        let (watch, orders) = Watch::new(tracker, clock, move |loss| losses.send(Wish::Loss(loss)))?;
        let keeper = Keeper {
            interfaces: Interfaces::default(),
            open: HashMap::new(),
            next_number: 0,
            addresses: None,
            families,
            clock,
            changes: Changes::subscribe()?,
            look_at: None,
            orders: orders.clone(),
            wishes: inbox,
            say: false,
        };
        Ok(CaptureSide { watch, keeper, orders, wishes })
    }
}

impl Keeper {
    /// Listens on these interfaces from the start, or waits for them; the names of those that are open now.
    pub fn start(&mut self, names: &[String], opened: Vec<Feed>) -> io::Result<Vec<String>> {
        let host = Host::look()?;
        self.want(names, opened);
        self.compare(&host);
        self.say = true;
        Ok(self.interfaces.listening())
    }

    /// Follows what becomes of the interfaces, for ever.
    pub fn run(mut self) {
        loop {
            let mut look = self.wait();
            let wishes: Vec<Wish> = self.wishes.take().collect();
            for wish in wishes {
                match wish {
                    Wish::Interfaces { names, opened } => {
                        self.want(&names, opened);
                        look = true;
                    }
                    Wish::Loss(loss) => self.lost(loss),
                }
            }
            let now = self.clock.now();
            if look || self.look_at.is_some_and(|at| at <= now) {
                self.look();
            }
            let due = self.interfaces.due(self.clock.now());
            self.carry_out(due);
        }
    }

    /// Sleeps until something has changed or is due; whether it was the host that has changed.
    fn wait(&self) -> bool {
        let now = self.clock.now();
        let deadline = self.interfaces.next_deadline().into_iter().chain(self.look_at).min();
        let timeout = deadline.and_then(|at| Timespec::try_from(at.wait_from(now)).ok());
        let mut fds = [PollFd::new(&self.changes, PollFlags::IN), PollFd::new(&self.wishes, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) if fds[0].revents().is_empty() => false,
            Err(Errno::INTR) => false,
            outcome => {
                thread::sleep(if outcome.is_ok() { GATHER } else { NEXT_LOOK });
                if let Err(error) = self.changes.drain() {
                    error!("changes of interfaces are noticed late: {error}");
                    thread::sleep(NEXT_LOOK);
                }
                true
            }
        }
    }

    fn want(&mut self, names: &[String], opened: Vec<Feed>) {
        let steps = self.interfaces.want(names);
        for step in &steps {
            if let Step::Close(name) = step {
                info!("no longer listening on {name}");
            }
        }
        self.carry_out(steps);
        for feed in opened {
            // Another one of the name may have been opened meanwhile.
            if names.iter().any(|name| name == feed.name()) && !self.open.contains_key(feed.name()) {
                self.adopt(feed);
            }
        }
    }

    /// Learns what has changed.
    fn look(&mut self) {
        self.look_at = match Host::look() {
            Ok(host) => {
                self.compare(&host);
                None
            }
            Err(error) => {
                if self.look_at.is_none() {
                    error!("the host's interfaces cannot be read: {error}; trying again every second");
                }
                Some(self.clock.now() + NEXT_LOOK)
            }
        };
    }

    /// Does what follows from how the host looks.
    fn compare(&mut self, host: &Host) {
        if self.addresses.as_ref() != Some(&host.addresses) {
            self.orders.send(Control::Here(Here::Addresses(host.addresses.clone())));
            self.addresses = Some(host.addresses.clone());
        }
        for name in self.interfaces.names() {
            let bound = self.open.get(&name).and_then(|handle| handle.bound.index());
            let steps = self.interfaces.saw(&name, host.find(&name), bound);
            self.carry_out(steps);
        }
    }

    fn carry_out(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Open(name) => self.open(&name),
                Step::Close(name) => {
                    if let Some(handle) = self.open.remove(&name) {
                        self.orders.send(Control::Close(handle.number));
                    }
                }
                Step::Say(name, news) => say(&name, &news),
            }
        }
    }

    fn open(&mut self, name: &str) {
        let among = self.interfaces.names().len();
        let opened = Host::look()
            .map_err(|error| Problem::Passing(format!("the host's interfaces cannot be read: {error}")))
            .and_then(|host| Feed::open(name, self.families, among, &host).map_err(Problem::from));
        match opened {
            Ok(feed) => self.adopt(feed),
            Err(problem) => self.failed(name, problem),
        }
    }

    /// Gives an open interface to the capture side.
    fn adopt(&mut self, feed: Feed) {
        let (name, bound) = (feed.name().to_owned(), feed.bound());
        // One that is gone again has no number; its end is still to be told, and then it differs.
        self.interfaces.opened(&name, bound.index().unwrap_or(0), self.clock.now());
        let number = self.next_number;
        self.next_number += 1;
        self.open.insert(name, Handle { number, bound });
        self.orders.send(Control::Listen { feed, number, say: self.say });
    }

    /// Takes back a feed; if nobody has asked for it, that is an error of its interface.
    fn lost(&mut self, loss: Loss) {
        let (number, name) = (loss.number, loss.feed.name().to_owned());
        drop(loss.feed);
        let Some(error) = loss.error else { return };
        // An interface that is gone or was replaced explains the error.
        self.look();
        if self.open.get(&name).is_some_and(|handle| handle.number == number) {
            self.open.remove(&name);
            self.failed(&name, Problem::Passing(format!("capturing on {name}: {error}")));
        }
    }

    fn failed(&mut self, name: &str, problem: Problem) {
        let present = Host::look().ok().and_then(|host| host.find(name));
        let steps = self.interfaces.failed(name, problem, present, self.clock.now());
        self.carry_out(steps);
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Problem {
        if error.is_lasting() {
            Problem::Lasting(error.to_string())
        } else {
            Problem::Passing(error.to_string())
        }
    }
}

fn say(name: &str, news: &News) {
    match news {
        News::Missing => {
            let known = Host::look().map_or_else(|error| error.to_string(), |host| host.names());
            warn!("waiting for interface {name}, which is not there; this host has {known}");
        }
        News::Gone => warn!("interface {name} is gone; waiting until it is back"),
        News::Down => warn!("interface {name} is down; waiting until it is up (`ip link set {name} up`)"),
        News::Up => info!("interface {name} is up again"),
        News::Failing(error) => error!("{error}; trying again and again, at least every 10 seconds"),
        News::Refused(error) => error!("{error}; it is left alone until it changes"),
    }
}
