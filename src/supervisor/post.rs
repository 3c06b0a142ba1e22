//! Messages to a thread that sleeps in `poll`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

/// How often ringing is tried.
const RINGS: usize = 3;

/// Sends messages, and wakes their reader.
#[derive(Debug)]
pub struct Post<T> {
    sender: Sender<T>,
    bell: Arc<OwnedFd>,
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Post<T> {
        Post { sender: self.sender.clone(), bell: Arc::clone(&self.bell) }
    }
}

impl<T> Post<T> {
    /// Sends one message; to a reader that has ended it means nothing.
    pub fn send(&self, message: T) {
        if self.sender.send(message).is_ok() {
            self.ring();
        }
    }

    /// Wakes the reader; that it fails is not to be expected, and must not leave a message lying if it does.
    fn ring(&self) {
        let rung = || matches!(rustix::io::write(&self.bell, &1u64.to_ne_bytes()), Ok(8) | Err(Errno::AGAIN));
        let _ = (0..RINGS).any(|_| rung());
    }
}

/// Where the messages arrive; its descriptor is readable while there may be some.
pub(crate) struct Inbox<T> {
    receiver: Receiver<T>,
    bell: Arc<OwnedFd>,
}

impl<T> Inbox<T> {
    /// Every message that has come.
    pub(crate) fn take(&self) -> impl Iterator<Item = T> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell, &mut count);
        self.receiver.try_iter()
    }
}

impl<T> AsFd for Inbox<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// Both ends.
pub(crate) fn post<T>() -> io::Result<(Post<T>, Inbox<T>)> {
    let (sender, receiver) = mpsc::channel();
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    Ok((Post { sender, bell: Arc::clone(&bell) }, Inbox { receiver, bell }))
}
