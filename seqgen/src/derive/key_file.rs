//! Opening and reading a key file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use super::key_text::{KeyFileError, KeyMaterial, ReadKeyError};
use crate::regular::{self, Unfit};

/// A key file that was read.
#[derive(Debug)]
pub struct KeyFile {
    file: File,
    material: KeyMaterial,
}

impl KeyFile {
    /// Opens and reads the regular file at `path`; never waits.
    pub fn open(path: &Path) -> Result<KeyFile, KeyProblem> {
        let fail = |kind| KeyProblem { path: path.to_owned(), kind };
        let file = regular::open(path, OpenOptions::new().read(true)).map_err(|error| match error {
            Unfit::NotAFile(what) => fail(KeyProblemKind::NotAFile(what)),
            Unfit::Replaced => fail(KeyProblemKind::NotFound),
            Unfit::Io(error) => fail(KeyProblemKind::from_io(error)),
        })?;
        let material = KeyMaterial::read(&file).map_err(|error| match error {
            ReadKeyError::Io(error) => fail(KeyProblemKind::from_io(error)),
            ReadKeyError::Format(error) => fail(KeyProblemKind::Format(error)),
        })?;
        Ok(KeyFile { file, material })
    }

    /// Whether an opened file is meant to be a key file, and not, say, a pad; leaves it where it begins.
    pub fn is_meant(mut file: &File) -> io::Result<bool> {
        // The longest header without its label.
        let mut start = Vec::with_capacity(32);
        file.rewind()?;
        file.take(32).read_to_end(&mut start)?;
        file.rewind()?;
        Ok(KeyMaterial::is_meant(&start))
    }

    /// The opened file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What it holds.
    pub fn material(&self) -> &KeyMaterial {
        &self.material
    }
}

/// Why no key was read from a file, with the file, and with line and column where it is what the file says.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {kind}", .path.display(), .kind.place())]
pub struct KeyProblem {
    /// The file, as it was named.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub kind: KeyProblemKind,
}

/// What can be wrong with a key file and with the way to it.
#[derive(Debug, thiserror::Error)]
pub enum KeyProblemKind {
    /// There is no such file.
    #[error("there is no such file; `seqgen --new-key -o FILE` makes one")]
    NotFound,
    /// The operating system does not let us read it.
    #[error("permission denied; whoever uses a key must be able to read it (see chmod and chown)")]
    Permission(#[source] io::Error),
    /// A directory, FIFO, socket or device.
    #[error("not a regular file but {0}; a key must be in a plain file")]
    NotAFile(&'static str),
    /// It holds something else.
    #[error("{0}")]
    Format(#[source] KeyFileError),
    /// Anything else that the operating system reports.
    #[error("{0}")]
    Io(#[source] io::Error),
}

impl KeyProblemKind {
    fn from_io(error: io::Error) -> KeyProblemKind {
        match error.kind() {
            io::ErrorKind::NotFound => KeyProblemKind::NotFound,
            io::ErrorKind::IsADirectory => KeyProblemKind::NotAFile("a directory"),
            io::ErrorKind::PermissionDenied => KeyProblemKind::Permission(error),
            _ => KeyProblemKind::Io(error),
        }
    }

    /// Where in the file it is, as it stands behind the file's name.
    fn place(&self) -> String {
        match self {
            KeyProblemKind::Format(KeyFileError { line, column, .. }) => format!(":{line}:{column}"),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derive::Key;

    #[test]
    fn reads_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let material = KeyMaterial::Key(Key::generate().unwrap());
        std::fs::write(&path, &*material.to_text()).unwrap();
        let file = KeyFile::open(&path).unwrap();
        assert_eq!(file.material(), &material);
        assert!(file.file().metadata().unwrap().is_file());
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let dir = tempfile::tempdir().unwrap();
        let problem = |path: &Path| {
            let text = KeyFile::open(path).unwrap_err().to_string();
            text.strip_prefix(path.to_str().unwrap()).unwrap().to_owned()
        };
        let path = dir.path().join("key");
        assert_eq!(problem(&path), ": there is no such file; `seqgen --new-key -o FILE` makes one");
        assert!(problem(dir.path()).starts_with(": not a regular file but a directory; a key"));
        std::fs::write(&path, "# knock key v1\nAAEC/?\n").unwrap();
        assert!(problem(&path).starts_with(":2:6: this character does not belong into a key"));
        std::fs::write(&path, " 1,2,3\n").unwrap();
        assert!(problem(&path).starts_with(":1:1: this is no key file"));
        #[cfg(target_os = "linux")]
        assert!(problem(Path::new("/dev/zero")).starts_with(": not a regular file but a device"));
    }
}
