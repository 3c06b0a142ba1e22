//! What could not be given up.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// A step of giving everything up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Step {
    /// To be the only thread: the others would keep everything.
    Alone,
    /// An empty root directory.
    Chroot,
    /// An empty bounding set of capabilities.
    BoundingSet,
    /// No supplementary groups.
    Groups,
    /// The unprivileged user's group.
    Group,
    /// The unprivileged user.
    User,
    /// No capabilities.
    Capabilities,
    /// No privileges by running programs.
    NoNewPrivileges,
    /// To end with who started it.
    DeathSignal,
    /// Nothing for debuggers and core files.
    Dumps,
    /// No files, no processes.
    Limits,
    /// Landlock.
    Landlock,
    /// The filter of system calls.
    Seccomp,
}

impl Step {
    /// All of them, in the order of their numbers.
    pub const ALL: [Step; 13] = [
        Step::Alone,
        Step::Chroot,
        Step::BoundingSet,
        Step::Groups,
        Step::Group,
        Step::User,
        Step::Capabilities,
        Step::NoNewPrivileges,
        Step::DeathSignal,
        Step::Dumps,
        Step::Limits,
        Step::Landlock,
        Step::Seccomp,
    ];
}

impl From<Step> for u8 {
    fn from(step: Step) -> u8 {
        step as u8
    }
}

/// The number of no step.
impl TryFrom<u8> for Step {
    type Error = u8;

    fn try_from(number: u8) -> Result<Step, u8> {
        Step::ALL.get(usize::from(number)).copied().ok_or(number)
    }
}

/// What failed.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Alone => "being its only thread",
            Step::Chroot => "changing to an empty root directory",
            Step::BoundingSet => "emptying the bounding set of its capabilities",
            Step::Groups => "leaving all supplementary groups",
            Step::Group => "changing to the unprivileged user's group",
            Step::User => "becoming the unprivileged user",
            Step::Capabilities => "giving up all capabilities",
            Step::NoNewPrivileges => "giving up privileges that programs could bring",
            Step::DeathSignal => "tying its life to the daemon's",
            Step::Dumps => "keeping its memory from others",
            Step::Limits => "giving up new files and processes",
            Step::Landlock => "restricting itself with Landlock",
            Step::Seccomp => "restricting its system calls with seccomp",
        })
    }
}

/// Something that could not be given up, though this kernel and user have what is needed for it.
///
/// The process may be confined in part, and must end without reading a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfineError {
    /// At what it failed.
    pub step: Step,
    /// What the kernel said, an error number; 0 where it was not the kernel.
    pub errno: i32,
}

impl ConfineError {
    pub(super) fn at(step: Step) -> impl Fn(Errno) -> ConfineError {
        move |errno| ConfineError { step, errno: errno.raw_os_error() }
    }
}

/// The step, and what the kernel said.
impl fmt::Display for ConfineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.step)?;
        if self.errno == 0 { Ok(()) } else { write!(f, ": {}", io::Error::from_raw_os_error(self.errno)) }
    }
}

impl std::error::Error for ConfineError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_goes_through_a_byte_and_has_words_of_its_own() {
        let mut said = std::collections::HashSet::new();
        for step in Step::ALL {
            assert_eq!(Step::try_from(u8::from(step)), Ok(step));
            assert!(said.insert(step.to_string()));
        }
        assert_eq!(Step::try_from(13), Err(13));
    }

    #[test]
    fn says_what_the_kernel_said() {
        let error = ConfineError::at(Step::User)(Errno::AGAIN);
        assert!(error.to_string().starts_with("becoming the unprivileged user failed: Resource temporarily"));
        assert_eq!(ConfineError { step: Step::Alone, errno: 0 }.to_string(), "being its only thread failed");
    }
}
