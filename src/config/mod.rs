//! The daemon's configuration: from the text of a file to a typed [`Config`], or to every problem in it.
//!
//! A syntax (`classic`) turns text into one raw form (`raw`), and one checking step (`check`) turns that
//! into the configuration, so that no syntax has rules of its own.

mod check;
mod classic;
mod directives;
mod raw;
mod report;
mod schema;
mod values;

pub use report::{Problem, Report, Severity};
pub use schema::{Command, Config, Door, Options, PadSource, PerFamily, Stop, Trigger};

/// Reads a whole configuration from the bytes of the file called `name`.
///
/// The report holds the warnings where a configuration comes out, and every error where none does.
pub fn parse(name: &str, bytes: &[u8]) -> (Option<Config>, Report) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
            let end = valid.len();
            let problem = Problem::error(end..end, "a byte that is no UTF-8 text")
                .hint("save the file as UTF-8; a comment in another encoding is enough to cause this");
            return (None, Report::new(name, valid, vec![problem]));
        }
    };
    let (raw, mut problems) = classic::parse(text);
    let config = check::check(&raw, &mut problems);
    let report = Report::new(name, text.to_owned(), problems);
    ((!report.has_errors()).then_some(config), report)
}

#[cfg(test)]
mod tests;
