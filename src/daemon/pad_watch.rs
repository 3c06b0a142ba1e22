//! Hints that pads may have changed.  Only hints: what counts is read again at each use.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use log::{debug, error, warn};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::open::Hint;

/// How long events gather after a hint, so that a file which is written all the time costs little.
const GATHER: Duration = Duration::from_millis(50);

/// How much is read at once: many hundreds of events.
const BUFFER: usize = 16 * 1024;

/// How many symbolic links one path may go through, as in Linux itself.
const LINKS: usize = 40;

/// What is said of a file that is written to.
const OF_WRITING: ReadFlags = ReadFlags::MODIFY.union(ReadFlags::CLOSE_WRITE);

/// A pad is written to, or goes.
const OF_FILES: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// Files come and go, and may be read or not, which those that may not do not tell themselves; what is written to those
/// in it matters only where it is a pad.
const OF_DIRECTORIES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Watches pads, and the directories that they stand in, for as long as the process lives.
#[derive(Clone, Debug)]
pub struct PadWatch(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    inotify: OwnedFd,
    files: Mutex<Files>,
    /// Whether the log was told that the system has no watch left.
    exhausted: AtomicBool,
}

/// The watches of what is not a directory.
#[derive(Debug, Default)]
struct Files {
    /// Which watch each path was given last.
    watches: HashMap<PathBuf, i32>,
    /// Which paths lead to what a watch is on.
    paths: HashMap<i32, HashSet<PathBuf>>,
}

impl Files {
    /// Notes the watch that a path has now; which watch nothing has any more.
    fn remember(&mut self, path: &Path, id: Option<i32>) -> Option<i32> {
        let before = match id {
            Some(id) => self.watches.insert(path.to_owned(), id),
            None => self.watches.remove(path),
        };
        if before == id {
            return None;
        }
        if let Some(id) = id {
            self.paths.entry(id).or_default().insert(path.to_owned());
        }
        let before = before?;
        let others = self.paths.get_mut(&before)?;
        others.remove(path);
        others.is_empty().then(|| self.paths.remove(&before)).flatten().map(|_| before)
    }
}

impl PadWatch {
    /// Starts the thread that calls `hint` when something has happened to what is watched: at once for a lone event,
    /// and at most twenty times a second.
    ///
    /// While nothing happens it sleeps.  It is an error if the system has no inotify instance or no thread left.
    pub fn start(hint: impl FnMut(Hint) + Send + 'static) -> io::Result<PadWatch> {
        let watch = PadWatch::silent()?;
        let watched = watch.clone();
        thread::Builder::new().name("pad watch".to_owned()).spawn(move || watched.listen(hint))?;
        Ok(watch)
    }

    /// Watches this file and the directory it stands in, for a new file in its place; or this directory of pads.
    ///
    /// A path that is watched already is followed to where it leads now, so this is to be called again after a hint.
    /// Where the path goes through a symbolic link, both ends are watched; where directories are missing, the last that
    /// is there.  What cannot be watched is worth a line for debugging only, and the system's limit one warning.
    pub fn watch(&self, path: &Path) {
        let mut at = path.to_owned();
        for _ in 0..LINKS {
            self.watch_parent(&at);
            match fs::read_link(&at) {
                Ok(target) => at = parent_of(&at).join(target),
                Err(_) => break,
            }
        }
        // The other way round, something that came between would be missed.
        match self.add(path, OF_DIRECTORIES) {
            Err(Errno::NOTDIR) => {
                let id = self.add(path, OF_FILES).ok();
                self.remember(path, id);
            }
            Err(error) => {
                debug!("{} cannot be watched: {error}", path.display());
                self.remember(path, None);
            }
            Ok(_) => self.remember(path, None),
        }
    }

    /// A watch that keeps what happens to itself.
    fn silent() -> io::Result<PadWatch> {
        let inotify = inotify::init(CreateFlags::CLOEXEC)?;
        Ok(PadWatch(Arc::new(Watched {
            inotify,
            files: Mutex::default(),
            exhausted: AtomicBool::new(false),
        })))
    }

    /// Watches the directory that `path` stands in, or the nearest one above it that exists.
    fn watch_parent(&self, path: &Path) {
        for directory in parent_of(path).ancestors() {
            let directory = if directory == Path::new("") { Path::new(".") } else { directory };
            match self.add(directory, OF_DIRECTORIES) {
                Ok(_) => return,
                Err(error) => debug!("{} cannot be watched: {error}", directory.display()),
            }
        }
    }

    fn add(&self, path: &Path, events: WatchFlags) -> Result<i32, Errno> {
        let added = inotify::add_watch(&self.0.inotify, path, events);
        // Once: the next pads fare no better.
        if added == Err(Errno::NOSPC) && !self.0.exhausted.swap(true, Ordering::Relaxed) {
            warn!(
                "changes of some pads are noticed late, within a minute, since the system watches no more files for \
                 this user: raise fs.inotify.max_user_watches (sysctl)"
            );
        }
        added
    }

    /// Notes the watch that a path has now, and ends the one that it had before if that was on another file.
    fn remember(&self, path: &Path, id: Option<i32>) {
        if let Some(idle) = self.files().remember(path, id) {
            // It has ended by itself if its file was deleted.
            let _ = inotify::remove_watch(&self.0.inotify, idle);
        }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for events, for ever.
    fn listen(&self, mut hint: impl FnMut(Hint)) {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(&self.0.inotify, &mut buffer);
        loop {
            match self.next_hint(&mut reader) {
                Ok(Some(what)) => {
                    hint(what);
                    thread::sleep(GATHER);
                }
                Ok(None) => {}
                Err(error) => {
                    error!("pads are no longer watched, and changes to them are seen late: {error}");
                    return;
                }
            }
        }
    }

    /// Waits for the next events, and says where something may have changed by them, if they can mean something.
    fn next_hint(&self, reader: &mut Reader<'_, impl AsFd>) -> Result<Option<Hint>, Errno> {
        let mut hint: Option<Hint> = None;
        loop {
            match reader.next() {
                // That a watch has ended means nothing.
                Ok(event) if event.events() == ReadFlags::IGNORED => {}
                Ok(event) => {
                    let what = self.hint_of(event.wd(), event.events());
                    match &mut hint {
                        Some(hint) => hint.add(what),
                        None => hint = Some(what),
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            if reader.is_buffer_empty() {
                return Ok(hint);
            }
        }
    }

    /// What one event means.  An overflow of the queue counts, too: anything may have happened.
    fn hint_of(&self, watch: i32, events: ReadFlags) -> Hint {
        let files = self.files();
        match files.paths.get(&watch) {
            Some(paths) if OF_WRITING.contains(events) => Hint::Written(paths.clone()),
            _ => Hint::Anywhere,
        }
    }
}

/// The directory that this path stands in.
fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

#[cfg(test)]
#[path = "pad_watch_tests.rs"]
mod tests;
