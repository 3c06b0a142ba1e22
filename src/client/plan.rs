//! What a command line comes to.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use seqgen::generate::Impossible;
use seqgen::sequence::{Protocol, Step};

use super::args::Args;
use super::key::{Counting, KeySource, Sender, Wanted};
use super::outlet::Outlet;
use super::profiles::{Profile, ProfileError, Profiles};
use super::resolve::{Family, is_numeric};
use super::wait::Wait;

/// The pause between two hits where nobody says, in milliseconds.
const DELAY: u32 = 10;

/// What is to be done, in the client's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Name or address of the host, as it was typed or stands in the profile.
    pub host: String,
    /// Which of its addresses will do.
    pub family: Family,
    /// How packets leave this host.
    pub outlet: Outlet,
    /// Where the ports come from.
    pub source: Source,
    /// The pause between two hits.
    pub delay: Duration,
    /// The port that is shut before the knock and open after it, if one is to be tried.
    pub wait: Option<Wait>,
    /// How many knocks may follow the first one until that port is open.
    pub retries: u8,
    /// What runs afterwards: a program and its arguments, or nothing.
    pub command: Vec<OsString>,
    /// Whether every hit is announced.
    pub verbose: bool,
    /// Whether nothing but errors is said.
    pub quiet: bool,
    /// Whether everything is only shown.
    pub dry_run: bool,
}

/// Where the ports of a knock come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line or a profile; never empty.
    Ports(Vec<Step>),
    /// The next live lines of a pad.
    Pad {
        /// Where it lies.
        path: PathBuf,
        /// Whether a knock is two lines of it, so that a daemon finds a client that is far ahead.
        resync: bool,
    },
    /// A key.
    Key(KeySource),
}

impl Source {
    /// How many lines of a pad one knock takes.
    pub(super) fn lines(resync: bool) -> usize {
        if resync { 2 } else { 1 }
    }
}

/// What does not go together, for which clap has no rule.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Misuse {
    #[error("--retry needs --wait: without a port to try nobody can tell whether to knock again")]
    RetryWithoutWait,
    #[error("--resync needs --file or --key: it takes two one-time sequences in a row")]
    ResyncWithoutPad,
    #[error(
        "--resync does not go with steps of time: the clock says which sequence is next, so no knock that was lost puts \
         anybody ahead"
    )]
    ResyncWithTime,
    #[error("--counter does not go with steps of time: the clock says which sequence is next")]
    CounterWithTime,
    #[error(
        "--udp does not go with the pad or key of this profile: the sequence itself says what is expected"
    )]
    UdpWithPad,
    #[error("{0} needs --key: it says what is to be derived from the key")]
    WithoutKey(&'static str),
    #[error("no sequence can look like that: {0}")]
    Form(Impossible),
    #[error("--as {0} is not of the family that is to be knocked over, {1}")]
    SenderFamily(IpAddr, Family),
    #[error(
        "--wait cannot try port {0}, which is one of the ports that are hit: trying it would be another hit"
    )]
    WaitForHit(u16),
    #[error("--source {0} is not of the family that is to be knocked over, {1}")]
    SourceFamily(IpAddr, Family),
    #[error(
        "the profile `{0}` has neither `file` nor `key` nor `ports`: add one, or give <PORT[:tcp|udp]>, --file <FILE> or \
         --key <FILE>"
    )]
    EmptyProfile(String),
    #[error("`{0}` needs ports to hit, <PORT[:tcp|udp]>, or --file <FILE> or --key <FILE>")]
    NoPorts(String),
    #[error(
        "`{host}` is no profile in {path} ({names}), and a host needs ports to hit, <PORT[:tcp|udp]>, or --file <FILE> \
         or --key <FILE>"
    )]
    NoProfile { host: String, path: String, names: String },
}

impl From<Misuse> for clap::Error {
    fn from(misuse: Misuse) -> clap::Error {
        let kind = match misuse {
            Misuse::EmptyProfile(_) | Misuse::NoPorts(_) | Misuse::NoProfile { .. } => {
                ErrorKind::MissingRequiredArgument
            }
            _ => ErrorKind::ArgumentConflict,
        };
        Args::command().error(kind, misuse)
    }
}

/// Why a command line comes to nothing.
#[derive(Debug)]
pub(super) enum PlanError {
    Usage(clap::Error),
    Profiles(ProfileError),
}

impl From<Misuse> for PlanError {
    fn from(misuse: Misuse) -> PlanError {
        PlanError::Usage(misuse.into())
    }
}

impl Plan {
    /// What `args` come to, with the profile that they name, if they do.
    pub(super) fn of(args: Args) -> Result<Plan, PlanError> {
        let host = args.host.clone().unwrap_or_default();
        // An address is never a profile, so that somebody who knows one gets along without the file.
        if args.config.is_none() && is_numeric(&host) {
            return Ok(Plan::with(host, args, None)?);
        }
        let complete = args.file.is_some() || args.key.is_some() || !args.ports.is_empty();
        let profiles = match Profiles::load(args.config.as_deref()) {
            // With somebody else's home directory, as under sudo, whatever is said in full works all the same.
            Err(error) if error.says_nothing() && args.config.is_none() && complete => None,
            loaded => loaded.map_err(PlanError::Profiles)?,
        };
        let profile = profiles.as_ref().and_then(|profiles| profiles.find(&host));
        match (profile, &profiles) {
            (None, Some(profiles)) if !complete => {
                let (path, names) = (profiles.path.display().to_string(), profiles.names());
                Err(Misuse::NoProfile { host, path, names }.into())
            }
            _ => Ok(Plan::with(host, args, profile)?),
        }
    }

    fn with(host: String, args: Args, profile: Option<&Profile>) -> Result<Plan, Misuse> {
        let source = source(&args, &host, profile)?;
        let address = args.source.or(profile.and_then(|profile| profile.source));
        let family = match (args.ipv4, args.ipv6, args.both) {
            (true, _, _) => Family::V4,
            (_, true, _) => Family::V6,
            (_, _, true) => Family::Both,
            _ => profile.and_then(|profile| profile.family).unwrap_or(Family::Any),
        };
        let family = family_from(address, family).map_err(|source| Misuse::SourceFamily(source, family))?;
        let family = match &source {
            Source::Key(KeySource { sender: Sender::As(sender), .. }) => {
                family_from(Some(*sender), family).map_err(|sender| Misuse::SenderFamily(sender, family))?
            }
            _ => family,
        };
        let wait = args.wait.or(profile.and_then(|profile| profile.wait));
        let retries = args.retry.or(profile.and_then(|profile| profile.retry)).unwrap_or(0);
        if retries > 0 && wait.is_none() {
            return Err(Misuse::RetryWithoutWait);
        }
        if let (Some(Wait { port, .. }), Source::Ports(steps)) = (wait, &source)
            && steps.contains(&Step { port, protocol: Protocol::Tcp })
        {
            return Err(Misuse::WaitForHit(port.get()));
        }
        let interface = args.interface.or_else(|| profile.and_then(|profile| profile.interface.clone()));
        let delay = args.delay.or(profile.and_then(|profile| profile.delay)).unwrap_or(DELAY);
        Ok(Plan {
            host: profile.map_or(host, |profile| profile.address.clone()),
            family,
            outlet: Outlet { interface, source: address },
            source,
            delay: Duration::from_millis(delay.into()),
            wait,
            retries,
            command: args.command,
            verbose: args.verbose,
            quiet: args.quiet,
            dry_run: args.dry_run,
        })
    }
}

/// Where the ports come from: the command line, or else the profile.
fn source(args: &Args, host: &str, profile: Option<&Profile>) -> Result<Source, Misuse> {
    let pad = |path: &Path| Source::Pad { path: path.to_owned(), resync: args.resync };
    let ports = |steps: Vec<Step>, udp: bool| {
        let over = |step: Step| if udp { Step { protocol: Protocol::Udp, ..step } } else { step };
        Source::Ports(steps.into_iter().map(over).collect())
    };
    let source = if let Some(path) = &args.file {
        pad(path)
    } else if let Some(path) = &args.key {
        key(path, args, profile)?
    } else if !args.ports.is_empty() {
        ports(args.ports.iter().flat_map(|ports| ports.0.clone()).collect(), args.udp)
    } else {
        match profile {
            Some(Profile { file: Some(_), .. } | Profile { key: Some(_), .. }) if args.udp => {
                return Err(Misuse::UdpWithPad);
            }
            Some(Profile { file: Some(path), .. }) => pad(path),
            Some(Profile { key: Some(path), .. }) => key(path, args, profile)?,
            Some(Profile { ports: Some(steps), udp, .. }) => ports(steps.clone(), args.udp || *udp),
            Some(Profile { .. }) => return Err(Misuse::EmptyProfile(host.to_owned())),
            None => return Err(Misuse::NoPorts(host.to_owned())),
        }
    };
    if args.resync && matches!(source, Source::Ports(_)) {
        return Err(Misuse::ResyncWithoutPad);
    }
    match (&source, key_option(args)) {
        (Source::Ports(_) | Source::Pad { .. }, Some(option)) => Err(Misuse::WithoutKey(option)),
        _ => Ok(source),
    }
}

/// The key at `path`, with what the command line says of it, or else the profile.
fn key(path: &Path, args: &Args, profile: Option<&Profile>) -> Result<Source, Misuse> {
    let said = profile.map(|profile| &profile.derived);
    let counting = match args.step.or(said.and_then(|said| said.step)) {
        Some(_) if args.resync => return Err(Misuse::ResyncWithTime),
        Some(_) if args.counter.is_some() => return Err(Misuse::CounterWithTime),
        Some(step) => Counting::Time(step),
        None => Counting::Knocks { from: args.counter },
    };
    let sender = match (args.sender, args.unbound, said) {
        (Some(address), _, _) => Sender::As(address),
        (None, true, _) => Sender::Anybody,
        (None, false, Some(said)) => said.sender,
        (None, false, None) => Sender::Ours,
    };
    let wanted = Wanted {
        length: args.length,
        proto: args.proto,
        ranges: args.ranges.clone(),
        exclude: args.exclude.clone(),
    };
    let wanted = said.map_or_else(|| wanted.clone(), |said| wanted.clone().or(&said.wanted));
    Ok(Source::Key(KeySource {
        path: path.to_owned(),
        label: args.label.clone().or(said.and_then(|said| said.label.clone())),
        counting,
        sender,
        form: wanted.form().map_err(Misuse::Form)?,
        resync: args.resync,
    }))
}

/// The first option of the command line that means nothing without a key.
fn key_option(args: &Args) -> Option<&'static str> {
    [
        (args.label.is_some(), "--label"),
        (args.step.is_some(), "--step"),
        (args.counter.is_some(), "--counter"),
        (args.sender.is_some(), "--as"),
        (args.unbound, "--unbound"),
        (args.length.is_some(), "--length"),
        (args.proto.is_some(), "--proto"),
        (args.ranges.is_some(), "--ports"),
        (args.exclude.is_some(), "--exclude"),
    ]
    .into_iter()
    .find_map(|(given, option)| given.then_some(option))
}

/// The family that is wanted where packets are to leave from `source`, which must be of it.
fn family_from(source: Option<IpAddr>, wanted: Family) -> Result<Family, IpAddr> {
    match (source, wanted) {
        (None, _) => Ok(wanted),
        (Some(IpAddr::V4(_)), Family::Any | Family::V4) => Ok(Family::V4),
        (Some(IpAddr::V6(_)), Family::Any | Family::V6) => Ok(Family::V6),
        (Some(source), _) => Err(source),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
