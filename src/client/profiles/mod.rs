//! Profiles: hosts with all that a knock at them takes, each under a name, in a file of the user's.

mod file;
mod list;
mod value;

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use seqgen::derive::Label;
use seqgen::sequence::Step;

pub(super) use list::list;

use super::access::{self, Stranger};
use super::home;
use super::key::{Sender, StepSeconds, Wanted};
use super::resolve::Family;
use super::shell;
use super::wait::Wait;
use crate::report::Report;

/// A larger file holds no profiles.
const LARGEST: u64 = 1 << 20;

/// What a person has written down about a host; the command line goes before all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) file: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) derived: Derived,
    pub(super) ports: Option<Vec<Step>>,
    pub(super) udp: bool,
    pub(super) delay: Option<u32>,
    pub(super) family: Option<Family>,
    pub(super) interface: Option<String>,
    pub(super) source: Option<IpAddr>,
    pub(super) wait: Option<Wait>,
    pub(super) retry: Option<u8>,
}

/// What is derived from the key of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Derived {
    pub(super) label: Option<Label>,
    pub(super) step: Option<StepSeconds>,
    pub(super) sender: Sender,
    pub(super) wanted: Wanted,
}

/// A file of profiles, in the order in which they stand in it.
#[derive(Debug)]
pub(super) struct Profiles {
    pub(super) path: PathBuf,
    pub(super) all: Vec<Profile>,
}

/// Why profiles cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProfileError {
    #[error("the profiles in {} cannot be read: {reason}", .path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error(
        "the profiles in {} are not used, since {} can write to that file, and choose where you knock and with what: \
         chmod go-w {}",
        .path.display(), .whom, shell::word(.path)
    )]
    Writable { path: PathBuf, whom: &'static str },
    #[error(
        "the profiles in {} are not used, since that file belongs to user {owner}, who can choose where you knock and \
         with what: make it your own (chown), or name another with --config",
        .path.display()
    )]
    Foreign { path: PathBuf, owner: u32 },
    #[error("the profiles in {} cannot be used", .path.display())]
    Refused { path: PathBuf, report: Report },
}

impl ProfileError {
    /// Whether nothing is known of what the file says, or is to be believed of it.
    pub(super) fn says_nothing(&self) -> bool {
        !matches!(self, ProfileError::Refused { .. })
    }
}

impl Profiles {
    /// The profiles in the file at `chosen`, which must be there, or in the user's own, which need not.
    pub(super) fn load(chosen: Option<&Path>) -> Result<Option<Profiles>, ProfileError> {
        let Some(path) = chosen.map(Path::to_owned).or_else(usual_path) else { return Ok(None) };
        let (bytes, metadata) = match read(&path) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound && chosen.is_none() => return Ok(None),
            Err(reason) => return Err(ProfileError::Unreadable { path, reason }),
        };
        match access::stranger(&metadata) {
            Some(Stranger::Writer(whom)) => return Err(ProfileError::Writable { path, whom }),
            Some(Stranger::Owner(owner)) => return Err(ProfileError::Foreign { path, owner }),
            None => {}
        }
        match file::parse(&path.display().to_string(), &bytes, home::home().as_deref()) {
            (all, report) if !report.has_errors() => Ok(Some(Profiles { path, all })),
            (_, report) => Err(ProfileError::Refused { path, report }),
        }
    }

    /// The profile of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Profile> {
        self.all.iter().find(|profile| profile.name == name)
    }

    /// All names, for a message.
    pub(super) fn names(&self) -> String {
        self.all.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// `$XDG_CONFIG_HOME/knock/config.toml`, where that is absolute, as the XDG Base Directory Specification has it, or
/// `~/.config/knock/config.toml`.
pub(super) fn usual_path() -> Option<PathBuf> {
    let directory = home::directory("XDG_CONFIG_HOME", ".config")?;
    Some(directory.join("knock").join("config.toml"))
}

/// What is in a file, and what was known of it when it was opened.
fn read(path: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    // A pipe that nobody writes to would hold us up for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    Ok((bytes, metadata))
}
