//! seqgen(1): makes one-time port-knock sequences, and checks files of them.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
