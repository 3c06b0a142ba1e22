//! knockd(8): arguments in, exit code out.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use clap::Parser;
use knockd::daemon::{Args, Failure, run};

fn main() -> ExitCode {
    let Err(failure) = run(&Args::parse()) else { return ExitCode::SUCCESS };
    if let Failure::Refused { report, .. } = &failure {
        eprint!("{}", report.render(stderr().is_terminal()));
    }
    eprintln!("knockd: {failure}");
    ExitCode::from(failure.exit_code())
}
