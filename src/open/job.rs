//! A command to run for a door and an address, and how it ended.

use std::io;
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
