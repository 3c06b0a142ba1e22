//! knock(1): arguments in, exit code out.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use knockd::client::{self, Args, Console};

fn main() -> ExitCode {
    let plan = Args::parse().into();
    client::run(&plan, &mut Console::new(&mut io::stdout(), &mut io::stderr())).into()
}
