//! Why the daemon could not start, or had to end.

use std::io;
use std::path::PathBuf;

use super::counter_wish::InitFailure;
#[cfg(target_os = "linux")]
use super::pidfile::PidFileError;
#[cfg(target_os = "linux")]
use super::status::Unanswered;
use crate::config::{LoadError, Report};
use crate::logging::LogError;
#[cfg(target_os = "linux")]
use crate::sandbox::UnknownUser;
use crate::state::StateError;
#[cfg(target_os = "linux")]
use crate::supervisor::StartError;

/// Why the daemon could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration cannot be read, or has errors.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// Packets cannot be captured.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Capture(#[from] StartError),
    /// There is nobody whom the capture process could become.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    User(#[from] UnknownUser),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The pidfile cannot be written.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    /// No daemon says how it is.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A counter could not be set.
    #[error(transparent)]
    Counter(#[from] InitFailure),
    /// The operating system refuses something else.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: io::Error,
    },
    /// The capture process has ended.
    #[cfg(target_os = "linux")]
    #[error("the capture process: {0}")]
    CaptureProcess(#[from] crate::capture::CaptureError),
    /// Only savefiles can be read here.
    #[cfg(not(target_os = "linux"))]
    #[error("live packets are captured on Linux only; --read and --check work here too")]
    NotLinux,
    /// A savefile cannot be read.
    #[error("the savefile {} {problem}", .path.display())]
    Savefile {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Capturing has ended by itself, by a fault of this program.
    #[cfg(target_os = "linux")]
    #[error("the capture has ended by itself, which is a fault of knockd")]
    CaptureEnded,
    /// The process that was to stay in the background has ended, and said why.
    #[cfg(target_os = "linux")]
    #[error("the daemon did not start")]
    Detached {
        /// Its exit code.
        code: u8,
    },
}

impl Failure {
    /// The exit code, as knockd(8) lists them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Config(_) => 3,
            #[cfg(target_os = "linux")]
            Failure::Unanswered(_) => 4,
            #[cfg(target_os = "linux")]
            Failure::Detached { code } => *code,
            _ => 1,
        }
    }

    /// The report on a configuration that has errors.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Failure::Config(LoadError::Refused { report, .. }) => Some(report),
            _ => None,
        }
    }

    /// An error of the operating system while trying this.
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Failure {
        move |error| Failure::System { what, error }
    }
}
