//! What wakes the daemon's main thread: reports from the capture side, ended commands, signals.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use log::{error, warn};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::names::Names;
use super::pad_watch::PadWatch;
use crate::capture::{Control, Keeper, OrderSender, Watch};
use crate::message::{Order, Report};
use crate::open::{CommandEnd, Ended, Job, Mode, Outside, run};

/// How long a command may run before it is ended with its process group.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// One thing that has happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The capture side has seen something.
    Report(Report),
    /// The capture side has ended.
    WatchEnded,
    /// A command has ended.
    CommandEnded(CommandEnd),
    /// Something may have happened to a pad.
    Pads,
    /// SIGHUP.
    Reload,
    /// SIGTERM or SIGINT.
    Terminate,
}

/// Turns signals into events, in a thread of its own.
pub(super) fn watch_signals(events: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            let event = if signal == SIGHUP { Event::Reload } else { Event::Terminate };
            if events.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Turns what happens to the pads into events; the daemon can do without, and looks from time to time anyway.
pub(super) fn watch_pads(events: Sender<Event>) -> Option<PadWatch> {
    let hint = move || {
        // Fails only when the main thread has gone, and the process with it.
        let _ = events.send(Event::Pads);
    };
    PadWatch::start(hint).inspect_err(|error| warn!("changes of pads are noticed late: {error}")).ok()
}

/// Runs the capture side in a thread of its own.
pub(super) fn start_watch(watch: Watch, events: Sender<Event>) -> io::Result<()> {
    let end = SayAtEnd(events.clone());
    thread::Builder::new().name("capture".to_owned()).spawn(move || {
        let _end = end;
        watch.run(|report| {
            // Fails only when the main thread has gone, and the process with it.
            let _ = events.send(Event::Report(report));
        });
    })?;
    Ok(())
}

/// Runs what keeps the interfaces open in a thread of its own.
pub(super) fn start_keeper(keeper: Keeper, events: Sender<Event>) -> io::Result<()> {
    let end = SayAtEnd(events);
    thread::Builder::new().name("interfaces".to_owned()).spawn(move || {
        let _end = end;
        keeper.run();
    })?;
    Ok(())
}

/// Says that the capture side has ended, however it ends: nobody is served by a daemon that lives and is deaf.
struct SayAtEnd(Sender<Event>);

impl Drop for SayAtEnd {
    fn drop(&mut self) {
        let _ = self.0.send(Event::WatchEnded);
    }
}

/// What the executor reaches: the capture side, and threads that run commands.
pub(super) struct Threads {
    pub(super) orders: OrderSender,
    pub(super) events: mpsc::Sender<Event>,
    /// Looks up names for the log, if it is to have any.
    pub(super) names: Option<Names>,
    /// Sees what happens to the pads, where that can be seen.
    pub(super) pads: Option<PadWatch>,
    pub(super) mode: Mode,
}

impl Outside for Threads {
    fn order(&mut self, order: Order) {
        self.orders.send(Control::Order(order));
    }

    fn run(&mut self, job: Job) {
        let key = job.key.clone();
        let events = self.events.clone();
        if self.mode == Mode::DryRun {
            let end = CommandEnd { key, outcome: Ok(Ended::Exit(0)), complaint: String::new() };
            let _ = events.send(Event::CommandEnded(end));
            return;
        }
        let started = thread::Builder::new().name("command".to_owned()).spawn(move || {
            run(&job, COMMAND_TIMEOUT, |end| {
                let _ = events.send(Event::CommandEnded(end));
            });
        });
        if let Err(error) = started {
            error!("{}: no thread for the command: {error}", key.door);
            let outcome: io::Result<Ended> = Err(error);
            let end = CommandEnd { key, outcome, complaint: String::new() };
            let _ = self.events.send(Event::CommandEnded(end));
        }
    }

    fn watch(&mut self, path: &Path) {
        if let Some(pads) = &self.pads {
            pads.watch(path);
        }
    }

    fn describe(&mut self, source: IpAddr) -> String {
        self.names.as_ref().map_or_else(|| source.to_string(), |names| names.describe(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_thread_that_panics_says_that_it_has_ended() {
        let (events, happened) = mpsc::channel();
        let end = SayAtEnd(events);
        let ended = thread::spawn(move || {
            let _end = end;
            panic!("as a bug would");
        });
        assert!(matches!(happened.recv(), Ok(Event::WatchEnded)));
        assert!(ended.join().is_err());
    }
}
