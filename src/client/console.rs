//! Where the client speaks: results on one writer, remarks, errors and progress on the other.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use crate::report::Report;

/// The client's two outputs.
///
/// A closed or full output is no reason to stop in the middle of a sequence that is already struck, so what
/// cannot be written is left out.
pub struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// Whether somebody watches, so that a line may be written again and again.
    watched: bool,
    quiet: bool,
    /// How wide the progress is that stands on the screen now.
    progress: usize,
}

impl<'a> Console<'a> {
    /// Results go to `out`, remarks and errors to `err`, and progress, too, if that is a terminal: `watched`.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, watched: bool) -> Console<'a> {
        Console { out, err, watched, quiet: false, progress: 0 }
    }

    /// From now on only errors are said.
    pub(super) fn hush(&mut self) {
        self.quiet = true;
    }

    /// A line of result, as it stands.
    pub(super) fn line(&mut self, text: impl Display) {
        self.clear_progress();
        if !self.quiet {
            let _ = writeln!(self.out, "{text}");
        }
    }

    /// A remark, under the program's name.
    pub(super) fn note(&mut self, text: impl Display) {
        if !self.quiet {
            self.error(text);
        }
    }

    /// An error, under the program's name.
    pub(super) fn error(&mut self, text: impl Display) {
        self.clear_progress();
        let _ = writeln!(self.err, "knock: {text}");
    }

    /// An error of the command line, as clap shows it.
    pub(super) fn usage(&mut self, error: &clap::Error) {
        let text = error.render();
        let _ = if self.colour() { write!(self.err, "{}", text.ansi()) } else { write!(self.err, "{text}") };
    }

    /// What is wrong with the file at `path`.
    pub(super) fn report(&mut self, path: &Path, report: &Report) {
        let _ = write!(self.err, "{}", report.render(self.colour()));
        self.error(format_args!("the profiles in {} cannot be used; nothing was sent", path.display()));
    }

    /// See <https://no-color.org>.
    fn colour(&self) -> bool {
        self.watched && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// What is going on, in place of what was going on before.
    pub(super) fn progress(&mut self, text: impl Display) {
        if self.watched && !self.quiet {
            let text = format!("knock: {text}");
            let _ = write!(self.err, "\r{text:<width$}", width = self.progress);
            let _ = self.err.flush();
            self.progress = text.chars().count();
        }
    }

    /// Leaves an empty line where the progress stood.
    pub(super) fn clear_progress(&mut self) {
        if self.progress > 0 {
            let _ = write!(self.err, "\r{:width$}\r", "", width = self.progress);
            let _ = self.err.flush();
            self.progress = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(watched: bool, say: impl FnOnce(&mut Console)) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        say(&mut Console::new(&mut out, &mut err, watched));
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn keeps_results_and_remarks_apart() {
        let (out, err) = said(true, |console| {
            console.line("hitting");
            console.note("9 left");
        });
        assert_eq!((out.as_str(), err.as_str()), ("hitting\n", "knock: 9 left\n"));
    }

    #[test]
    fn says_nothing_but_errors_once_hushed() {
        let (out, err) = said(true, |console| {
            console.hush();
            console.line("hitting");
            console.note("9 left");
            console.progress("waiting");
            console.error("no way");
        });
        assert_eq!((out.as_str(), err.as_str()), ("", "knock: no way\n"));
    }

    #[test]
    fn progress_overwrites_itself_and_goes_before_anything_else_is_said() {
        let (_, err) = said(true, |console| {
            console.progress("waiting long");
            console.progress("done");
            console.note("9 left");
            console.clear_progress();
        });
        assert_eq!(err, "\rknock: waiting long\rknock: done        \r           \rknock: 9 left\n");
    }

    #[test]
    fn nobody_who_does_not_watch_is_shown_progress() {
        let (out, err) = said(false, |console| {
            console.progress("waiting");
            console.clear_progress();
        });
        assert_eq!((out, err), (String::new(), String::new()));
    }
}
