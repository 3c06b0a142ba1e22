//! The capture process's end of the socket between it and the executor.

use std::io::{self, stdin};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec, ioctl_fionbio};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::Serialize;
use zeroize::Zeroize as _;

use crate::wire::{BadMessage, Frames, Instruction, ORDER_SIZE, Reader, SIGHTING_SIZE, decode, encode};

/// With so much unsent, no packet is judged until the executor has read some of it: what must not be lost has to be
/// somewhere, and the kernel's ring has a place for packets.
const MOST_UNSENT: usize = 256 * SIGHTING_SIZE;

/// Why nothing more is to be heard from the executor.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// It has ended, or closed its end.
    #[error("the executor has ended")]
    Ended,
    /// What it says makes no sense.
    #[error(transparent)]
    Bad(#[from] BadMessage),
    /// The operating system refuses.
    #[error("the executor cannot be heard: {0}")]
    Io(#[from] io::Error),
}

/// See the module.
pub(super) struct Line {
    socket: OwnedFd,
    frames: Frames<ORDER_SIZE>,
    reader: Reader,
    unsent: Vec<u8>,
    /// What has been read last; kept to be used again.
    received: Vec<u8>,
}

impl Line {
    /// The socket that is the standard input.
    pub(super) fn of_stdin() -> io::Result<Line> {
        Line::new(fcntl_dupfd_cloexec(stdin(), 3)?)
    }

    /// One that speaks through this socket.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Line> {
        ioctl_fionbio(&socket, true)?;
        Ok(Line {
            socket,
            frames: Frames::default(),
            reader: Reader::default(),
            unsent: Vec::new(),
            received: vec![0; 64 * ORDER_SIZE],
        })
    }

    /// What the executor says next, if it has come whole.
    pub(super) fn next(&mut self) -> Result<Option<Instruction>, LineError> {
        loop {
            while let Some(frame) = self.frames.next_frame() {
                if let Some(instruction) = self.reader.take(decode(frame)?)? {
                    return Ok(Some(instruction));
                }
            }
            match recv(&self.socket, &mut self.received[..], RecvFlags::empty()) {
                Ok((0, _)) | Err(Errno::CONNRESET) => return Err(LineError::Ended),
                Ok((read, _)) => {
                    self.frames.add(&self.received[..read]);
                    // There may be keys in it, which are not left behind.
                    self.received[..read].zeroize();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }

    /// What the executor says next, however long that takes.
    pub(super) fn wait(&mut self) -> Result<Instruction, LineError> {
        loop {
            if let Some(instruction) = self.next()? {
                return Ok(instruction);
            }
            self.flush()?;
            match poll(&mut [self.poll_fd()], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }

    /// Tells the executor something that must reach it.
    pub(super) fn say(&mut self, message: &impl Serialize) -> Result<(), LineError> {
        self.say_soon(message);
        self.flush()
    }

    /// The same, with what is said next.
    pub(super) fn say_soon(&mut self, message: &impl Serialize) {
        if let Some(bytes) = encode::<_, SIGHTING_SIZE>(message) {
            self.unsent.extend_from_slice(&bytes);
        }
    }

    /// Sends what there is room for.
    pub(super) fn flush(&mut self) -> Result<(), LineError> {
        while !self.unsent.is_empty() {
            match send(&self.socket, &self.unsent, SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(LineError::Ended),
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        Ok(())
    }

    /// Sends everything, however long that takes.
    pub(super) fn flush_all(&mut self) -> Result<(), LineError> {
        while !self.is_free() {
            self.flush()?;
            match poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        Ok(())
    }

    /// Whether everything that was said is on its way.
    pub(super) fn is_free(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Whether so much is unsent that nothing more should be said.
    pub(super) fn is_full(&self) -> bool {
        self.unsent.len() > MOST_UNSENT
    }

    /// What to wait for.
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        let out = if self.is_free() { PollFlags::empty() } else { PollFlags::OUT };
        PollFd::new(&self.socket, PollFlags::IN | out)
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
