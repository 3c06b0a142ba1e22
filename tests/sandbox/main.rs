//! Processes that give up everything but the capture loop, and then try to do more.
//!
//! This program runs itself again as such a process, which must have a single thread; a process of libtest has two.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails a test panics")]

mod child;
mod deeds;
mod given_up;
mod kept;
mod lacking;
mod life;
mod parent;
mod wire;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, plan @ ..] = arguments.as_slice()
        && role == child::ROLE
    {
        child::run(plan);
        return ExitCode::SUCCESS;
    }
    let tests: Vec<Trial> =
        [given_up::tests(), deeds::tests(), wire::tests(), life::tests(), lacking::tests(), kept::tests()]
            .into_iter()
            .flatten()
            .collect();
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
