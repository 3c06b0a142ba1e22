//! knock(1): arguments in, exit code out.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;
use knockd::client::{self, Args, Console};

fn main() -> ExitCode {
    let watched = io::stderr().is_terminal();
    let (mut out, mut err) = (io::stdout(), io::stderr());
    client::main(Args::parse(), &mut Console::new(&mut out, &mut err, watched)).into()
}
