//! What can be wrong with the state directory and the files in it, in words that say what to do about it.

use std::io;
use std::path::PathBuf;

use crate::trust::Untrusted;

/// Why the daemon's state cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The operating system refuses something about the directory.
    #[error(
        "the state directory {} cannot be {doing}: {error}; name one that knockd can use with state_dir",
        .path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What was being done to it: "made", "opened".
        doing: &'static str,
        /// Why it cannot be.
        error: io::Error,
    },
    /// Something else has its name.
    #[error(
        "the state directory {} is {what}; move that away, or name a directory with state_dir",
        .path.display()
    )]
    NotADirectory {
        /// What was named.
        path: PathBuf,
        /// What it is: "a symbolic link", "not a directory".
        what: &'static str,
    },
    /// Another user owns it, and could change what is in it.
    #[error(
        "the state directory {0} belongs to user {owner}, but knockd runs as user {us}: run chown {us} {0}, or \
         name another with state_dir",
        .path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Our effective user.
        us: u32,
    },
    /// Its group or others have permissions in it.
    #[error("the state directory {0} is open to others (mode {mode:04o}): run chmod 700 {0}", .path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Others could put another directory in its place.
    #[error("the state directory cannot be trusted: {0}")]
    Untrusted(#[from] Untrusted),
    /// Another daemon holds its lock.
    #[error(
        "the state directory {} is used by another knockd: give this one a state_dir of its own",
        .path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The operating system refuses something about a file in it.
    #[error("{} cannot be {doing}: {error}; without it used lines and open doors would be forgotten", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was being done to it: "made", "read".
        doing: &'static str,
        /// Why it cannot be.
        error: io::Error,
    },
    /// The record of spent lines cannot be understood.
    #[error(
        "{} is damaged ({what}): move it away to start a new one, but lines that were used before are then known \
         only by the strikes in the pads themselves",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Another version of the daemon has written the record of spent lines.
    #[error(
        "{} has format {version}, and this knockd knows only format {known}: use the knockd that wrote it, or move \
         it away to start a new one, but lines that were used before are then known only by the strikes in the pads \
         themselves",
        .path.display(), known = super::format::VERSION
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// The record of spent lines is longer than the daemon ever makes it.
    #[error(
        "{} is {length} bytes long, more than the {longest} that knockd ever writes: move it away to start a new \
         one, but lines that were used before are then known only by the strikes in the pads themselves",
        .path.display(), longest = super::records::LONGEST
    )]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
    },
    /// The operating system could not give a secret key.
    #[error("the operating system gives no random numbers ({0}), which a new record of spent lines needs")]
    NoRandomness(#[source] Box<dyn std::error::Error + Send + Sync>),
}
