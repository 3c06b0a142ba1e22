//! A file that grows, read as it grows and without asking again and again whether it has.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::wait::PATIENCE;

pub(crate) struct Tail {
    file: File,
    inotify: Inotify,
    /// What has been read and not yet been asked for.
    text: String,
}

impl Tail {
    /// What is added to the file from now on; it is made if it is not there.
    pub(crate) fn new(path: &Path) -> Self {
        let mut file =
            File::options().read(true).append(true).create(true).open(path).expect("a file to follow");
        let inotify =
            Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).expect("an inotify instance");
        inotify.add_watch(path, AddWatchFlags::IN_MODIFY).expect("watching a file");
        file.read_to_end(&mut Vec::new()).expect("what is there already");
        Self { file, inotify, text: String::new() }
    }

    /// Waits until this has been added `times` times since the last wait; when that was seen.
    #[track_caller]
    pub(crate) fn awaits(&mut self, text: &str, times: usize) -> Instant {
        let seen = self.awaits_within(PATIENCE, text, times);
        seen.unwrap_or_else(|| panic!("`{text}` was not added {times} times but this:\n{}", self.text))
    }

    /// The same, but nothing if it takes longer than the limit.
    pub(crate) fn awaits_within(&mut self, limit: Duration, text: &str, times: usize) -> Option<Instant> {
        let deadline = Instant::now() + limit;
        loop {
            self.read();
            if let Some((last, found)) =
                times.checked_sub(1).and_then(|last| self.text.match_indices(text).nth(last))
            {
                let seen = Instant::now();
                self.text.drain(..last + found.len());
                return Some(seen);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            self.wait(left);
        }
    }

    fn read(&mut self) {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes).expect("a file that grows");
        self.text.push_str(&String::from_utf8_lossy(&bytes));
    }

    /// Sleeps until the file has changed.
    fn wait(&self, limit: Duration) {
        let timeout = Timespec::try_from(limit).expect("a short time");
        poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], Some(&timeout)).expect("waiting for a file");
        // Read and thrown away, so that only what comes later wakes.
        let _ = self.inotify.read_events();
    }
}
