//! Which files a door has: one, several, or those in a directory, one for each person.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files {
    /// What one of them is.
    noun: &'static str,
    /// What those in a directory are called behind the dot.
    extension: &'static str,
}

/// A file that the configuration asks for, and whose it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) name: Arc<str>,
}

impl Files {
    /// Pads.
    pub(super) const PADS: Files = Files { noun: "pad", extension: "pad" };
    /// Keys.
    pub(super) const KEYS: Files = Files { noun: "key", extension: "key" };

    /// The files at these paths, with those in directories in the order of their names, and what is wrong with directories.
    pub(super) fn find(self, paths: &[PathBuf]) -> (Vec<Found>, Vec<String>) {
        let mut found = Vec::new();
        let mut complaints = Vec::new();
        for path in paths {
            if path.is_dir() {
                self.find_in(path, &mut found, &mut complaints);
            } else {
                found.push(Found { path: path.clone(), name: self.name_of(path) });
            }
        }
        (found, complaints)
    }

    fn find_in(self, directory: &Path, found: &mut Vec<Found>, complaints: &mut Vec<String>) {
        let noun = self.noun;
        let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut names = match entries {
            Ok(entries) => entries.into_iter().map(|entry| entry.file_name()).collect::<Vec<_>>(),
            Err(error) => {
                complaints.push(format!("the {noun}s in {} cannot be listed: {error}", directory.display()));
                return;
            }
        };
        names.sort();
        for file in names {
            let path = directory.join(&file);
            if path.extension().is_none_or(|extension| extension != self.extension) {
                continue;
            }
            match path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| is_name(stem)) {
                Some(name) => found.push(Found { name: name.into(), path }),
                None => complaints.push(format!(
                    "{} is not read: a {noun}'s name has letters, digits, `_` and `-` only",
                    path.display()
                )),
            }
        }
    }

    /// Whose a file is that the configuration names: its name, without the usual ending.
    fn name_of(self, path: &Path) -> Arc<str> {
        let name = match path.extension() {
            Some(extension) if extension == self.extension => path.file_stem(),
            _ => path.file_name(),
        };
        name.unwrap_or_default().to_string_lossy().into()
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[PathBuf]) -> Vec<String> {
        Files::PADS.find(paths).0.iter().map(|found| found.name.to_string()).collect()
    }

    #[test]
    fn a_directory_holds_a_pad_for_each_person() {
        let directory = tempfile::tempdir().unwrap();
        for file in
            ["bob.pad", "alice.pad", "a_b-9.pad", "alice.pad~", ".alice.pad.swp", "README", "x.PAD", ".pad"]
        {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let (found, complaints) = Files::PADS.find(&[directory.path().to_owned()]);
        let found: Vec<_> = found.iter().map(|found| &*found.name).collect();
        assert_eq!(found, ["a_b-9", "alice", "bob"]);
        assert_eq!(complaints, [""; 0]);
    }

    #[test]
    fn a_pad_with_an_odd_name_is_not_read_and_that_is_said() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["al ice.pad", "é.pad", "a.b.pad", "ok.pad"] {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let (found, complaints) = Files::PADS.find(&[directory.path().to_owned()]);
        assert_eq!((found.len(), complaints.len()), (1, 3));
        assert!(complaints[0].contains("a.b.pad is not read"), "{complaints:?}");
    }

    #[test]
    fn files_are_called_by_their_names() {
        let paths = ["/p/alice.pad", "/p/seqs", "/p/bob.txt"].map(PathBuf::from);
        assert_eq!(names(&paths), ["alice", "seqs", "bob.txt"]);
    }

    #[test]
    fn keys_have_an_ending_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["bob.key", "alice.key", "alice.pad", "al ice.key"] {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let (found, complaints) = Files::KEYS.find(&[directory.path().to_owned(), "/k/carol.key".into()]);
        let found: Vec<_> = found.iter().map(|found| &*found.name).collect();
        assert_eq!(found, ["alice", "bob", "carol"]);
        assert!(complaints[0].contains("a key's name has letters"), "{complaints:?}");
    }
}
