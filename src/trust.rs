//! Whether files are ours: whoever can change the configuration or a pad opens doors, and runs commands as root.
//!
//! The check is made on the open descriptor that is then read or written.  It is followed by a walk from `/` along the
//! path, symbolic links included, from one open directory to the next, which must end at that same file.  So whatever
//! had the path's name at which moment, what was opened is a file that only root and we can write to, found where only
//! root and we can put one.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat, statat};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::geteuid;

/// How many symbolic links one path may go through, as in Linux itself.
const LINKS: usize = 40;

/// How often to open what is replaced each time while it is being checked.
const ATTEMPTS: usize = 4;

/// Why a file or a directory is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// Others can write to it.
    #[error(
        "{}{} can be written by {} (mode {:04o}): chmod {}-w {}",
        .place.display(), way(.place, .path), whom(*.mode, WRITE).0, .mode.bits(), whom(*.mode, WRITE).1,
        quoted(.place)
    )]
    Writable {
        /// What can be written: the file, or a directory on the way to it.
        place: PathBuf,
        /// The file that this is about.
        path: PathBuf,
        /// Its permissions.
        mode: Mode,
    },
    /// It belongs to another user, who can always change it.
    #[error(
        "{}{} belongs to user {owner}, not to root or the user that knockd runs as: chown {}{} {}",
        .place.display(), way(.place, .path), if *.link { "-h " } else { "" }, user(*.us), quoted(.place)
    )]
    Foreign {
        /// What belongs to somebody else: the file, or a directory or symbolic link on the way to it.
        place: PathBuf,
        /// The file that this is about.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Our effective user.
        us: u32,
        /// Whether it is a symbolic link.
        link: bool,
    },
    /// The path does not lead to the opened file, or no more.
    #[error("{} was replaced or removed while it was being opened: try again", .path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// The operating system does not tell.
    #[error("whether others can change {} cannot be told: {}: {error}", .path.display(), .place.display())]
    Unknown {
        /// What cannot be looked at.
        place: PathBuf,
        /// The file that this is about.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

/// Opens what is at `path`, and checks that only root and we can change it or put another in its place.
///
/// One that is replaced meanwhile is opened again, a few times.
pub fn open_trusted<T, E: From<Untrusted>>(
    path: &Path,
    open: impl Fn(&Path) -> Result<T, E>,
    file: impl Fn(&T) -> &File,
) -> Result<T, E> {
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        let opened = open(path)?;
        match check(path, file(&opened)) {
            Ok(()) => return Ok(opened),
            Err(Untrusted::Replaced { .. }) if left > 0 => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Checks that this file or directory, opened by `path`, belongs to root or to us, that neither its group nor others can
/// write to it, and that the same holds for every directory on the way.
///
/// A directory that others can write to is good enough if it is sticky, as `/tmp` is: what belongs to root or us there can
/// be moved or removed by nobody else.
pub fn check(path: &Path, file: &File) -> Result<(), Untrusted> {
    let walk = Walk::along(path);
    let opened = fstat(file).map_err(|error| walk.unknown(path, error))?;
    walk.judge(path, &opened)?;
    match walk.end() {
        Ok(found) if (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino) => Ok(()),
        Ok(_) => Err(Untrusted::Replaced { path: path.to_owned() }),
        Err(Untrusted::Unknown { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            Err(Untrusted::Replaced { path: path.to_owned() })
        }
        Err(error) => Err(error),
    }
}

/// Checks all that [`check`] does, of what is at `path` now.
pub fn check_way(path: &Path) -> Result<(), Untrusted> {
    Walk::along(path).end().map(drop)
}

/// What lets the group and others write.
const WRITE: (Mode, Mode) = (Mode::WGRP, Mode::WOTH);

/// Which of the group and others have their permission: in words, and as chmod(1) has it.
fn whom(mode: Mode, (group, others): (Mode, Mode)) -> (&'static str, &'static str) {
    match (mode.contains(group), mode.contains(others)) {
        (true, true) => ("its group and others", "go"),
        (true, false) => ("its group", "g"),
        (false, _) => ("others", "o"),
    }
}

/// What to say of an opened file that its group or others can read, though only whom it serves should.
pub fn readers(path: &Path, file: &File) -> Option<String> {
    const READ: (Mode, Mode) = (Mode::RGRP, Mode::ROTH);
    let mode = Mode::from_raw_mode(fstat(file).ok()?.st_mode);
    let (who, letters) = whom(mode, READ);
    mode.intersects(READ.0 | READ.1).then(|| {
        format!(
            "{} can be read by {who} (mode {:04o}), and whoever has read it can knock: chmod {letters}-r {}",
            path.display(),
            mode.bits(),
            quoted(path)
        )
    })
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    let shown = path.display().to_string();
    shlex::try_quote(&shown).map(Cow::into_owned).unwrap_or(shown)
}

/// A user as chown(8) takes it.
fn user(id: u32) -> String {
    if id == 0 { "root".to_owned() } else { id.to_string() }
}

fn way(place: &Path, path: &Path) -> String {
    if place == path { String::new() } else { format!(", on the way to {},", path.display()) }
}

/// Following a path from one open directory to the next.
struct Walk<'a> {
    path: &'a Path,
    /// Our effective user.
    us: u32,
}

impl Walk<'_> {
    fn along(path: &Path) -> Walk<'_> {
        Walk { path, us: geteuid().as_raw() }
    }

    /// What the path leads to, if everything on the way and the end itself can be trusted.
    fn end(&self) -> Result<Stat, Untrusted> {
        let absolute = std::path::absolute(self.path).map_err(|error| Untrusted::Unknown {
            place: self.path.to_owned(),
            path: self.path.to_owned(),
            error,
        })?;
        let (mut at, mut place, mut end) = self.root()?;
        let mut ahead = steps(&absolute);
        let mut links = 0;
        while let Some(step) = ahead.pop() {
            let next =
                if step == ".." { place.parent().unwrap_or(&place).to_owned() } else { place.join(&step) };
            match retry_on_intr(|| openat(&at, &step, DIRECTORY, Mode::empty())) {
                Ok(directory) => {
                    end = self.entered(&next, &directory)?;
                    (at, place) = (directory, next);
                    continue;
                }
                // A symbolic link or a file, which the system calls one or the other.
                Err(Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(self.unknown(&next, error)),
            }
            // What is ours or root's here stays what it is, since nobody else can replace it.
            let fail = |error| self.unknown(&next, error);
            end = statat(&at, &step, AtFlags::SYMLINK_NOFOLLOW).map_err(fail)?;
            self.judge(&next, &end)?;
            if FileType::from_raw_mode(end.st_mode) == FileType::Symlink {
                links += 1;
                if links > LINKS {
                    return Err(fail(Errno::LOOP));
                }
                let target = readlinkat(&at, &step, Vec::new()).map_err(fail)?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    (at, place, end) = self.root()?;
                }
                ahead.extend(steps(&target));
            } else if !ahead.is_empty() {
                return Err(fail(Errno::NOTDIR));
            }
        }
        Ok(end)
    }

    fn root(&self) -> Result<(OwnedFd, PathBuf, Stat), Untrusted> {
        let place = PathBuf::from("/");
        let root = retry_on_intr(|| open(&place, DIRECTORY, Mode::empty()))
            .map_err(|error| self.unknown(&place, error))?;
        let stat = self.entered(&place, &root)?;
        Ok((root, place, stat))
    }

    /// Judges an opened directory.
    fn entered(&self, place: &Path, directory: impl AsFd) -> Result<Stat, Untrusted> {
        let stat = fstat(directory).map_err(|error| self.unknown(place, error))?;
        self.judge(place, &stat)?;
        Ok(stat)
    }

    fn judge(&self, place: &Path, stat: &Stat) -> Result<(), Untrusted> {
        let (kind, mode) = (FileType::from_raw_mode(stat.st_mode), Mode::from_raw_mode(stat.st_mode));
        let us = self.us;
        let (place, path) = (place.to_owned(), self.path.to_owned());
        if stat.st_uid != 0 && stat.st_uid != us {
            let link = kind == FileType::Symlink;
            return Err(Untrusted::Foreign { place, path, owner: stat.st_uid, us, link });
        }
        let shared = mode.intersects(Mode::WGRP | Mode::WOTH);
        let sticky = kind == FileType::Directory && mode.contains(Mode::SVTX);
        // Permissions of symbolic links mean nothing.
        if shared && !sticky && kind != FileType::Symlink {
            return Err(Untrusted::Writable { place, path, mode });
        }
        Ok(())
    }

    fn unknown(&self, place: &Path, error: Errno) -> Untrusted {
        Untrusted::Unknown { place: place.to_owned(), path: self.path.to_owned(), error: error.into() }
    }
}

/// How to open a directory to go on from it, where possible without permission to list it.
const DIRECTORY: OFlags = {
    let flags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    #[cfg(target_os = "linux")]
    let flags = flags.union(OFlags::PATH);
    flags
};

/// The parts of a path, the last one first.
fn steps(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

/// Takes write permission for group and others from all that this process of tests makes from now on, whatever the
/// user's umask: what the tests make is to be trusted.
#[cfg(test)]
pub(crate) fn set_usual_umask() {
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
