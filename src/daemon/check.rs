//! `knockd --check`: what a start would say, without starting.

use std::io::{self, IsTerminal, Write};

use super::args::Args;
use super::failure::Failure;
use super::setup::Setup;
use crate::config::{Config, Syntax, print};
use crate::logging::for_terminal;
use crate::open::{KeyOwners, key_words, pad_words};
#[cfg(target_os = "linux")]
use crate::open::{SetWord, look_at_sets};

/// Prints every problem of the configuration, and what its pads hold.
pub(super) fn check(args: &Args) -> Result<(), Failure> {
    let setup = Setup::new(args)?;
    let (config, report) = setup.read_config()?;
    #[cfg(target_os = "linux")]
    crate::sandbox::Identity::find(config.options.user.as_deref())?;
    // A closed standard output or error is the caller's choice.
    let _ = write!(io::stderr(), "{}", report.render(io::stderr().is_terminal()));
    let mut verdict: Box<dyn Write> = if args.show { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
    let (counters, mut owners) = (config.options.counter_dir(), KeyOwners::new());
    for door in &config.doors {
        for words in pad_words(door).into_iter().chain(key_words(door, &counters, &mut owners)) {
            let _ = writeln!(verdict, "{}", for_terminal(&format!("{}: {words}", door.name)));
        }
    }
    #[cfg(target_os = "linux")]
    for words in set_words(&config) {
        let _ = writeln!(verdict, "{}", for_terminal(&words));
    }
    let plural = if config.doors.len() == 1 { "" } else { "s" };
    let _ = writeln!(
        verdict,
        "{}: good, {} door{plural} on {}",
        for_terminal(&args.config.display().to_string()),
        config.doors.len(),
        setup.interfaces(&config).join(", ")
    );
    if !args.show {
        return Ok(());
    }
    let text = shown(args, &setup.effective(config)?)?;
    let mut out = io::stdout();
    for line in text.lines() {
        // What goes into a file is a configuration; what goes to a terminal must not control it.
        let line = if out.is_terminal() { for_terminal(line) } else { line.into() };
        let _ = writeln!(out, "{line}");
    }
    Ok(())
}

/// What there is to say of the sets of doors, by whoever may ask.
#[cfg(target_os = "linux")]
fn set_words(config: &Config) -> Vec<String> {
    let sets = config.doors.iter().flat_map(|door| [&door.nft_set.v4, &door.nft_set.v6]).flatten();
    if !rustix::process::geteuid().is_root() {
        let count = sets.count();
        let words = "sets of nftables are not looked at, which takes root";
        return (count > 0).then(|| words.to_owned()).into_iter().collect();
    }
    let good = "there, and takes addresses with a timeout";
    let say = |SetWord { door, set, trouble }| {
        format!("{door}: nft_set {set}: {}", trouble.as_deref().unwrap_or(good))
    };
    look_at_sets(&config.doors).into_iter().map(say).collect()
}

/// The configuration as TOML, which reads back as the same.
fn shown(args: &Args, config: &Config) -> Result<String, Failure> {
    let options = &config.options;
    let unset: Vec<&str> = [
        ("usesyslog", !options.use_syslog),
        ("logfile", options.log_file.is_none()),
        ("capabilities", options.capabilities.is_none()),
    ]
    .into_iter()
    .filter_map(|(name, is_unset)| is_unset.then_some(name))
    .collect();
    let unset = if unset.is_empty() { String::new() } else { format!("# Not set: {}.\n", unset.join(", ")) };
    let text = print(config, Syntax::Toml).map_err(|error| Failure::System {
        what: "the configuration cannot be shown",
        error: io::Error::other(error),
    })?;
    // A name that ends the comment would begin the configuration.
    let name = args.config.display().to_string().escape_debug().to_string();
    Ok(format!("# {name} as knockd {} takes it.\n{unset}\n{text}", env!("CARGO_PKG_VERSION")))
}
