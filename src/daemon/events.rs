//! What wakes the daemon's main thread: reports from the capture side, ended commands, signals.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use log::warn;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::names::Names;
use super::pad_watch::PadWatch;
use super::status::Ask;
use crate::message::{Order, Sighting};
use crate::moment::Moment;
use crate::open::{CommandEnd, Commands, Ended, Errand, Hint, Job, Mode, Outside};
use crate::supervisor::{KeeperSender, Told, Wish};

/// One thing that has happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The capture process has seen something.
    Seen(Vec<Sighting>),
    /// Another capture process has been started, and has to know what is armed.
    PlanWanted,
    /// Nobody keeps the capture process any more.
    KeeperEnded,
    /// A command has ended.
    CommandEnded(CommandEnd),
    /// Something may have happened to a pad.
    Pads,
    /// Somebody wants to know how things stand.
    StatusWanted(Ask),
    /// SIGHUP.
    Reload,
    /// SIGTERM or SIGINT.
    Terminate,
    /// SIGUSR1.
    Leave,
}

/// What has happened to pads since somebody looked.
#[derive(Clone, Debug, Default)]
pub(super) struct Hinted(Arc<Mutex<Option<Hint>>>);

impl Hinted {
    /// Adds to it; whether it is the first to do so.
    fn add(&self, what: Hint) -> bool {
        let mut hint = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = hint.is_none();
        match &mut *hint {
            Some(hint) => hint.add(what),
            None => *hint = Some(what),
        }
        is_first
    }

    /// Takes it, so that what happens from now on is worth another look.
    pub(super) fn take(&self) -> Option<Hint> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Turns signals into events, in a thread of its own.
pub(super) fn watch_signals(events: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT, SIGUSR1])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            let event = match signal {
                SIGHUP => Event::Reload,
                SIGUSR1 => Event::Leave,
                _ => Event::Terminate,
            };
            if events.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Turns what happens to the pads into events; the daemon can do without, and looks from time to time anyway.
///
/// No more than one event is on its way at once: what else happens adds to the hint until somebody takes it.
pub(super) fn watch_pads(events: Sender<Event>, hinted: Hinted) -> Option<PadWatch> {
    let hint = move |what| {
        if hinted.add(what) {
            // Fails only when the main thread has gone, and the process with it.
            let _ = events.send(Event::Pads);
        }
    };
    PadWatch::start(hint).inspect_err(|error| warn!("changes of pads are noticed late: {error}")).ok()
}

/// Commands, whose ends become events; each may run for so long.
pub(super) fn start_commands(limit: Duration, events: Sender<Event>) -> Commands {
    Commands::new(limit, move |end| {
        // Fails only when the main thread has gone, and the process with it.
        let _ = events.send(Event::CommandEnded(end));
    })
}

/// What the capture process has to tell, as events.
pub(super) fn told(told: Told) -> Event {
    match told {
        Told::Seen(sightings) => Event::Seen(sightings),
        Told::PlanWanted => Event::PlanWanted,
    }
}

/// What the executor reaches: the capture process, and the commands.
pub(super) struct Threads {
    pub(super) capture: KeeperSender,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) commands: Commands,
    /// Looks up names for the log, if it is to have any.
    pub(super) names: Option<Names>,
    /// Sees what happens to the pads, where that can be seen.
    pub(super) pads: Option<PadWatch>,
    pub(super) mode: Mode,
}

impl Outside for Threads {
    fn order(&mut self, order: Order) {
        if matches!(order, Order::Stop) {
            self.commands.open_no_more();
        }
        self.capture.send(Wish::Order(order));
    }

    fn distrust(&mut self, why: &'static str) {
        self.capture.send(Wish::Distrust(why));
    }

    fn run(&mut self, job: Job) {
        if self.mode == Mode::Earnest {
            self.commands.run(job);
            return;
        }
        let end = CommandEnd { key: job.key, outcome: Ok(Ended::Exit(0)), complaint: String::new() };
        let _ = self.events.send(Event::CommandEnded(end));
    }

    fn run_errand(&mut self, errand: Errand) {
        if self.mode == Mode::Earnest {
            self.commands.run_errand(errand);
        }
    }

    fn watch(&mut self, path: &Path) {
        if let Some(pads) = &self.pads {
            pads.watch(path);
        }
    }

    fn unix_time(&self, _now: Moment) -> Duration {
        // A clock that stands before 1970 tells no time.
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    fn describe(&mut self, source: IpAddr) -> String {
        self.names.as_ref().map_or_else(|| source.to_string(), |names| names.describe(source))
    }
}
