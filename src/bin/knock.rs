//! knock(1): arguments in, exit code out.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;
use knockd::client::{self, Args, Console, Plan};

fn main() -> ExitCode {
    let plan = Plan::try_from(Args::parse()).unwrap_or_else(|error| error.exit());
    let watched = io::stderr().is_terminal();
    client::run(&plan, &mut Console::new(&mut io::stdout(), &mut io::stderr(), watched)).into()
}
