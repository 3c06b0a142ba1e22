//! The client, knock(1): finds the host and a way to it, takes a sequence, and hits its ports in order.
//!
//! What can go wrong without a packet comes first, so that a mistyped host or an unplugged cable never costs a
//! line of a pad.

mod args;
mod console;
#[cfg(unix)]
mod link;
mod pad;
mod resolve;
mod route;
mod send;

use std::process::ExitCode;

use seqgen::sequence::Step;

pub use args::{Args, Plan, Source};
pub use console::Console;
pub use resolve::Family;

use pad::PadError;
use resolve::Address;

/// How a knock ended, as a shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every hit was sent (or, in a dry run, shown): exit code 0.
    Sent,
    /// Something failed, and why was said: exit code 1.  Exit code 2, a usage error, is clap's.
    Failed,
    /// The pad holds no live sequence any more: exit code 3.
    UsedUp,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Sent => 0,
            Outcome::Failed => 1,
            Outcome::UsedUp => 3,
        })
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Resolve(#[from] resolve::ResolveError),
    #[error(transparent)]
    Route(#[from] route::NoWay),
    #[error(transparent)]
    Pad(#[from] PadError),
    #[error(transparent)]
    Send(#[from] send::SendError),
}

/// Carries out `plan`, saying on `console` what there is to say, and tells how it ended.
pub fn run(plan: &Plan, console: &mut Console) -> Outcome {
    match knock(plan, console) {
        Ok(()) => Outcome::Sent,
        Err(error) => {
            console.note(&error);
            match error {
                Error::Pad(PadError::UsedUp { .. } | PadError::Unfinished { .. }) => Outcome::UsedUp,
                _ => Outcome::Failed,
            }
        }
    }
}

fn knock(plan: &Plan, console: &mut Console) -> Result<(), Error> {
    let address = find_way(plan, console)?;
    match &plan.source {
        Source::Ports(steps) => hit(plan, address, steps, console),
        Source::Pad(path) => {
            let page = if plan.dry_run { pad::peek(path, console) } else { pad::take(path, console) }?;
            let outcome = hit(plan, address, page.sequence.steps(), console);
            if page.left < pad::FEW {
                console.note(pad::left_in(page.left, path));
            }
            outcome
        }
    }
}

/// The first address of the host that fits the wanted family and can be reached from here.
fn find_way(plan: &Plan, console: &mut Console) -> Result<Address, Error> {
    let addresses = resolve::resolve(&plan.host, plan.family)?;
    let choice = route::choose(&plan.host, &addresses)?;
    if plan.verbose && (addresses.len() > 1 || !resolve::is_numeric(&plan.host)) {
        for (address, reason) in &choice.passed_over {
            console.note(format_args!("{}: passing over {address}: {reason}", plan.host));
        }
        console.note(format_args!("{}: chose {}", plan.host, choice.address));
    }
    Ok(choice.address)
}

fn hit(plan: &Plan, address: Address, steps: &[Step], console: &mut Console) -> Result<(), Error> {
    if plan.dry_run {
        for &step in steps {
            console.line(format_args!("would hit {}", send::Hit { address, step }));
        }
        return Ok(());
    }
    send::send(steps, address, plan.delay, |hit| {
        if plan.verbose {
            console.line(format_args!("hitting {hit}"));
        }
    })?;
    Ok(())
}
