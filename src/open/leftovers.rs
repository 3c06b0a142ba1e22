//! What commands have left running goes on writing to a pipe that must neither fill up nor close: one thread empties
//! all of these pipes.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use log::warn;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// How many pipes are emptied at most.
const MOST: usize = 1024;

/// How many pipes are looked at in one go.
const BATCH: usize = 64;

/// The pipes of processes that have outlived their commands.
#[derive(Clone)]
pub(super) struct Leftovers {
    shared: Arc<Shared>,
}

struct Shared {
    /// Made, along with the thread, when it is first needed.
    pipes: Mutex<Pipes>,
    most: usize,
}

#[derive(Default)]
struct Pipes {
    epoll: Option<Arc<OwnedFd>>,
    /// By a number that is never used twice, so that the oldest is the first.
    open: BTreeMap<u64, PipeReader>,
    next: u64,
    /// Whether it was said that there are too many.
    full: bool,
}

impl Leftovers {
    /// Without any; they take at most half of the descriptors that the process may have.
    pub(super) fn new() -> Leftovers {
        let may = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
        Leftovers::with_room_for(may.map_or(MOST, |limit| (limit / 2).min(MOST)))
    }

    fn with_room_for(most: usize) -> Leftovers {
        Leftovers { shared: Arc::new(Shared { pipes: Mutex::default(), most }) }
    }

    /// Empties this pipe, whose reading end does not block, until its last writer has gone.
    ///
    /// When there are too many, the oldest is closed.  Its writers do not die of that, since each command's end of its
    /// pipe is open for reading too, but they wait for ever once it is full.
    pub(super) fn add(&self, pipe: PipeReader) -> io::Result<()> {
        let mut pipes = self.shared.pipes();
        let epoll = pipes.epoll.take().map_or_else(|| self.start(), Ok)?;
        pipes.epoll = Some(Arc::clone(&epoll));
        if pipes.open.len() >= self.shared.most
            && let Some((_, oldest)) = pipes.open.pop_first()
        {
            epoll::delete(&epoll, &oldest)?;
            if !pipes.full {
                warn!(
                    "commands have left more than {} processes running that hold on to their output; the oldest are \
                     not listened to any more",
                    self.shared.most
                );
            }
            pipes.full = true;
        }
        let number = pipes.next;
        pipes.next += 1;
        epoll::add(&epoll, &pipe, epoll::EventData::new_u64(number), epoll::EventFlags::IN)?;
        pipes.open.insert(number, pipe);
        Ok(())
    }

    fn start(&self) -> io::Result<Arc<OwnedFd>> {
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let (shared, theirs) = (Arc::clone(&self.shared), Arc::clone(&epoll));
        thread::Builder::new().name("leftovers".to_owned()).spawn(move || shared.empty(&theirs))?;
        Ok(epoll)
    }
}

impl Shared {
    fn pipes(&self) -> MutexGuard<'_, Pipes> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empties the pipes for as long as the process lives.
    fn empty(&self, epoll: &OwnedFd) {
        let mut events = Vec::with_capacity(BATCH);
        let mut buffer = vec![0; 1 << 16];
        loop {
            events.clear();
            match epoll::wait(epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => {
                    warn!("the output of what commands have left running is read no more: {error}");
                    return;
                }
            }
            let mut pipes = self.pipes();
            for event in &events {
                let number = event.data.u64();
                let Some(pipe) = pipes.open.get_mut(&number) else { continue };
                if has_ended(pipe.read(&mut buffer))
                    && let Some(pipe) = pipes.open.remove(&number)
                {
                    // Before it is closed: a command that is just being started may hold a copy for an instant.
                    let _ = epoll::delete(epoll, &pipe);
                }
            }
            pipes.full &= pipes.open.len() >= self.most;
        }
    }
}

fn has_ended(read: io::Result<usize>) -> bool {
    use io::ErrorKind::{Interrupted, WouldBlock};
    match read {
        Ok(length) => length == 0,
        Err(error) => !matches!(error.kind(), Interrupted | WouldBlock),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, Write};
    use std::time::{Duration, Instant};

    use rustix::io::ioctl_fionbio;

    use super::*;

    fn pipe() -> (PipeReader, PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        ioctl_fionbio(&reader, true).unwrap();
        (reader, writer)
    }

    fn threads() -> usize {
        let named = |entry: io::Result<std::fs::DirEntry>| {
            let name = std::fs::read_to_string(entry.unwrap().path().join("comm")).unwrap_or_default();
            name == "leftovers\n"
        };
        std::fs::read_dir("/proc/self/task").unwrap().map(named).filter(|is| *is).count()
    }

    fn wait_for(what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < deadline, "{what}");
            thread::yield_now();
        }
    }

    #[test]
    fn a_thousand_pipes_are_emptied_by_one_thread_until_their_writers_have_gone() {
        let leftovers = Leftovers::with_room_for(1000);
        let before = threads();
        let mut writers = Vec::new();
        for _ in 0..1000 {
            let (reader, writer) = pipe();
            leftovers.add(reader).unwrap();
            writers.push(writer);
        }
        assert!(threads() < before + 20, "other tests may have one each");
        // More than a pipe holds: it ends only if somebody reads.
        for writer in writers.iter_mut().step_by(100) {
            writer.write_all(&vec![b'x'; 1 << 18]).unwrap();
        }
        assert_eq!(leftovers.shared.pipes().open.len(), 1000);
        drop(writers);
        wait_for("pipes without a writer are kept", || leftovers.shared.pipes().open.is_empty());
    }

    #[test]
    fn beyond_the_limit_the_oldest_is_closed() {
        let leftovers = Leftovers::with_room_for(2);
        let mut writers = Vec::new();
        for _ in 0..3 {
            let (reader, writer) = pipe();
            leftovers.add(reader).unwrap();
            writers.push(writer);
        }
        let error = writers[0].write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        for writer in &mut writers[1..] {
            writer.write_all(&vec![b'x'; 1 << 18]).unwrap();
        }
        drop(writers.pop());
        wait_for("a pipe without a writer is kept", || leftovers.shared.pipes().open.len() == 1);
    }
}
