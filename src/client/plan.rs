//! What a command line comes to.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use seqgen::sequence::{Protocol, Step};

use super::args::Args;
use super::outlet::Outlet;
use super::resolve::Family;
use super::wait::Wait;

/// What is to be done, in the client's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Name or address of the host, as it was typed.
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
    /// The command line; never empty.
    Ports(Vec<Step>),
    /// The next live lines of a pad.
    Pad {
        /// Where it lies.
        path: PathBuf,
        /// Whether a knock is two lines of it, so that a daemon finds a client that is far ahead.
        resync: bool,
    },
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
    #[error("--resync needs --file: it takes two one-time sequences in a row")]
    ResyncWithoutPad,
    #[error(
        "--wait cannot try port {0}, which is one of the ports that are hit: trying it would be another hit"
    )]
    WaitForHit(u16),
    #[error("--source {0} is not of the family that is to be knocked over, {1}")]
    SourceFamily(IpAddr, Family),
}

impl From<Misuse> for clap::Error {
    fn from(misuse: Misuse) -> clap::Error {
        Args::command().error(ErrorKind::ArgumentConflict, misuse)
    }
}

impl TryFrom<Args> for Plan {
    type Error = clap::Error;

    fn try_from(args: Args) -> Result<Plan, clap::Error> {
        let over = |step: Step| if args.udp { Step { protocol: Protocol::Udp, ..step } } else { step };
        let source = match args.file {
            Some(path) => Source::Pad { path, resync: args.resync },
            None => Source::Ports(args.ports.into_iter().flat_map(|ports| ports.0).map(over).collect()),
        };
        if args.resync && matches!(source, Source::Ports(_)) {
            return Err(Misuse::ResyncWithoutPad.into());
        }
        let family = match (args.ipv4, args.ipv6, args.both) {
            (true, _, _) => Family::V4,
            (_, true, _) => Family::V6,
            (_, _, true) => Family::Both,
            _ => Family::Any,
        };
        let family = family_from(args.source, family)?;
        let retries = args.retry.unwrap_or(0);
        if retries > 0 && args.wait.is_none() {
            return Err(Misuse::RetryWithoutWait.into());
        }
        if let (Some(Wait { port, .. }), Source::Ports(steps)) = (args.wait, &source)
            && steps.contains(&Step { port, protocol: Protocol::Tcp })
        {
            return Err(Misuse::WaitForHit(port.get()).into());
        }
        Ok(Plan {
            host: args.host,
            family,
            outlet: Outlet { interface: args.interface, source: args.source },
            source,
            delay: Duration::from_millis(args.delay.into()),
            wait: args.wait,
            retries,
            verbose: args.verbose,
            quiet: args.quiet,
            dry_run: args.dry_run,
        })
    }
}

/// The family that is wanted where packets are to leave from `source`.
fn family_from(source: Option<IpAddr>, wanted: Family) -> Result<Family, Misuse> {
    match (source, wanted) {
        (None, _) => Ok(wanted),
        (Some(IpAddr::V4(_)), Family::Any | Family::V4) => Ok(Family::V4),
        (Some(IpAddr::V6(_)), Family::Any | Family::V6) => Ok(Family::V6),
        (Some(source), _) => Err(Misuse::SourceFamily(source, wanted)),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
