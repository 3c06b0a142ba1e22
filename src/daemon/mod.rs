//! The daemon's life: start, events, reload, end; and the ways to try a configuration without one.

mod args;
mod check;
mod detach;
mod events;
mod failure;
mod life;
mod names;
mod pidfile;
mod read;
mod setup;

pub use args::Args;
pub use failure::Failure;
pub use pidfile::PidFileError;

/// Does what the command line asks for, until it is done or the daemon is told to end.
pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.read {
        _ if args.check => check::check(args),
        Some(path) => read::read(args, path),
        None if args.daemon && !args.detached => life::detached(),
        None => life::live(args),
    }
}
