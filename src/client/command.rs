//! The command behind `--`, which runs in this process's place once the door is open.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use super::Outcome;
use super::console::Console;

/// As shells have it.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;

/// Runs `command`, which holds a program and its arguments; where it becomes this process, nothing returns.
pub(super) fn run(command: &[OsString], console: &mut Console) -> Outcome {
    let Some((program, args)) = command.split_first() else { return Outcome::Done };
    match become_or_await(Command::new(program).args(args)) {
        Ok(code) => Outcome::Command(code),
        Err(error) => {
            console.error(format_args!("cannot run `{}`: {error}", program.display()));
            Outcome::Command(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN })
        }
    }
}

#[cfg(unix)]
fn become_or_await(command: &mut Command) -> io::Result<u8> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec())
}

/// The exit code of the command, as far as it fits.
#[cfg(not(unix))]
fn become_or_await(command: &mut Command) -> io::Result<u8> {
    let code = command.status()?.code();
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
