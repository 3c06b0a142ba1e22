//! The daemon's life: start, events, reload, end; and the ways to try a configuration without one.

mod args;
#[cfg(target_os = "linux")]
mod capture_thread;
#[cfg(target_os = "linux")]
mod changes;
mod check;
mod counter_wish;
#[cfg(target_os = "linux")]
mod detach;
#[cfg(target_os = "linux")]
mod events;
mod failure;
#[cfg(target_os = "linux")]
mod inherited;
mod init_counter;
#[cfg(target_os = "linux")]
mod life;
#[cfg(target_os = "linux")]
mod names;
#[cfg(target_os = "linux")]
mod nft_sets;
#[cfg(target_os = "linux")]
mod notify;
#[cfg(target_os = "linux")]
mod pad_watch;
#[cfg(target_os = "linux")]
mod pidfile;
mod read;
mod setup;
#[cfg(target_os = "linux")]
mod status;

#[cfg(target_os = "linux")]
use crate::capture;
pub use args::Args;
pub use counter_wish::{InitCounter, InitFailure};
pub use failure::Failure;

#[cfg(target_os = "linux")]
pub use pad_watch::PadWatch;
#[cfg(target_os = "linux")]
pub use pidfile::PidFileError;
#[cfg(target_os = "linux")]
pub use status::Unanswered;

/// Does what the command line asks for, until it is done or the daemon is told to end.
pub fn run(args: &Args) -> Result<(), Failure> {
    if let Some(wish) = &args.init_counter {
        return init_counter::init_counter(args, wish);
    }
    match &args.read {
        #[cfg(target_os = "linux")]
        _ if args.capture => Ok(capture::run(None)?),
        #[cfg(target_os = "linux")]
        _ if args.status => status::ask(args),
        _ if args.check => check::check(args),
        Some(path) => read::read(args, path),
        #[cfg(target_os = "linux")]
        None if args.daemon && !args.detached => life::detached(),
        #[cfg(target_os = "linux")]
        None => life::live(args),
        #[cfg(not(target_os = "linux"))]
        None => Err(Failure::NotLinux),
    }
}
