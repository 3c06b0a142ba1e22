//! `knockd --check`: what a start would say, without starting.

use std::io::{self, IsTerminal, Write};

use super::args::Args;
use super::failure::Failure;
use super::setup::Setup;
use crate::logging::for_terminal;
use crate::open::pad_words;

/// Prints every problem of the configuration, and what its pads hold.
pub(super) fn check(args: &Args) -> Result<(), Failure> {
    let setup = Setup::new(args)?;
    let (config, report) = setup.read_config()?;
    #[cfg(target_os = "linux")]
    crate::sandbox::Identity::find(config.options.user.as_deref())?;
    // A closed standard output or error is the caller's choice.
    let _ = write!(io::stderr(), "{}", report.render(io::stderr().is_terminal()));
    let mut out = io::stdout();
    for door in &config.doors {
        for words in pad_words(door) {
            let _ = writeln!(out, "{}", for_terminal(&format!("{}: {words}", door.name)));
        }
    }
    let plural = if config.doors.len() == 1 { "" } else { "s" };
    let _ = writeln!(
        out,
        "{}: good, {} door{plural} on {}",
        for_terminal(&args.config.display().to_string()),
        config.doors.len(),
        setup.interfaces(&config).join(", ")
    );
    Ok(())
}
