//! The thread that keeps the capture process, and alone keeps the capabilities that starting one takes.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use super::events::{Event, told};
use super::failure::Failure;
use crate::clock::Clock;
use crate::config::Capabilities;
use crate::message::Families;
use crate::privileges::{for_starting_captures, keep_only};
use crate::sandbox::Confinement;
use crate::supervisor::{Keeper, KeeperSender, StartError};

/// What the thread is to begin with.
pub(super) struct Beginning {
    pub(super) interfaces: Vec<String>,
    pub(super) families: Families,
    pub(super) confinement: Confinement,
    /// The capabilities that the daemon keeps, if it does not keep all.
    pub(super) capabilities: Option<Capabilities>,
}

/// The thread, on its way to the first process that judges packets.
pub(super) struct CaptureThread {
    /// Tells the keeper what to do.
    pub(super) keeper: KeeperSender,
    /// Lets the thread take its next step.
    go_on: Sender<()>,
    started: Receiver<Result<(), Limits>>,
    begun: Receiver<Result<Vec<String>, StartError>>,
}

impl CaptureThread {
    /// Starts the thread; the calling one, and all that it starts from now on, have only the capabilities that the daemon
    /// keeps.
    pub(super) fn new(beginning: Beginning, events: Sender<Event>) -> Result<CaptureThread, Failure> {
        let Beginning { interfaces, families, confinement, capabilities } = beginning;
        let teller = events.clone();
        let tell = move |what| {
            // Fails only when the main thread has gone, and the process with it.
            let _ = teller.send(told(what));
        };
        let (mut keeper, sender) = Keeper::new(families, confinement, Clock, tell)
            .map_err(Failure::system("changes of interfaces cannot be watched"))?;
        let (go_on, may_go_on) = mpsc::channel();
        let (starts, started) = mpsc::channel();
        let (begins, begun) = mpsc::channel();
        let listed = capabilities;
        let body = move || {
            let limited = listed.map_or(Ok(()), |listed| for_starting_captures(&listed));
            if may_go_on.recv().is_err() {
                return;
            }
            let start = limited.map_err(Limits::Own).and_then(|()| Ok(keeper.start(&interfaces)?));
            let failed = start.is_err();
            // Whoever waits for this may have given up, and ends.
            let _ = starts.send(start);
            if failed || may_go_on.recv().is_err() {
                return;
            }
            let open = keeper.begin();
            let failed = open.is_err();
            let _ = begins.send(open);
            if !failed {
                let _end = SayAtEnd(events);
                keeper.run();
            }
        };
        thread::Builder::new()
            .name("capture".to_owned())
            .spawn(body)
            .map_err(Failure::system("the capture thread cannot be started"))?;
        capabilities.map_or(Ok(()), |listed| keep_only(&listed)).map_err(Failure::system(LIMITS))?;
        Ok(CaptureThread { keeper: sender, go_on, started, begun })
    }

    /// Starts the first capture process, and returns when it is confined.
    pub(super) fn start(&self) -> Result<(), Failure> {
        // Fails when the thread has ended, as the next line notices.
        let _ = self.go_on.send(());
        match self.started.recv() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Limits::Own(error))) => Err(Failure::system(LIMITS)(error)),
            Ok(Err(Limits::Start(error))) => Err(error.into()),
            Err(_) => Err(Failure::CaptureEnded),
        }
    }

    /// Lets the first process judge packets, once the keeper was told what to match; the names of the interfaces that it
    /// listens on.
    pub(super) fn begin(self) -> Result<Vec<String>, Failure> {
        let _ = self.go_on.send(());
        Ok(self.begun.recv().map_err(|_| Failure::CaptureEnded)??)
    }
}

const LIMITS: &str = "capabilities cannot be given up";

/// Why the thread has not started a process.
#[derive(Debug, thiserror::Error)]
enum Limits {
    #[error(transparent)]
    Own(io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Says that nobody keeps the capture process any more, however that came: nobody is served by a daemon that lives and is
/// deaf.
struct SayAtEnd(Sender<Event>);

impl Drop for SayAtEnd {
    fn drop(&mut self) {
        let _ = self.0.send(Event::KeeperEnded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keeper_that_panics_says_that_it_has_ended() {
        let (events, happened) = mpsc::channel();
        let end = SayAtEnd(events);
        let ended = thread::spawn(move || {
            let _end = end;
            panic!("as a bug would");
        });
        assert!(matches!(happened.recv(), Ok(Event::KeeperEnded)));
        assert!(ended.join().is_err());
    }
}
