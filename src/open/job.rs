//! A command to run for a door and an address, and how it ended.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Command;
use crate::state::{LeaseId, LeaseKey};

/// Which of a door's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The one that opens.
    Start,
    /// The one that closes.
    Stop,
}

/// One command to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// For which door and address.
    pub key: LeaseKey,
    /// The lease that it opens or closes, if the door has a stop command.
    pub lease: Option<LeaseId>,
    /// Whose pad opened the door, if it was opened with one.
    pub pad: Option<Arc<str>>,
    /// Whether it opens or closes.
    pub phase: Phase,
    /// What to run, with the address in its place.
    pub command: Command,
}

/// A command that nobody's knock is the reason for: a pad has few lines left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// The door's name in the log.
    pub door: Arc<str>,
    /// Whose pad it is.
    pub pad: Arc<str>,
    /// Where that is.
    pub path: PathBuf,
    /// How many lines are left.
    pub left: usize,
    /// What to run.
    pub command: Command,
}

/// How a command ended.
#[derive(Debug)]
pub struct CommandEnd {
    /// The job that has ended.
    pub key: LeaseKey,
    /// Its exit, or why there is none.
    pub outcome: io::Result<Ended>,
    /// The beginning of what it wrote, and how much more there was.
    pub complaint: String,
}

/// The ways in which a command that was started can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended by itself, with this exit code.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It ran for too long and was killed.
    TimedOut,
}

/// What there is to say of a command's end, if it was not a good one.
pub(super) fn mishap(outcome: &io::Result<Ended>) -> Option<String> {
    Some(match outcome {
        Ok(Ended::Exit(0)) => return None,
        Ok(Ended::Exit(code)) => format!("command returned non-zero status code ({code})"),
        Ok(Ended::Signal(signal)) => format!("command was ended by signal {signal}"),
        Ok(Ended::TimedOut) => "command ran for too long and was killed".to_owned(),
        Err(error) => format!("command could not be run: {error}"),
    })
}
