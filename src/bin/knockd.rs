//! knockd(8): arguments in, exit code out.

use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;

use clap::Parser;
use knockd::daemon::{Args, run};
use knockd::logging::for_terminal;

fn main() -> ExitCode {
    let Err(failure) = run(&Args::parse()) else { return ExitCode::SUCCESS };
    let mut err = stderr();
    // With standard error closed there is nobody to tell; the exit code remains.
    if let Some(report) = failure.report() {
        let _ = write!(err, "{}", report.render(err.is_terminal()));
    }
    let _ = writeln!(err, "knockd: {}", for_terminal(&failure.to_string()));
    ExitCode::from(failure.exit_code())
}
