//! The daemon's log: a file, syslog, the terminal.
//!
//! Parts of what is logged come from strangers and from commands, so control characters are escaped in one place,
//! here, and no log line can pass for two.

mod syslog;

use std::fmt::Arguments;
#[cfg(unix)]
use std::fs::Permissions;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Zoned;
use log::{Level, LevelFilter, Log, Metadata, Record};

use self::syslog::Syslog;

/// A log file that is newly made: whoever administers the system may read it, as by its group.
#[cfg(unix)]
const MODE: u32 = 0o640;

/// The form of a line's time: ISO 8601 with a blank, local time, to the second.
const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// Where log lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// The file to append to.
    pub file: Option<PathBuf>,
    /// Whether to log to syslog.
    pub syslog: bool,
    /// Whether to print every line to standard output as well.
    pub verbose: bool,
    /// Whether to log what only helps in finding faults.
    pub debug: bool,
}

/// Why a log cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the log file {} cannot be opened: {error}", .path.display())]
pub struct LogError {
    path: PathBuf,
    error: io::Error,
}

static LOGGER: Logger = Logger {
    sinks: Mutex::new(Sinks { file: None, syslog: None, terminal: Terminal::Stderr, pretended: None }),
};

/// Sends the log to these destinations from now on; a file is opened anew.
///
/// Without file and syslog, lines go to standard error.
pub fn log_to(destinations: &Destinations) -> Result<(), LogError> {
    let file = destinations.file.as_deref().map(open).transpose()?;
    let mut sinks = LOGGER.sinks();
    sinks.syslog = match (destinations.syslog, sinks.syslog.take()) {
        (true, Some(running)) => Some(running),
        (true, None) => Some(Syslog::start()),
        (false, _) => None,
    };
    sinks.terminal = match destinations {
        Destinations { verbose: true, .. } => Terminal::Stdout,
        _ if file.is_none() && sinks.syslog.is_none() => Terminal::Stderr,
        _ => Terminal::Silent,
    };
    sinks.file = file;
    drop(sinks);
    log_from(if destinations.debug { LevelFilter::Debug } else { LevelFilter::Info });
    // It fails where the logger is in place already, which is just as well.
    let _ = log::set_logger(&LOGGER);
    Ok(())
}

/// Prints every line to standard output only, with this time instead of the present one.
///
/// For packets out of a savefile, whose times are those of the savefile.
pub fn log_to_stdout_at(time: Zoned) {
    let mut sinks = LOGGER.sinks();
    (sinks.file, sinks.syslog, sinks.terminal) = (None, None, Terminal::Stdout);
    sinks.pretended = Some(time);
    drop(sinks);
    let _ = log::set_logger(&LOGGER);
}

/// Logs from this level on.
pub fn log_from(level: LevelFilter) {
    log::set_max_level(level);
}

fn open(path: &Path) -> Result<File, LogError> {
    let fail = |error| LogError { path: path.to_owned(), error };
    match OpenOptions::new().append(true).create_new(true).open(path) {
        Ok(file) => {
            // The daemon's file mask allows less.
            #[cfg(unix)]
            file.set_permissions(Permissions::from_mode(MODE)).map_err(fail)?;
            Ok(file)
        }
        // Also where it is a link to a file that is not there yet.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            OpenOptions::new().append(true).create(true).open(path).map_err(fail)
        }
        Err(error) => Err(fail(error)),
    }
}

struct Logger {
    sinks: Mutex<Sinks>,
}

struct Sinks {
    file: Option<File>,
    syslog: Option<Syslog>,
    terminal: Terminal,
    pretended: Option<Zoned>,
}

enum Terminal {
    Silent,
    Stdout,
    Stderr,
}

impl Logger {
    fn sinks(&self) -> MutexGuard<'_, Sinks> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = one_line(record.level(), &record.args().to_string());
        let mut sinks = self.sinks();
        if let Some(time) = &sinks.pretended {
            let _ = write_whole(&mut io::stdout(), format_args!("[{}] {line}", time.strftime(TIME)));
            return;
        }
        // A log that cannot be written is no reason to keep anybody out, so failures are passed over here.
        if let Some(file) = &mut sinks.file {
            let _ = write_whole(file, format_args!("[{}] {line}", Zoned::now().strftime(TIME)));
        }
        let _ = match sinks.terminal {
            Terminal::Silent => Ok(()),
            Terminal::Stdout => write_whole(&mut io::stdout(), format_args!("{line}")),
            Terminal::Stderr => write_whole(&mut io::stderr(), format_args!("{line}")),
        };
        if let Some(syslog) = &mut sinks.syslog {
            syslog.send(record.level(), line);
        }
    }

    fn flush(&self) {}
}

/// Writes a line in one call, so that it is not torn by what others write to the same file.
fn write_whole(to: &mut impl Write, line: Arguments<'_>) -> io::Result<()> {
    to.write_all(format!("{line}\n").as_bytes())
}

/// The message on one line, with its level where that is not the usual one.
fn one_line(level: Level, message: &str) -> String {
    let mut line = String::with_capacity(message.len() + 9);
    line.push_str(match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info => "",
        Level::Debug | Level::Trace => "debug: ",
    });
    escape(message, &mut line);
    line
}

/// The text as a terminal may have it: what would control it, or show things in another order, is escaped.  Lines stay
/// lines.
pub fn for_terminal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            shown.push('\n');
        }
        escape(line, &mut shown);
    }
    shown
}

fn escape(text: &str, to: &mut String) {
    for c in text.chars() {
        if c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            to.extend(c.escape_default());
        } else {
            to.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_cannot_forge_a_line() {
        let forged = "x\n[2026-11-22 08:34:05] 192.0.2.9: door: OPEN SESAME\u{1b}[2J\u{202e}";
        let line = one_line(Level::Warn, forged);
        assert_eq!(
            line,
            "warning: x\\n[2026-11-22 08:34:05] 192.0.2.9: door: OPEN SESAME\\u{1b}[2J\\u{202e}"
        );
    }

    #[test]
    fn a_line_is_written_in_one_call() {
        struct Calls(Vec<Vec<u8>>);
        impl Write for Calls {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.push(bytes.to_vec());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut calls = Calls(Vec::new());
        write_whole(&mut calls, format_args!("[{}] {}", "then", "what")).unwrap();
        assert_eq!(calls.0, [b"[then] what\n"]);
    }

    #[test]
    fn other_text_is_left_as_it_is() {
        assert_eq!(one_line(Level::Info, "Tür: Stage 1"), "Tür: Stage 1");
    }
}
