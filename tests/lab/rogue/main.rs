//! A daemon whose capture process was taken over by a packet: it does what the packet's port says.
//!
//! For tests alone: see `tests/lab/rogue.rs`.

#[cfg(target_os = "linux")]
mod deeds;
#[cfg(target_os = "linux")]
mod lies;
#[cfg(target_os = "linux")]
mod ports;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use clap::Parser;
    use knockd::{capture, daemon};

    let ended = if std::env::args().nth(1).as_deref() == Some("--capture") {
        deeds::remember_parent();
        capture::run(Some(seen)).map_err(|error| error.to_string())
    } else {
        daemon::run(&daemon::Args::parse()).map_err(|failure| failure.to_string())
    };
    let Err(words) = ended else { return ExitCode::SUCCESS };
    eprintln!("rogue: {words}");
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn seen(hit: &knockd::packet::Hit) {
    deeds::commit(hit.port.get());
    lies::tell(hit);
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
