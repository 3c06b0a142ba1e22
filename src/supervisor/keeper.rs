//! Keeps a capture process running on the wanted interfaces, whatever becomes of either.
//!
//! It has a thread of its own, since opening and closing take their time, which doors and commands have not.

mod succession;

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::Sender;
use std::time::Duration;

use log::error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use self::succession::not_confined;
use super::deaths::Deaths;
use super::host::{Changes, Host};
use super::interfaces::{InterfaceState, Interfaces};
use super::post::{Inbox, Post, post};
use super::start::{StartError, may_capture};
use super::takeover::{Capture, Stage, Word};
use crate::clock::Clock;
use crate::message::{Families, Order, Plan, Sighting};
use crate::moment::Moment;
use crate::sandbox::{Confinement, Lacking};
use crate::wire::{Counters, sightings};

/// How long changes gather once one has been told: making an interface takes several.
const GATHER: Duration = Duration::from_millis(10);

/// When to try again to learn how the host looks, if the kernel will not say.
pub(super) const NEXT_LOOK: Duration = Duration::from_secs(1);

/// How long a process that was relieved may take to judge its last packets.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a process may take to be ready.
const START: Duration = Duration::from_secs(30);

/// How long nothing is done when something fails that cannot be waited for.
const BREATHER: Duration = Duration::from_millis(100);

/// How often what a process has told is taken in when it is ended; a socket holds far less.
const MOST_LAST_WORDS: usize = 1024;

/// Why a process is not listened to any more.
const LIAR: &str = "it says what no honest one would say; it";

/// What a [`Keeper`] can be told.
pub enum Wish {
    /// What to match.
    Order(Order),
    /// What all armed sequences are, for a process that has just been started.
    Plan(Plan),
    /// To listen on these interfaces and no others.
    Interfaces(Vec<String>),
    /// That what was last told has been looked at.
    Next,
    /// That the capture process has said what it cannot know, and is to be ended.
    Distrust(&'static str),
    /// To see whether the capture process is alive, by asking it now and again.
    Check,
    /// To say how the capture is, at once and again when the process has said how much it has seen, or has ended.
    Status(Box<dyn Fn(CaptureStatus) + Send>),
    /// To end the capture process, tell what it has seen, and say so.
    End(Sender<()>),
}

/// What a [`Keeper`] tells.
pub enum Told {
    /// What was seen; nothing more is told until [`Wish::Next`].
    Seen(Vec<Sighting>),
    /// [`Wish::Plan`] is wanted.
    PlanWanted,
}

/// How the capture is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureStatus {
    /// The interfaces that are wanted.
    pub interfaces: Vec<(String, InterfaceState)>,
    /// The process that judges packets, and when it was started; nothing while there is none.
    pub process: Option<(u32, Moment)>,
    /// What that process says to have seen.
    pub counters: Option<Counters>,
}

/// Tells a [`Keeper`] what to do.
pub type KeeperSender = Post<Wish>;

/// See the module.
pub struct Keeper {
    pub(super) interfaces: Interfaces,
    pub(super) addresses: Option<HashSet<IpAddr>>,
    families: Families,
    confinement: Confinement,
    pub(super) clock: Clock,
    changes: Changes,
    /// When to look at the host.
    pub(super) look_at: Option<Moment>,
    wishes: Inbox<Wish>,
    tell: Box<dyn Fn(Told) + Send>,
    /// Whose words are being looked at, by its process id: nothing more is told until that is done.
    told: Option<u32>,
    /// The process that judges packets.
    pub(super) current: Option<Capture>,
    /// The one that is to take over from it.
    pub(super) next: Option<Capture>,
    /// The one that it has taken over from, and how long that one may go on; once it has been killed, it is only heard
    /// to the end.
    retired: Option<(Capture, Option<Moment>)>,
    /// The interfaces for which another process is to be started.
    pub(super) wanted: HashSet<String>,
    /// Those of them that the next process opens.
    pub(super) fresh: Vec<String>,
    /// When a process is to be started in place of one that has died.
    pub(super) start_at: Option<Moment>,
    pub(super) deaths: Deaths,
    /// Whether one has died, and none has taken over since.
    mourning: bool,
    /// What was found lacking, and said.
    lacking: HashSet<Lacking>,
    /// Whether the log is told of each interface that is opened.
    say: bool,
    /// Who is to be told how the capture is.
    asking: Option<Box<dyn Fn(CaptureStatus) + Send>>,
}

impl Keeper {
    /// One that listens nowhere yet, and who tells it what to do.
    pub fn new(
        families: Families,
        confinement: Confinement,
        clock: Clock,
        tell: impl Fn(Told) + Send + 'static,
    ) -> io::Result<(Keeper, KeeperSender)> {
        let (sender, wishes) = post()?;
        let keeper = Keeper {
            interfaces: Interfaces::default(),
            addresses: None,
            families,
            confinement,
            clock,
            changes: Changes::subscribe()?,
            look_at: None,
            wishes,
            tell: Box::new(tell),
            told: None,
            current: None,
            next: None,
            retired: None,
            wanted: HashSet::new(),
            fresh: Vec::new(),
            start_at: None,
            deaths: Deaths::default(),
            mourning: false,
            lacking: HashSet::new(),
            say: false,
            asking: None,
        };
        Ok((keeper, sender))
    }

    /// Starts the first process on these interfaces, and returns when it has opened those that there are and has given up
    /// its privileges.
    pub fn start(&mut self, names: &[String]) -> Result<(), StartError> {
        let fail = |error: io::Error| StartError::Process(format!("cannot be started: {error}"));
        may_capture(names)?;
        let host = Host::look().map_err(fail)?;
        self.want(names);
        self.compare(&host);
        self.start_next().map_err(fail)?;
        self.reach(Stage::Idle)
    }

    /// Lets the first process begin to judge packets, once it has what to match; the names of the interfaces that it
    /// listens on.
    pub fn begin(&mut self) -> Result<Vec<String>, StartError> {
        self.obey();
        self.reach(Stage::Serving)?;
        self.say = true;
        Ok(self.interfaces.listening())
    }

    /// Waits until the first process has come so far.
    fn reach(&mut self, goal: Stage) -> Result<(), StartError> {
        let end = self.clock.now() + START;
        let reached = |capture: &Option<Capture>| capture.as_ref().is_some_and(|it| it.stage() == goal);
        while !reached(&self.next) && !reached(&self.current) {
            let Some(capture) = &mut self.next else {
                return Err(StartError::Process("has ended while it started".to_owned()));
            };
            let wait = Timespec::try_from(end.wait_from(self.clock.now())).ok();
            if let Ok(0) = poll(&mut [capture.poll_fd()], wait.as_ref()) {
                return Err(StartError::Process("does not answer".to_owned()));
            }
            let went = capture.child().exchange();
            while let Some(word) = self.word_of_next() {
                match word {
                    Word::NotOpened { lasting: true, words, .. } => return Err(StartError::Interface(words)),
                    Word::NotConfined { step, errno } => {
                        return Err(StartError::Process(not_confined(step, errno)));
                    }
                    word => self.hear_next(word),
                }
            }
            self.take_over_if_ready();
            if went.is_err()
                && let Some(capture) = self.next.take()
            {
                return Err(StartError::Process(capture.into_child().end()));
            }
        }
        Ok(())
    }

    /// Follows what becomes of the interfaces and of the process, until it is told to end.
    pub fn run(mut self) {
        loop {
            self.wait();
            if !self.obey() {
                return;
            }
            self.serve();
            let now = self.clock.now();
            if self.look_at.is_some_and(|at| at <= now) {
                self.look();
            }
            if self.next.is_none() {
                let due = self.interfaces.due(now);
                self.carry_out(due);
            }
            self.start_if_wanted();
        }
    }

    /// When something is due.
    fn deadline(&self) -> Option<Moment> {
        let deadlines = [
            self.look_at,
            self.start_at,
            self.retired.as_ref().and_then(|(_, until)| *until),
            self.next.as_ref().map(|capture| capture.born + START),
            self.current.as_ref().and_then(Capture::deaf_at),
            // What is due is opened by a process that can be started now.
            self.interfaces.next_deadline().filter(|_| self.next.is_none() && self.start_at.is_none()),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Sleeps until something has changed or is due.
    fn wait(&mut self) {
        let now = self.clock.now();
        let deadline = self.deadline();
        let timeout = deadline.and_then(|at| Timespec::try_from(at.wait_from(now)).ok());
        let mut fds =
            vec![PollFd::new(&self.wishes, PollFlags::IN), PollFd::new(&self.changes, PollFlags::IN)];
        fds.extend(self.next.as_ref().map(Capture::poll_fd));
        if self.told.is_none() {
            fds.extend(self.current.as_ref().map(Capture::poll_fd));
            fds.extend(self.retired.as_ref().map(|(capture, _)| capture.poll_fd()));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) if fds[1].revents().is_empty() => {}
            Err(Errno::INTR) => {}
            outcome => {
                if let Err(error) = outcome.map_err(io::Error::from).and_then(|_| self.changes.drain()) {
                    error!("changes of interfaces are noticed late: {error}");
                    std::thread::sleep(BREATHER);
                }
                let soon = now + GATHER;
                self.look_at = Some(self.look_at.map_or(soon, |at| at.min(soon)));
            }
        }
    }

    /// Does what it was told; `false` when that is to end.
    fn obey(&mut self) -> bool {
        let wishes: Vec<Wish> = self.wishes.take().collect();
        for wish in wishes {
            match wish {
                Wish::Order(order) => self.order(order),
                Wish::Plan(plan) => self.load(plan),
                Wish::Interfaces(names) => {
                    self.want(&names);
                    self.look();
                }
                Wish::Next => self.told = None,
                Wish::Distrust(why) => self.distrust(why),
                Wish::Check => self.check(),
                Wish::Status(tell) => {
                    tell(self.status(None));
                    self.asking = self.current.is_some().then_some(tell);
                    if let Some(capture) = &mut self.current {
                        capture.ask_for_counters();
                    }
                }
                Wish::End(done) => {
                    let all = [self.current.take(), self.next.take(), self.retired.take().map(|(it, _)| it)];
                    let seen = all.into_iter().flatten().flat_map(last_words).collect();
                    (self.tell)(Told::Seen(seen));
                    // Whoever asked may have given up waiting.
                    let _ = done.send(());
                    return false;
                }
            }
        }
        true
    }

    /// Tells whoever asks how the capture is.
    fn answer(&mut self, counters: Option<Counters>) {
        if let Some(tell) = self.asking.take() {
            tell(self.status(counters));
        }
    }

    fn status(&self, counters: Option<Counters>) -> CaptureStatus {
        let process = self.current.as_ref().map(|capture| (capture.id(), capture.born));
        CaptureStatus { interfaces: self.interfaces.states(), process, counters }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Adopt(plan) => {
                if let Some(capture) = &mut self.current {
                    capture.order(Order::Adopt(plan.clone()));
                }
                match &mut self.next {
                    Some(capture) if capture.stage() == Stage::Idle => self.load(plan),
                    Some(capture) => capture.order(Order::Adopt(plan)),
                    None => {}
                }
            }
            order => {
                for capture in [&mut self.current, &mut self.next].into_iter().flatten() {
                    capture.order(order.clone());
                }
            }
        }
    }

    /// Gives the next process what to match, if it has nothing yet.
    fn load(&mut self, plan: Plan) {
        let addresses = self.addresses.clone().unwrap_or_default();
        if let Some(capture) = self.next.as_mut().filter(|capture| capture.stage() == Stage::Idle) {
            capture.load(plan, addresses);
        }
    }

    /// Ends the process whose words are being looked at, if it is still there.
    fn distrust(&mut self, why: &str) {
        let Some(liar) = self.told else { return };
        if let Some((capture, _)) = self.retired.take_if(|(capture, _)| capture.id() == liar) {
            let how = capture.into_child().end();
            error!("the capture process ({liar}) that was relieved is ended: {why} {how}");
        }
        if let Some(capture) = self.current.take_if(|capture| capture.id() == liar) {
            self.died(capture, why);
        }
    }

    /// Ends the current process if it has left unanswered what it was asked long ago, and asks it otherwise.
    fn check(&mut self) {
        let now = self.clock.now();
        if let Some(capture) = self.current.take_if(|capture| !capture.answers(now)) {
            self.died(capture, "it does not answer; it");
        }
        if let Some(capture) = &mut self.current {
            capture.ask(now);
        }
    }

    /// Hears what the processes say, and says what there is room for.
    fn serve(&mut self) {
        self.serve_next();
        let now = self.clock.now();
        if let Some((capture, until)) = &mut self.retired
            && until.take_if(|at| *at <= now).is_some()
        {
            capture.child().kill();
        }
        let mut seen = Vec::new();
        if self.told.is_none() {
            self.hear_retired(&mut seen);
        }
        if self.told.is_none() {
            self.hear_current(&mut seen);
        }
        // Those that are not heard now are told what there is room for.
        let retired = self.retired.as_mut().map(|(capture, _)| capture);
        for capture in [self.current.as_mut(), retired].into_iter().flatten() {
            // Its end is noticed when it is heard next.
            let _ = capture.child().send();
        }
        if let Some(capture) = self.current.take_if(|capture| !capture.child().listens(now)) {
            self.died(capture, "it does not listen; it");
        }
        self.take_over_if_ready();
        if !seen.is_empty() {
            (self.tell)(Told::Seen(seen));
        }
    }

    fn hear_retired(&mut self, seen: &mut Vec<Sighting>) {
        let Some((mut capture, until)) = self.retired.take() else { return };
        let went = capture.child().exchange();
        let bad = loop {
            match capture.next() {
                // Its interfaces are those of the process that has taken over.
                Ok(Some(Word::Sight(sight))) => seen.extend(sightings(&sight)),
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        self.told = (!seen.is_empty()).then(|| capture.id());
        if went.is_err() || bad {
            capture.into_child().end();
        } else {
            self.retired = Some((capture, until));
        }
    }

    fn hear_current(&mut self, seen: &mut Vec<Sighting>) {
        let Some(capture) = &mut self.current else { return };
        let id = capture.id();
        let went = capture.child().exchange();
        let why = loop {
            let Some(capture) = &mut self.current else { return };
            match capture.next() {
                Ok(Some(Word::Sight(sight))) => seen.extend(sightings(&sight)),
                Ok(Some(Word::Lost(name, loss))) => self.lost(&name, loss),
                Ok(Some(Word::Counted(counters))) => self.answer(Some(counters)),
                Ok(None) if went.is_ok() => break None,
                Ok(None) => break Some("it"),
                Ok(Some(_)) | Err(_) => break Some(LIAR),
            }
        };
        self.told = (!seen.is_empty()).then_some(id);
        if let Some(why) = why
            && let Some(capture) = self.current.take()
        {
            self.died(capture, why);
        }
    }
}

/// Ends a process; what it had told by then.
fn last_words(mut capture: Capture) -> Vec<Sighting> {
    let mut seen = Vec::new();
    capture.child().kill();
    for _ in 0..MOST_LAST_WORDS {
        let more = matches!(capture.child().receive(), Ok(true));
        while let Ok(Some(word)) = capture.next() {
            if let Word::Sight(sight) = word {
                seen.extend(sightings(&sight));
            }
        }
        if !more {
            break;
        }
    }
    capture.into_child().end();
    seen
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
