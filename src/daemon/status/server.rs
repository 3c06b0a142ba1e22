//! The daemon's end of the status socket, in a thread of its own: it never reads, and whoever does not read either holds
//! up nobody.
//!
//! It sleeps until somebody connects.  Then it asks the main thread how doors, pads and leases stand, and the keeper how
//! the capture is, and writes what they say to all who were connected by then.

use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, SocketFlags, accept_with, send, shutdown};

use super::place::{NoSocket, Place, Socket};
use super::snapshot::{Facts, Now, Snapshot};
use crate::clock::Clock;
use crate::daemon::events::Event;
use crate::open::Standing;
use crate::supervisor::{CaptureStatus, Inbox, KeeperSender, Post, Wish, post};

/// How many are connected at once; others wait in the kernel.
const MOST: usize = 16;

/// How long the main thread may take to answer; it may be waiting for a disk.
const EXECUTOR_ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// How long the capture process may take to say how much it has seen.
const CAPTURE_ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// How long whoever asked may take to read.
const READS_WITHIN: Duration = Duration::from_secs(5);

/// How long nobody is let in when that has failed.
const BREATHER: Duration = Duration::from_millis(100);

/// What was asked for.
#[derive(Debug)]
pub(super) enum Answer {
    Standing(u64, Standing),
    Capture(u64, CaptureStatus),
}

/// Asks the main thread how things stand.
#[derive(Debug)]
pub(in crate::daemon) struct Ask {
    round: u64,
    answers: Post<Answer>,
}

impl Ask {
    pub(in crate::daemon) fn answer(self, standing: Standing) {
        self.answers.send(Answer::Standing(self.round, standing));
    }
}

/// The socket, which goes when this is dropped.
pub(in crate::daemon) struct StatusServer {
    _socket: Socket,
}

/// Why nobody can ask.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum NoServer {
    #[error(transparent)]
    Socket(#[from] NoSocket),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl StatusServer {
    /// Answers at this place from now on.
    pub(in crate::daemon) fn start(
        place: &Place,
        facts: Facts,
        events: Sender<Event>,
        keeper: KeeperSender,
    ) -> Result<StatusServer, NoServer> {
        let (listener, socket) = place.listen()?;
        listener.set_nonblocking(true)?;
        let (answers, inbox) = post()?;
        let server = Server {
            listener,
            facts,
            events,
            keeper,
            answers,
            inbox,
            round: None,
            rounds: 0,
            waiting: Vec::new(),
            readers: Vec::new(),
            shut_until: None,
        };
        thread::Builder::new().name("status".to_owned()).spawn(move || server.run())?;
        Ok(StatusServer { _socket: socket })
    }
}

struct Server {
    listener: UnixListener,
    facts: Facts,
    events: Sender<Event>,
    keeper: KeeperSender,
    answers: Post<Answer>,
    inbox: Inbox<Answer>,
    /// What is being asked.
    round: Option<Round>,
    rounds: u64,
    /// Those who have come since that was asked.
    waiting: Vec<OwnedFd>,
    /// Those who have an answer to read.
    readers: Vec<Reader>,
    shut_until: Option<Instant>,
}

/// One asking round, and for whom.
struct Round {
    number: u64,
    since: Instant,
    asking: Vec<OwnedFd>,
    standing: Option<Standing>,
    capture: Option<CaptureStatus>,
}

impl Round {
    fn deadline(&self) -> Instant {
        let patience = if self.standing.is_some() { CAPTURE_ANSWERS_WITHIN } else { EXECUTOR_ANSWERS_WITHIN };
        self.since + patience
    }
}

/// Somebody with an answer to read.
struct Reader {
    socket: OwnedFd,
    text: Arc<[u8]>,
    written: usize,
    until: Instant,
}

impl Reader {
    /// Writes what there is room for; whether that is to go on.
    fn go_on(&mut self) -> bool {
        while let Some(rest) = self.text.get(self.written..).filter(|rest| !rest.is_empty()) {
            match send(&self.socket, rest, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(written) => self.written += written,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        false
    }
}

impl Server {
    fn run(mut self) {
        loop {
            self.wait();
            let now = Instant::now();
            self.let_in(now);
            self.hear();
            self.finish(now);
            self.ask(now);
            self.readers.retain_mut(|reader| now < reader.until && reader.go_on());
        }
    }

    fn connected(&self) -> usize {
        let asking = self.round.as_ref().map_or(0, |round| round.asking.len());
        self.waiting.len() + asking + self.readers.len()
    }

    /// Sleeps until something is to be done; with nobody connected, until somebody is.
    fn wait(&mut self) {
        let now = Instant::now();
        self.shut_until = self.shut_until.filter(|until| now < *until);
        let deadlines = self.readers.iter().map(|reader| reader.until);
        let deadlines = deadlines.chain(self.round.as_ref().map(Round::deadline)).chain(self.shut_until);
        let timeout = deadlines.min().map(|at| at.saturating_duration_since(now));
        let timeout = timeout.and_then(|wait| Timespec::try_from(wait).ok());
        let mut fds = vec![PollFd::new(&self.inbox, PollFlags::IN)];
        if self.shut_until.is_none() && self.connected() < MOST {
            fds.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        fds.extend(self.readers.iter().map(|reader| PollFd::new(&reader.socket, PollFlags::OUT)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => thread::sleep(BREATHER),
        }
    }

    /// Takes in whoever wants to know, up to as many as may be connected.
    fn let_in(&mut self, now: Instant) {
        while self.shut_until.is_none() && self.connected() < MOST {
            match accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => {
                    // So that the kernel keeps nothing that is said to us.
                    let _ = shutdown(&socket, Shutdown::Read);
                    self.waiting.push(socket);
                }
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.shut_until = Some(now + BREATHER),
            }
        }
    }

    /// Takes in what was answered in this round; what comes later than that is of no interest.
    fn hear(&mut self) {
        for answer in self.inbox.take() {
            let Some(round) = &mut self.round else { continue };
            match answer {
                Answer::Standing(number, standing) if number == round.number => {
                    round.standing = Some(standing);
                }
                Answer::Capture(number, capture) if number == round.number => round.capture = Some(capture),
                Answer::Standing(..) | Answer::Capture(..) => {}
            }
        }
    }

    /// Ends the round if there is nothing more to wait for; without word from the main thread nobody is told anything.
    fn finish(&mut self, now: Instant) {
        let is_over = |round: &mut Round| {
            let said = |capture: &CaptureStatus| capture.counters.is_some() || capture.process.is_none();
            round.standing.is_some() && round.capture.as_ref().is_some_and(said) || round.deadline() <= now
        };
        let Some(round) = self.round.take_if(is_over) else { return };
        let Some(standing) = &round.standing else { return };
        let present = Now { moment: Clock.now(), time: Timestamp::now() };
        let snapshot = Snapshot::new(&self.facts, standing, round.capture.as_ref(), present);
        let text: Arc<[u8]> = snapshot.text().into_bytes().into();
        let until = now + READS_WITHIN;
        let reader = |socket| Reader { socket, text: Arc::clone(&text), written: 0, until };
        self.readers.extend(round.asking.into_iter().map(reader));
    }

    /// Asks for those who have come since the last round, once that is over.
    fn ask(&mut self, now: Instant) {
        if self.round.is_some() || self.waiting.is_empty() {
            return;
        }
        self.rounds += 1;
        let number = self.rounds;
        let asking = mem::take(&mut self.waiting);
        self.round = Some(Round { number, since: now, asking, standing: None, capture: None });
        let answers = self.answers.clone();
        // Fails only when the main thread has gone, and the process with it.
        let _ = self.events.send(Event::StatusWanted(Ask { round: number, answers: answers.clone() }));
        self.keeper.send(Wish::Status(Box::new(move |status| answers.send(Answer::Capture(number, status)))));
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
