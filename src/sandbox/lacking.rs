//! What of a confinement cannot be had, but is no reason to go without a daemon.

use std::fmt;

/// A part of the confinement that this kernel does not have, or that a start without root cannot bring about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Lacking {
    /// It stays the user that started it.
    User,
    /// It stays in that user's groups.
    Groups,
    /// The bounding set of capabilities stays as it was.
    BoundingSet,
    /// Its root directory stays the system's.
    Chroot,
    /// The kernel has no Landlock.
    Landlock,
    /// The kernel has an old Landlock.
    LandlockPartly,
    /// The kernel has no seccomp filters, or none are written for this processor.
    Seccomp,
}

impl Lacking {
    /// All of them, in the order of their numbers.
    pub const ALL: [Lacking; 7] = [
        Lacking::User,
        Lacking::Groups,
        Lacking::BoundingSet,
        Lacking::Chroot,
        Lacking::Landlock,
        Lacking::LandlockPartly,
        Lacking::Seccomp,
    ];
}

impl From<Lacking> for u8 {
    fn from(lacking: Lacking) -> u8 {
        lacking as u8
    }
}

/// The number of nothing that can be lacking.
impl TryFrom<u8> for Lacking {
    type Error = u8;

    fn try_from(number: u8) -> Result<Lacking, u8> {
        Lacking::ALL.get(usize::from(number)).copied().ok_or(number)
    }
}

/// The mechanism, and what it means that it lacks.
impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lacking::User => {
                "it stays the user who started it, since without CAP_SETUID and CAP_SETGID it cannot become another"
            }
            Lacking::Groups => {
                "it stays in the groups of who started it, since without CAP_SETGID it cannot leave them"
            }
            Lacking::BoundingSet => {
                "the bounding set of its capabilities stays as it was, since without CAP_SETPCAP it cannot be emptied"
            }
            Lacking::Chroot => {
                "its root directory stays the system's, since without CAP_SYS_CHROOT and a directory to write to it \
                 cannot get an empty one"
            }
            Lacking::Landlock => "this kernel has no Landlock, which would keep it from all files and from TCP",
            Lacking::LandlockPartly => {
                "this kernel's Landlock is older than Linux 6.12, and keeps it from files but not from all else"
            }
            Lacking::Seccomp => {
                "there are no seccomp filters for this kernel or processor, which would stop every system call that \
                 it has no need for"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_goes_through_a_byte_and_has_words_of_its_own() {
        let mut said = std::collections::HashSet::new();
        for lacking in Lacking::ALL {
            assert_eq!(Lacking::try_from(u8::from(lacking)), Ok(lacking));
            assert!(said.insert(lacking.to_string()));
        }
        assert_eq!(Lacking::try_from(7), Err(7));
        assert_eq!(Lacking::try_from(255), Err(255));
    }
}
