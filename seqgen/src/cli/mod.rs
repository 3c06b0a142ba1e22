//! The command line of seqgen(1): arguments in, exit code out.

mod args;
mod check;
mod derived;
mod key;
mod make;
mod next;
mod qr;
mod sheet;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use seqgen::derive::{KeyFile, KeyProblem, LabelMismatch};
use seqgen::generate::{BrokenRandomness, GenerateError, Impossible};
use seqgen::pad::{PadError, readable_by_others};

use args::{Args, Keyed};

/// Why seqgen ends early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Impossible(#[from] Impossible),
    #[error("{0}")]
    Generate(#[from] GenerateError),
    #[error("{0}")]
    Pad(#[from] PadError),
    #[error("{0}")]
    Randomness(#[from] BrokenRandomness),
    #[error("{0}")]
    Key(#[from] KeyProblem),
    #[error("{}: {mismatch}", .path.display())]
    Label { path: PathBuf, mismatch: LabelMismatch },
    #[error("{}: the file exists; --force puts the key in the place of all that it holds", .0.display())]
    KeyExists(PathBuf),
    #[error("{}: the key could not be written ({error}); make it anew", .path.display())]
    KeyTorn { path: PathBuf, error: io::Error },
    #[error("{}: this is a key file, not a pad; `seqgen --key-file FILE -n 50` derives lines from it", .0.display())]
    NotAPad(PathBuf),
    #[error("{}: this is no key file, so --label says nothing about it; leave it out", .0.display())]
    NotAKey(PathBuf),
    #[error("counters end at {}: from {start} on there are {most} of them, not {count}", u64::MAX)]
    CountersEnd { start: u64, count: u64, most: u64 },
    #[error("{}: what counter {counter} gives is in the file already; add what follows, with --start", .path.display())]
    AlreadyThere { path: PathBuf, counter: u64 },
    #[error("{}:{number}: the last line has no newline, and the file was changed just now; somebody may be writing \
             it, so try again in two seconds", .path.display())]
    Unfinished { path: PathBuf, number: u64 },
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    #[error("{}: no unused sequence is left", .0.display())]
    NoneLeft(PathBuf),
    #[error("{sequences} sequences are too many for one code: {most} fit, so add `-n {most}`")]
    TooMany { sequences: usize, most: usize },
    /// Everything was said already.
    #[error("bad lines")]
    BadLines,
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Failure::Impossible(_)
            | Failure::TooMany { .. }
            | Failure::CountersEnd { .. }
            | Failure::NotAKey(_) => 2,
            _ => 1,
        }
    }
}

/// Does what the command line says; the exit code.
pub(crate) fn run() -> ExitCode {
    let args = Args::parse();
    let result = match args {
        Args { check: Some(path), keyed, .. } => check::check(&path, keyed.label.as_ref()),
        Args { print: Some(path), making, .. } => sheet::print(&path, making.count),
        Args { qr: Some(path), making, .. } => qr::show(&path, making.count),
        Args { new_key: true, making, .. } => key::new_key(making.output.as_deref(), making.force),
        Args { keyed: Keyed { key_file: Some(path), label, label_key: true, .. }, making, .. } => {
            key::label_key(&path, label.as_ref(), making.output.as_deref(), making.force)
        }
        Args { keyed: Keyed { key_file: Some(path), label, start, .. }, making, .. } => {
            derived::make(&path, label.as_ref(), start.unwrap_or_default(), &making)
        }
        Args { making, .. } => make::make(making),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::BadLines) => ExitCode::FAILURE,
        // Whoever reads the lines has had enough of them.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("seqgen: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Writes a message to standard error, where that can be had.
fn say(message: &str) {
    // Nobody is left to be told when this fails.
    let _ = writeln!(io::stderr(), "{message}");
}

/// Whether a file is meant to be a key file.
fn is_key_file(path: &Path, file: &File) -> Result<bool, PadError> {
    KeyFile::is_meant(file).map_err(|error| PadError::io(path, error))
}

/// Refuses a key file where a pad is needed.
fn refuse_key_file(path: &Path, file: &File) -> Result<(), Failure> {
    if is_key_file(path, file)? { Err(Failure::NotAPad(path.to_owned())) } else { Ok(()) }
}

/// Warns of a pad or a key that others can read.
fn warn_if_exposed(path: &Path, file: &File) {
    if let Some(mode) = file.metadata().ok().as_ref().and_then(readable_by_others) {
        let path = path.display();
        say(&format!(
            "seqgen: {path}: others can read this file (mode {mode:04o}); `chmod 600 {path}` stops that"
        ));
    }
}
