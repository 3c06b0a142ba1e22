//! The daemon's configuration: from the file to a typed [`Config`], or to every problem in it.
//!
//! Two syntaxes (`classic` and `toml`) turn text into one raw form (`raw`), and one checking step (`check`)
//! turns that into the configuration, so that no syntax has rules of its own.

mod blank;
mod capabilities;
mod check;
mod classic;
mod command;
mod directives;
mod excerpt;
#[cfg(all(target_os = "linux", any(test, feature = "fuzzing")))]
pub(crate) mod fuzz;
mod load;
mod lookalike;
mod networks;
mod nft_set;
mod print;
mod raw;
mod schema;
mod toml;
mod values;

pub use crate::report::{Problem, Report, Severity};
pub use capabilities::Capabilities;
pub(crate) use check::is_interface_name;
pub use command::{Argv, Command};
pub use load::{LoadError, Unreadable, load};
pub(crate) use nft_set::Ip;
pub use nft_set::NftSet;
pub use print::{Inexpressible, print};
pub use schema::{
    CommandTimeout, Config, Door, KeySource, MaxSources, Options, PadSource, PerFamily, Reknock, Sandbox,
    ScanGuard, Stop, Trigger,
};

use crate::report::{fault, text};

use fault::Faults;

/// A way to write a configuration down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// That of knockd 0.8.
    Classic,
    /// TOML, with the same sections and directives.
    Toml,
}

impl Syntax {
    /// What a file of this name is written in: TOML where the name ends in `.toml`, otherwise what the text evidently
    /// is.
    fn of(name: &str, text: &str) -> Syntax {
        let suffix = std::path::Path::new(name).extension();
        let named = suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("toml"));
        if named || toml::is_evident(text) { Syntax::Toml } else { Syntax::Classic }
    }
}

/// Reads a whole configuration from the bytes of the file called `name`.
///
/// The report holds the warnings where a configuration comes out, and every error where none does.
pub fn parse(name: &str, bytes: &[u8]) -> (Option<Config>, Report) {
    let (text, config, faults) = read(name, bytes);
    let report = Report::new(name, &text, faults);
    (config.filter(|_| !report.has_errors()), report)
}

/// The text of these bytes, what it says as far as it can be told, and what is wrong with it.
fn read(name: &str, bytes: &[u8]) -> (String, Option<Config>, Faults) {
    let mut faults = Faults::default();
    let text = text::decode(bytes, &mut faults);
    let config = (!text.contains('\0')).then(|| {
        let sections = match Syntax::of(name, &text) {
            Syntax::Classic => classic::parse(&text, &mut faults),
            Syntax::Toml => toml::parse(&text, &mut faults),
        };
        check::check(&sections, &mut faults)
    });
    (text, config, faults)
}

#[cfg(test)]
mod tests;
