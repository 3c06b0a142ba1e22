//! The command line of seqgen(1): arguments in, exit code out.

mod args;
mod check;
mod make;
mod next;
mod qr;
mod sheet;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use seqgen::generate::{GenerateError, Impossible};
use seqgen::pad::{PadError, readable_by_others};

use args::Args;

/// Why seqgen ends early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Impossible(#[from] Impossible),
    #[error("{0}")]
    Generate(#[from] GenerateError),
    #[error("{0}")]
    Pad(#[from] PadError),
    #[error("{}:{number}: the last line has no newline, and the file was changed just now; somebody may be writing \
             it, so try again in two seconds", .path.display())]
    Unfinished { path: std::path::PathBuf, number: u64 },
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    #[error("{}: no unused sequence is left", .0.display())]
    NoneLeft(std::path::PathBuf),
    #[error("{sequences} sequences are too many for one code: {most} fit, so add `-n {most}`")]
    TooMany { sequences: usize, most: usize },
    /// Everything was said already.
    #[error("bad lines")]
    BadLines,
}

/// Does what the command line says; the exit code.
pub(crate) fn run() -> ExitCode {
    let args = Args::parse();
    let result = match args {
        Args { check: Some(path), .. } => check::check(&path),
        Args { print: Some(path), making, .. } => sheet::print(&path, making.count),
        Args { qr: Some(path), making, .. } => qr::show(&path, making.count),
        Args { making, .. } => make::make(making),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::BadLines) => ExitCode::FAILURE,
        // Whoever reads the lines has had enough of them.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("seqgen: {failure}"));
            ExitCode::from(if matches!(failure, Failure::Impossible(_) | Failure::TooMany { .. }) {
                2
            } else {
                1
            })
        }
    }
}

/// Writes a message to standard error, where that can be had.
fn say(message: &str) {
    // Nobody is left to be told when this fails.
    let _ = writeln!(io::stderr(), "{message}");
}

/// Warns of a pad that others can read.
fn warn_if_exposed(path: &Path, file: &std::fs::File) {
    if let Some(mode) = file.metadata().ok().as_ref().and_then(readable_by_others) {
        let path = path.display();
        say(&format!(
            "seqgen: {path}: others can read this file (mode {mode:04o}); `chmod 600 {path}` stops that"
        ));
    }
}
