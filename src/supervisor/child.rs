//! One capture process, seen from the executor: starting it, the socket between, its end.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Command, ExitStatus, Stdio};
use std::time::Duration;

use log::error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use zeroize::Zeroize as _;

use crate::moment::Moment;
use crate::wire::{
    BadMessage, Frames, ORDER_SIZE, OrderMessage, SIGHTING_SIZE, Setup, Sight, append, decode,
};

/// The program that runs here, even if there is another one of its name by now.
const SELF: &str = "/proc/self/exe";

/// How much is made ready for sending at once, in messages.
const PORTION: usize = 256;

/// How often something is sent in a row.
const ROUNDS: usize = 16;

/// With so many orders unsent, nothing more is heard: what is said can be the reason for orders, and whoever says as much
/// as it can without ever listening must not fill our memory with them.
const MOST_WAITING: usize = 1024;

/// How long the socket may be full without anything being taken out of it.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

/// The signal for a forbidden system call (seccomp(2)), on every architecture that there is a filter for.
const SIGSYS: i32 = 31;

/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// Some messages, made when there is room for them.
pub(super) type Messages = Box<dyn Iterator<Item = OrderMessage> + Send>;

/// What a process has said.
pub(super) enum Heard {
    /// While it had privileges and had seen no packet.
    Setup(Setup),
    /// Since.
    Sight(Sight),
}

/// The process has closed its end, or cannot be talked to.
#[derive(Debug)]
pub(super) struct Gone;

pub(super) struct Child {
    process: process::Child,
    socket: OwnedFd,
    frames: Frames<SIGHTING_SIZE>,
    confined: bool,
    queue: VecDeque<Messages>,
    unsent: Vec<u8>,
    /// Whether something was sent since [`Child::listens`] was last asked.
    moved: bool,
    /// Since when nothing could be sent, though there was something.
    stuck: Option<Moment>,
    /// How much it has said since then.
    unheeding: usize,
}

impl Child {
    /// Starts the process, which does nothing until it is told to.
    pub(super) fn start() -> io::Result<Child> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // Nothing that it could say is read but what comes through the socket.
        let process = Command::new(SELF)
            .arg0("knockd-capture")
            .arg("--capture")
            .env_clear()
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Child::of(process, ours))
    }

    /// A process that has the other end of this socket.
    fn of(process: process::Child, socket: OwnedFd) -> Child {
        Child {
            process,
            socket,
            frames: Frames::default(),
            confined: false,
            queue: VecDeque::new(),
            // Never has to grow, which would leave copies behind.
            unsent: Vec::with_capacity((PORTION + 1) * ORDER_SIZE),
            moved: false,
            stuck: None,
            unheeding: 0,
        }
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Says this after everything that was said before.
    pub(super) fn say(&mut self, messages: impl IntoIterator<Item = OrderMessage, IntoIter: Send + 'static>) {
        self.queue.push_back(Box::new(messages.into_iter()));
    }

    /// Whether there is something to be sent.
    fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || !self.queue.is_empty()
    }

    /// Whether so much is unsent that it has to listen before it is heard.
    fn is_behind(&self) -> bool {
        self.queue.len() > MOST_WAITING
    }

    /// What to wait for, besides word of its end.
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        let out = if self.has_unsent() { PollFlags::OUT } else { PollFlags::empty() };
        let heard = if self.is_behind() { PollFlags::empty() } else { PollFlags::IN };
        PollFd::new(&self.socket, heard | out)
    }

    /// Whether there is nothing of what it has said that was not taken in.
    pub(super) fn is_silent(&self) -> bool {
        matches!(poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&Timespec::default())), Ok(0))
    }

    /// Whether it takes in what it is told, as far as can be seen by now.
    pub(super) fn listens(&mut self, now: Moment) -> bool {
        if std::mem::take(&mut self.moved) || !self.has_unsent() {
            self.stuck = None;
            self.unheeding = 0;
        } else if self.stuck.is_none() {
            self.stuck = Some(now);
        }
        self.unheeding <= MOST_WAITING && self.deaf_at().is_none_or(|at| now < at)
    }

    /// When it counts as deaf, if it takes in nothing until then.
    pub(super) fn deaf_at(&self) -> Option<Moment> {
        self.stuck.map(|since| since + LISTENS_WITHIN)
    }

    /// Sends and takes in what there is room for.  Of one that has ended, everything that it has said is heard before
    /// this fails.
    pub(super) fn exchange(&mut self) -> Result<(), Gone> {
        let sent = self.send();
        if sent.is_ok() && self.is_behind() {
            return Ok(());
        }
        if self.receive()? { Ok(()) } else { sent }
    }

    /// Sends what there is room for, within limits: a long plan leaves time to hear others.
    pub(super) fn send(&mut self) -> Result<(), Gone> {
        for _ in 0..ROUNDS {
            self.fill();
            if self.unsent.is_empty() {
                return Ok(());
            }
            match send(&self.socket, &self.unsent, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    // There may be keys in it, which are not left behind.
                    self.unsent[..sent].zeroize();
                    self.unsent.drain(..sent);
                    if self.unsent.is_empty() {
                        self.unsent.zeroize();
                    }
                    self.moved = true;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }

    /// Makes the next messages ready.
    fn fill(&mut self) {
        while self.unsent.len() < PORTION * ORDER_SIZE {
            let Some(messages) = self.queue.front_mut() else { return };
            let Some(message) = messages.next() else {
                self.queue.pop_front();
                continue;
            };
            if !append::<_, ORDER_SIZE>(&message, &mut self.unsent) {
                error!("an order is too long for its message, which is a fault of knockd");
            }
        }
    }

    /// Takes in a part of what it has said; whether there was any.
    pub(super) fn receive(&mut self) -> Result<bool, Gone> {
        let mut bytes = [0; 64 * SIGHTING_SIZE];
        match recv(&self.socket, &mut bytes[..], RecvFlags::empty()) {
            Ok((0, _)) => Err(Gone),
            Ok((read, _)) => {
                self.frames.add(&bytes[..read]);
                Ok(true)
            }
            Err(Errno::INTR | Errno::AGAIN) => Ok(false),
            Err(_) => Err(Gone),
        }
    }

    /// The next of the messages that were taken in.
    pub(super) fn next(&mut self) -> Option<Result<Heard, BadMessage>> {
        let frame = self.frames.next_frame()?;
        // An honest one takes in all that it is told before it says more.
        self.unheeding += usize::from(self.stuck.is_some());
        if self.confined {
            return Some(decode(frame).map(Heard::Sight));
        }
        let heard = decode(frame);
        self.confined = heard == Ok(Setup::Confined);
        Some(heard.map(Heard::Setup))
    }

    /// Makes it end; what it has said by then can still be heard.
    pub(super) fn kill(&mut self) {
        // One that cannot be ended is not waited for either.
        let _ = self.process.kill();
    }

    /// Ends it, if it has not ended by itself, and says how it did.
    pub(super) fn end(mut self) -> String {
        // What has ended stays as it ended.
        let killed = self.process.kill();
        match killed.and_then(|()| self.process.wait()) {
            Ok(status) => words(status),
            Err(error) => format!("cannot be ended: {error}"),
        }
    }
}

/// How a process has ended.
fn words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (_, Some(SIGSYS)) => "was ended by the kernel for a forbidden system call (seccomp)".to_owned(),
        (_, Some(signal)) => format!("was ended by signal {signal}"),
        (Some(PANICKED), _) => "has panicked".to_owned(),
        (code, _) => format!("has ended with exit code {}", code.unwrap_or_default()),
    }
}

#[cfg(test)]
#[path = "child_tests.rs"]
pub(super) mod tests;
