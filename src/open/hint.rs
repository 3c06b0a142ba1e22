//! Where pads, keys or counters may have changed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Where something may have changed.  No more than a hint: what counts is read again at each use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Files may have come, gone, or become others; or nobody knows.
    Anywhere,
    /// These files were written to, and nothing else has happened.
    Written(HashSet<PathBuf>),
}

impl Hint {
    /// Takes up another hint.
    pub fn add(&mut self, other: Hint) {
        match (self, other) {
            (Hint::Written(ours), Hint::Written(others)) => ours.extend(others),
            (hint, Hint::Anywhere) => *hint = Hint::Anywhere,
            (Hint::Anywhere, Hint::Written(_)) => {}
        }
    }

    /// Whether the file at this path may have changed.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        match self {
            Hint::Anywhere => true,
            Hint::Written(files) => files.contains(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(paths: &[&str]) -> Hint {
        Hint::Written(paths.iter().map(PathBuf::from).collect())
    }

    #[test]
    fn hints_add_up() {
        let mut hint = written(&["a"]);
        hint.add(written(&["b"]));
        assert_eq!(hint, written(&["a", "b"]));
        assert!(hint.concerns(Path::new("b")) && !hint.concerns(Path::new("c")));
        hint.add(Hint::Anywhere);
        hint.add(written(&["a"]));
        assert_eq!(hint, Hint::Anywhere);
        assert!(hint.concerns(Path::new("c")));
    }
}
