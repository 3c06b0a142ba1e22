//! The typed configuration: what is left once everything has been checked.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use seqgen::derive::{Form, Label, Mode};
use seqgen::sequence::Sequence;

use super::capabilities::Capabilities;
use super::command::Command;
use super::nft_set::NftSet;
use crate::flags::FlagRule;
use crate::networks::Networks;
use crate::track::Limit;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The `[options]` section.
    pub options: Options,
    /// The doors, in the order of the file.
    pub doors: Vec<Door>,
}

/// What concerns the daemon as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether to log to syslog.
    pub use_syslog: bool,
    /// The file to append log lines to.
    pub log_file: Option<PathBuf>,
    /// Where the daemon in the background keeps its process id; `None` where the file does not say.
    pub pid_file: Option<PathBuf>,
    /// Where the daemon keeps what must outlive it; `None` where the file does not say.
    pub state_dir: Option<PathBuf>,
    /// Where the counters of keys are kept; `None` where the file does not say.
    pub counter_dir: Option<PathBuf>,
    /// The interfaces to listen on; `None` where the file does not say.
    pub interfaces: Option<Vec<String>>,
    /// How many other ports end a source's attempts.
    pub scan_guard: ScanGuard,
    /// How many attempts are followed at most.
    pub max_sources: MaxSources,
    /// How long a command may run.
    pub command_timeout: CommandTimeout,
    /// The user as whom packets are read; `None` where the file does not say.
    pub user: Option<String>,
    /// How far the process that reads packets is confined.
    pub sandbox: Sandbox,
    /// What the daemon and its commands keep of root's power; `None` is all of it.
    pub capabilities: Option<Capabilities>,
}

/// Where the state is kept, unless the configuration says otherwise.
const STATE_DIR: &str = "/var/lib/knockd";

/// Where in the state directory the counters of keys are.
const COUNTERS: &str = "counters";

impl Options {
    /// Where the daemon keeps what it has to know after a restart.
    pub fn state_dir(&self) -> &Path {
        self.state_dir.as_deref().unwrap_or(Path::new(STATE_DIR))
    }

    /// Where the counters of keys are kept.
    pub fn counter_dir(&self) -> PathBuf {
        self.counter_dir.clone().unwrap_or_else(|| self.state_dir().join(COUNTERS))
    }
}

/// How many distinct ports besides those of a sequence end a source's attempt at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanGuard {
    /// What suits each sequence.
    #[default]
    Auto,
    /// The same for all.
    Strays(u16),
    /// None does.
    Off,
}

impl ScanGuard {
    /// The limit for this sequence.
    pub fn limit(self, sequence: &Sequence) -> Option<Limit> {
        match self {
            ScanGuard::Auto => Limit::auto(sequence),
            ScanGuard::Strays(strays) => Limit::of(strays, sequence),
            ScanGuard::Off => None,
        }
    }
}

/// As `scan_guard` takes it.
impl fmt::Display for ScanGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScanGuard::Auto => f.write_str("auto"),
            ScanGuard::Strays(strays) => strays.fmt(f),
            ScanGuard::Off => f.write_str("off"),
        }
    }
}

/// How many attempts are followed at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxSources(pub u32);

impl MaxSources {
    /// The fewest that make sense: one person with a few doors.
    pub const FEWEST: u32 = 16;
    /// The most that the daemon makes room for.
    pub const MOST: u32 = 16_777_216;
}

impl Default for MaxSources {
    fn default() -> MaxSources {
        MaxSources(65_536)
    }
}

/// How long a command may run before it is ended with its process group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandTimeout(pub Duration);

impl CommandTimeout {
    /// The shortest that a command can be given.
    pub const SHORTEST: Duration = Duration::from_secs(1);
    /// The longest: what runs for more than a day is a service, not a command.
    pub const LONGEST: Duration = Duration::from_secs(86_400);
}

impl Default for CommandTimeout {
    fn default() -> CommandTimeout {
        CommandTimeout(Duration::from_secs(60))
    }
}

/// What happens when the process that reads packets does what it has no need for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// It is killed.
    #[default]
    Strict,
    /// The kernel logs it.
    Log,
    /// Nothing: it is but an unprivileged user's process.
    Off,
}

impl Sandbox {
    /// All of them.
    pub(super) const ALL: [Sandbox; 3] = [Sandbox::Strict, Sandbox::Log, Sandbox::Off];
}

/// As `sandbox` takes it.
impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sandbox::Strict => "strict",
            Sandbox::Log => "log",
            Sandbox::Off => "off",
        })
    }
}

/// One configured door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Its section's name.
    pub name: String,
    /// What opens it.
    pub trigger: Trigger,
    /// How long a sequence may take, from its first hit.
    pub seq_timeout: Duration,
    /// Which TCP packets count.
    pub flags: FlagRule,
    /// The destination that counts in place of this host's own addresses.
    pub target: Option<IpAddr>,
    /// Whose hits it sees; `None` is everybody's.
    pub allow: Option<Networks>,
    /// What opens it, for each family; `None` does nothing.
    pub start: PerFamily<Option<Command>>,
    /// The set that opens it in the place of a command, for each family; with one there is a `stop`.
    pub nft_set: PerFamily<Option<NftSet>>,
    /// What closes it again, if anything does.
    pub stop: Option<Stop>,
    /// What a knock does while the door is open for who knocks; without a stop no door stays open.
    pub reknock: Reknock,
}

/// What opens a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Always the same sequence.
    Static(Sequence),
    /// The lines of a pad, each once.
    OneTime(PadSource),
    /// What follows from a key, each once.
    Key(KeySource),
}

/// Where a door's sequences come from that follow from a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    /// A file, or a directory whose `NAME.key` files are one person's key each.
    pub path: PathBuf,
    /// The name that is worked into each sequence; `None` is the key file's own, or the empty one.
    pub label: Option<Label>,
    /// What is counted.
    pub mode: Mode,
    /// Whether a sequence is good for one address only, the one that it was derived for.
    pub bind: bool,
    /// What the sequences look like.
    pub form: Arc<Form>,
    /// How many sequences from the next one on are armed at once; where time is counted it says nothing.
    pub window: NonZeroU16,
    /// How many beyond the window two in a row may be, to open the door all the same (RFC 4226 §7.4); 0 is off, and where
    /// time is counted it says nothing.
    pub resync: u16,
}

/// Where a door's one-time sequences come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PadSource {
    /// Files, or directories whose `NAME.pad` files are one person's pad each; at least one.
    pub paths: Vec<PathBuf>,
    /// How many unstruck lines of each pad are armed at once.
    pub window: NonZeroU16,
    /// How many lines beyond the window two in a row may be, to open the door all the same (RFC 4226 §7.4); 0 is off.
    pub resync: u16,
    /// With this many lines left or fewer a pad is said to run out; 0 never says so.
    pub low: u32,
    /// What runs each time that a pad comes down to that; nobody has knocked then, so it holds no `%IP%`.
    pub low_command: Option<Command>,
}

/// How a door closes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// How long after opening.
    pub after: Duration,
    /// With what, for each family; `None` does nothing, but for a set, whose addresses time out.
    pub command: PerFamily<Option<Command>>,
}

/// What a knock at a door does that is open already for who knocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reknock {
    /// The stop command runs, then the start command, and the time begins anew.
    #[default]
    Renew,
    /// The time begins anew, and no command runs.
    Extend,
    /// The start command runs again, and each opening is closed by itself, as with knockd 0.8.
    Run,
}

impl Reknock {
    /// All of them.
    pub(super) const ALL: [Reknock; 3] = [Reknock::Renew, Reknock::Extend, Reknock::Run];
}

/// As `reknock` takes it.
impl fmt::Display for Reknock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reknock::Renew => "renew",
            Reknock::Extend => "extend",
            Reknock::Run => "run",
        })
    }
}

/// One value for each address family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerFamily<T> {
    /// For IPv4 knockers.
    pub v4: T,
    /// For IPv6 knockers.
    pub v6: T,
}

impl<T> PerFamily<T> {
    /// The value for this address's family.
    pub fn get(&self, address: IpAddr) -> &T {
        match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        }
    }
}
