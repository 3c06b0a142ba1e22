//! Who else can get at a file of the user's.

use std::fs::Metadata;

/// Somebody else who can change a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// Whom its permissions let write.
    Writer(&'static str),
    /// The user whom it belongs to, who is neither ours nor root.
    Owner(u32),
}

/// Who else than root and our own user can change a file; on systems without owners and modes nobody knows.
#[cfg(unix)]
pub(super) fn stranger(metadata: &Metadata) -> Option<Stranger> {
    use std::os::unix::fs::MetadataExt as _;
    judge(metadata.mode(), metadata.uid(), nix::unistd::geteuid().as_raw())
}

/// Who else than root and our own user can change a file; on systems without owners and modes nobody knows.
#[cfg(not(unix))]
pub(super) fn stranger(_metadata: &Metadata) -> Option<Stranger> {
    None
}

#[cfg(unix)]
fn judge(mode: u32, owner: u32, us: u32) -> Option<Stranger> {
    if owner != us && owner != 0 {
        return Some(Stranger::Owner(owner));
    }
    match (mode & 0o020 != 0, mode & 0o002 != 0) {
        (false, false) => None,
        (true, false) => Some(Stranger::Writer("its group")),
        (false, true) => Some(Stranger::Writer("others")),
        (true, true) => Some(Stranger::Writer("its group and others")),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_user_may_be_able_to_change_a_file() {
        for (mode, owner, us, expected) in [
            (0o100_644, 1000, 1000, None),
            (0o100_644, 0, 1000, None),
            (0o100_600, 1001, 1000, Some(Stranger::Owner(1001))),
            (0o100_600, 1001, 0, Some(Stranger::Owner(1001))),
            (0o100_664, 1000, 1000, Some(Stranger::Writer("its group"))),
            (0o100_646, 0, 1000, Some(Stranger::Writer("others"))),
            (0o100_666, 1000, 1000, Some(Stranger::Writer("its group and others"))),
        ] {
            assert_eq!(judge(mode, owner, us), expected, "{mode:o} {owner} {us}");
        }
    }
}
