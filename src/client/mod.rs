//! The client, knock(1): finds the host and a way to it, takes a sequence, and hits its ports in order.
//!
//! What can go wrong without a packet comes first, so that a mistyped host or an unplugged cable never costs a
//! line of a pad.

mod args;
mod console;
#[cfg(unix)]
mod link;
mod pad;
mod plan;
mod ports;
mod resolve;
mod route;
mod send;
mod wait;

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use seqgen::sequence::{Sequence, Step};

pub use args::Args;
pub use console::Console;
pub use plan::{Plan, Source};
pub use resolve::Family;
pub use wait::{Wait, WaitError};

use pad::PadError;
use resolve::Address;

/// How a knock ended, as a shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every hit was sent (or, in a dry run, shown), or the port that was to be waited for is open: exit code 0.
    Done,
    /// Something failed, and why was said: exit code 1.  Exit code 2, a usage error, is clap's.
    Failed,
    /// The pad holds no live sequence any more, or too few: exit code 3.
    UsedUp,
    /// The port that was waited for is still shut: exit code 4.
    Shut,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::UsedUp => 3,
            Outcome::Shut => 4,
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
    #[error("tcp {address}:{port} is still shut {} s after the {}: {reason}", .wait.patience.as_secs(), nth(*.knocks), port = .wait.port)]
    Shut { address: Address, wait: Wait, knocks: usize, reason: io::Error },
}

fn nth(knocks: usize) -> String {
    if knocks == 1 { "knock".to_owned() } else { format!("last of {knocks} knocks") }
}

impl From<&Error> for Outcome {
    fn from(error: &Error) -> Outcome {
        match error {
            Error::Pad(pad) if pad.is_used_up() => Outcome::UsedUp,
            Error::Shut { .. } => Outcome::Shut,
            _ => Outcome::Failed,
        }
    }
}

/// Carries out `plan`, saying on `console` what there is to say, and tells how it ended.
pub fn run(plan: &Plan, console: &mut Console) -> Outcome {
    if plan.quiet {
        console.hush();
    }
    match carry_out(plan, console) {
        Ok(()) => Outcome::Done,
        Err(error) => {
            console.error(&error);
            Outcome::from(&error)
        }
    }
}

fn carry_out(plan: &Plan, console: &mut Console) -> Result<(), Error> {
    let address = find_way(plan, console)?;
    match plan.wait {
        Some(wait) if !plan.dry_run => open(plan, wait, address, console),
        _ => {
            knock(plan, address, console)?;
            if let Some(Wait { port, patience }) = plan.wait {
                let seconds = patience.as_secs();
                console.line(format_args!("would wait up to {seconds} s for tcp {address}:{port}"));
            }
            Ok(())
        }
    }
}

/// Knocks if the port is shut, and again as often as is allowed, until it is open.
fn open(plan: &Plan, wait: Wait, address: Address, console: &mut Console) -> Result<(), Error> {
    let target = address.at(wait.port.get());
    if wait::is_open(target) {
        if plan.verbose {
            console.note(format_args!("tcp {address}:{} is open already: not knocking", wait.port));
        }
        return Ok(());
    }
    let mut knocks = 0;
    loop {
        knock(plan, address, console)?;
        knocks += 1;
        let start = Instant::now();
        let opened = wait::opens_by(target, start + wait.patience, || {
            let (passed, all) = (start.elapsed().as_secs(), wait.patience.as_secs());
            console.progress(format_args!("waiting for tcp {address}:{}, {passed} s of {all}", wait.port));
        });
        console.clear_progress();
        match opened {
            Ok(()) => {
                if plan.verbose {
                    let passed = start.elapsed().as_millis();
                    console.note(format_args!(
                        "tcp {address}:{} is open, {passed} ms after the knock",
                        wait.port
                    ));
                }
                return Ok(());
            }
            Err(reason) if knocks > plan.retries.into() => {
                return Err(Error::Shut { address, wait, knocks, reason });
            }
            Err(_) => console.note(format_args!("tcp {address}:{} is still shut: knocking again", wait.port)),
        }
    }
}

/// Hits the ports, or takes what a knock needs out of the pad and hits that.
fn knock(plan: &Plan, address: Address, console: &mut Console) -> Result<(), Error> {
    match &plan.source {
        Source::Ports(steps) => hit(plan, address, steps, console),
        Source::Pad { path, resync } => {
            let lines = Source::lines(*resync);
            let page =
                if plan.dry_run { pad::peek(path, lines, console) } else { pad::take(path, lines, console) }?;
            let steps: Vec<Step> = page.sequences.iter().flat_map(Sequence::steps).copied().collect();
            let outcome = hit(plan, address, &steps, console);
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
