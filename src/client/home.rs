//! Where a person's files are, as the XDG Base Directory Specification has it.

use std::path::{Path, PathBuf};

/// The home directory, if it is known.
pub(super) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute())
}

/// The directory that `variable` names, where that is absolute, or else `usual` in the home directory.
pub(super) fn directory(variable: &str, usual: impl AsRef<Path>) -> Option<PathBuf> {
    let chosen = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    chosen.or_else(|| home().map(|home| home.join(usual)))
}
