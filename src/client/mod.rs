//! The client, knock(1): finds the host and a way to it, takes a sequence, and hits its ports in order.
//!
//! What can go wrong without a packet comes first, so that a mistyped host or an unplugged cable never costs a
//! line of a pad.

mod access;
mod args;
mod command;
mod console;
mod home;
mod key;
#[cfg(unix)]
mod link;
mod outlet;
mod pad;
mod plan;
mod ports;
mod profiles;
mod resolve;
mod route;
mod send;
mod shell;
mod wait;
mod ways;

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Instant;

use seqgen::sequence::{Sequence, Step};

pub use args::Args;
pub use console::Console;
pub use key::{Counting, KeySource, Sender, StepSeconds};
pub use outlet::Outlet;
pub use plan::{Plan, Source};
pub use resolve::Family;
pub use wait::{Wait, WaitError};

use key::{CounterError, KeyError, Numbers, Used};
use pad::PadError;
use plan::PlanError;
use profiles::{ProfileError, Profiles};
use resolve::Address;
use route::NoWay;

/// How a knock ended, as a shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every hit was sent (or, in a dry run, shown), or the port that was to be waited for is open: exit code 0.
    Done,
    /// Something failed, and why was said: exit code 1.
    Failed,
    /// The command line or the profiles make no sense, and why was said: exit code 2.
    Misused,
    /// The pad holds no live sequence any more, or too few, or the key's counter is at its end: exit code 3.
    UsedUp,
    /// The port that was waited for is still shut: exit code 4.
    Shut,
    /// A command ran afterwards and ended so, or could not be run: 127 where there is none of its name, otherwise 126.
    Command(u8),
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::Misused => 2,
            Outcome::UsedUp => 3,
            Outcome::Shut => 4,
            Outcome::Command(code) => code,
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
    Key(#[from] KeyError),
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
            Error::Key(KeyError::Counter(CounterError::UsedUp { .. })) => Outcome::UsedUp,
            Error::Key(KeyError::Counter(CounterError::Lower { .. })) => Outcome::Misused,
            Error::Shut { .. } => Outcome::Shut,
            _ => Outcome::Failed,
        }
    }
}

/// Does what `args` ask for, saying on `console` what there is to say, and tells how it ended.
pub fn main(args: Args, console: &mut Console) -> Outcome {
    let done = if args.list { list(&args, console) } else { Plan::of(args).map(|plan| run(&plan, console)) };
    done.unwrap_or_else(|error| {
        match error {
            PlanError::Usage(error) => console.usage(&error),
            PlanError::Profiles(ProfileError::Refused { path, report }) => console.report(&path, &report),
            PlanError::Profiles(error) => console.error(error),
        }
        Outcome::Misused
    })
}

fn list(args: &Args, console: &mut Console) -> Result<Outcome, PlanError> {
    match Profiles::load(args.config.as_deref()).map_err(PlanError::Profiles)? {
        Some(profiles) => profiles::list(&profiles, console),
        None => match profiles::usual_path() {
            Some(path) => console.note(format_args!("no profiles: there is no {}", path.display())),
            None => console.note("no profiles: the home directory is not known"),
        },
    }
    Ok(Outcome::Done)
}

/// Carries out `plan`, saying on `console` what there is to say, and tells how it ended.
pub fn run(plan: &Plan, console: &mut Console) -> Outcome {
    if plan.quiet {
        console.hush();
    }
    let mut used = Used::default();
    match carry_out(plan, &mut used, console) {
        Ok(()) if plan.dry_run => Outcome::Done,
        Ok(()) => command::run(&plan.command, console),
        Err(error) => {
            console.error(&error);
            if let Error::Shut { address, .. } = error {
                speak_of_nat(plan, address, true, console);
            }
            Outcome::from(&error)
        }
    }
}

fn carry_out(plan: &Plan, used: &mut Used, console: &mut Console) -> Result<(), Error> {
    let addresses = ways::find(plan, console)?;
    match plan.wait {
        Some(wait) if !plan.dry_run => return open(plan, wait, addresses, used, console),
        _ => knock(plan, &addresses, used, console)?,
    }
    if plan.wait.is_none() {
        for &address in &addresses {
            speak_of_nat(plan, address, false, console);
        }
    }
    if plan.dry_run {
        show_rest(plan, &addresses, console);
    }
    Ok(())
}

/// What would follow the hits.
fn show_rest(plan: &Plan, addresses: &[Address], console: &mut Console) {
    if let Some(Wait { port, patience }) = plan.wait {
        for address in addresses {
            let seconds = patience.as_secs();
            console.line(format_args!("would wait up to {seconds} s for tcp {address}:{port}"));
        }
    }
    if !plan.command.is_empty() {
        let words: Vec<_> = plan.command.iter().map(|word| word.to_string_lossy()).collect();
        console.line(format_args!("would run {}", words.join(" ")));
    }
}

/// Knocks where the port is shut, and again as often as is allowed, until it is open everywhere.
fn open(
    plan: &Plan,
    wait: Wait,
    addresses: Vec<Address>,
    used: &mut Used,
    console: &mut Console,
) -> Result<(), Error> {
    let port = wait.port.get();
    let (stand, mut shut): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| wait::glance(address.at(port), &plan.outlet).is_ok());
    if plan.verbose {
        for address in stand {
            console.note(format_args!("tcp {address}:{port} is open already: not knocking"));
        }
    }
    let mut knocks = 0;
    while !shut.is_empty() {
        knock(plan, &shut, used, console)?;
        knocks += 1;
        let mut still = still_shut(plan, wait, &shut, console);
        shut = still.iter().map(|(address, _)| *address).collect();
        if knocks <= usize::from(plan.retries) {
            for address in &shut {
                console.note(format_args!("tcp {address}:{port} is still shut: knocking again"));
            }
        } else if let Some((address, reason)) = still.pop() {
            return Err(Error::Shut { address, wait, knocks, reason });
        }
    }
    Ok(())
}

/// Waits until the port has been open at all addresses: those where it is not in time, and why.
fn still_shut(plan: &Plan, wait: Wait, at: &[Address], console: &mut Console) -> Vec<(Address, io::Error)> {
    let start = Instant::now();
    let console = RefCell::new(console);
    let port = wait.port.get();
    let shut = at.iter().map(|&address| wait::Shut::new(address, address.at(port))).collect();
    let tick = |address: &Address| {
        let (passed, all) = (start.elapsed().as_secs(), wait.patience.as_secs());
        console.borrow_mut().progress(format_args!("waiting for tcp {address}:{port}, {passed} s of {all}"));
    };
    let opened = |address: &Address| {
        if plan.verbose {
            let passed = start.elapsed().as_millis();
            console
                .borrow_mut()
                .note(format_args!("tcp {address}:{port} is open, {passed} ms after the knock"));
        }
    };
    let left = wait::until_open(shut, &plan.outlet, start + wait.patience, tick, opened);
    console.borrow_mut().clear_progress();
    left.into_iter().map(|shut| (shut.name, shut.reason)).collect()
}

/// Hits the ports at each address, or takes what that needs out of the pad or the key and hits it: no two addresses get
/// the same sequences, as each is good for one opening.
fn knock(plan: &Plan, addresses: &[Address], used: &mut Used, console: &mut Console) -> Result<(), Error> {
    match &plan.source {
        Source::Ports(steps) => {
            let outcomes: Vec<_> =
                addresses.iter().map(|&address| hit(plan, address, steps, &plan.outlet, console)).collect();
            one_will_do(outcomes, console)
        }
        Source::Pad { path, resync } => {
            let each = Source::lines(*resync);
            let all = each * addresses.len();
            let page =
                if plan.dry_run { pad::peek(path, all, console) } else { pad::take(path, all, console) }?;
            let outcomes: Vec<_> = page
                .sequences
                .chunks(each)
                .zip(addresses)
                .map(|(lines, &address)| {
                    let steps: Vec<Step> = lines.iter().flat_map(Sequence::steps).copied().collect();
                    hit(plan, address, &steps, &plan.outlet, console)
                })
                .collect();
            let outcome = one_will_do(outcomes, console);
            if page.left < pad::FEW {
                console.note(pad::left_in(page.left, path));
            }
            outcome
        }
        Source::Key(source) => {
            let bindings = addresses
                .iter()
                .map(|&address| binding(plan, source.sender, address).map(|bound| (address, bound)))
                .collect::<Result<Vec<_>, _>>()?;
            let mut numbers = key::take(source, addresses.len(), plan.dry_run, used, console)?;
            let outcomes: Vec<_> = bindings
                .into_iter()
                .map(|(address, bound)| {
                    knock_bound(plan, address, source.sender, bound, &mut numbers, console)
                })
                .collect();
            one_will_do(outcomes, console)
        }
    }
}

/// The address that what is sent to `address` is bound to, if it is to any.
fn binding(plan: &Plan, sender: Sender, address: Address) -> Result<Option<IpAddr>, NoWay> {
    match sender {
        Sender::Ours => route::own_address(&plan.host, address, &plan.outlet).map(Some),
        Sender::As(address) => Ok(Some(address)),
        Sender::Anybody => Ok(None),
    }
}

/// Hits what the next of `numbers` comes to.
fn knock_bound(
    plan: &Plan,
    address: Address,
    sender: Sender,
    bound: Option<IpAddr>,
    numbers: &mut Numbers,
    console: &mut Console,
) -> Result<(), Error> {
    let steps = numbers.steps(bound, plan.dry_run, console)?;
    // The system may have several addresses to choose from, and would be free to take another one for each hit.
    let source = bound.filter(|_| sender == Sender::Ours).or(plan.outlet.source);
    hit(plan, address, &steps, &Outlet { source, ..plan.outlet.clone() }, console)
}

/// Says that the server may see another address than the one that a sequence was bound to, where that is likely.
fn speak_of_nat(plan: &Plan, address: Address, shut: bool, console: &mut Console) {
    if let Source::Key(KeySource { sender: Sender::Ours, .. }) = &plan.source
        && let Ok(own) = route::own_address(&plan.host, address, &plan.outlet)
        && let Some(hint) = key::behind_nat(own, address.ip(), shut)
    {
        console.note(hint);
    }
}

/// What a knock has come to: it has failed if it has at every address, and else what went wrong is only told.
fn one_will_do(outcomes: Vec<Result<(), Error>>, console: &mut Console) -> Result<(), Error> {
    let some_went = outcomes.iter().any(Result::is_ok);
    for outcome in outcomes {
        match outcome {
            Err(error) if some_went => console.note(format_args!("{error}")),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
    }
    Ok(())
}

fn hit(
    plan: &Plan,
    address: Address,
    steps: &[Step],
    outlet: &Outlet,
    console: &mut Console,
) -> Result<(), Error> {
    if plan.dry_run {
        for &step in steps {
            console.line(format_args!("would hit {}", send::Hit { address, step }));
        }
        return Ok(());
    }
    send::send(steps, address, outlet, plan.delay, |hit| {
        if plan.verbose {
            console.line(format_args!("hitting {hit}"));
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(host: &str) -> Result<(), Error> {
        let unknown =
            resolve::ResolveError::Unknown { host: host.to_owned(), reason: io::Error::other("no") };
        Err(unknown.into())
    }

    #[test]
    fn a_knock_has_failed_if_it_has_at_every_address() {
        let judge = |outcomes| {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let outcome = one_will_do(outcomes, &mut Console::new(&mut out, &mut err, false));
            (outcome.map_err(|error| error.to_string()), String::from_utf8(err).unwrap())
        };
        assert_eq!(judge(vec![Ok(()), Ok(())]), (Ok(()), String::new()));
        let (outcome, said) = judge(vec![failed("one"), Ok(())]);
        assert_eq!(outcome, Ok(()));
        assert_eq!(said, "knock: cannot find the address of `one`: no\n");
        let (outcome, said) = judge(vec![failed("one"), failed("two")]);
        assert_eq!(
            (outcome.unwrap_err().as_str(), said.as_str()),
            ("cannot find the address of `one`: no", "")
        );
    }
}
