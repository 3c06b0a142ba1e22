//! Making a new pad.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::error::{PadError, PadErrorKind};

/// Makes a pad of `lines`, each with its newline, that only its owner can read, durably.
///
/// Never touches a file that is there already ([`PadErrorKind::Exists`]); an error leaves none behind.
pub fn create(path: &Path, lines: &[u8]) -> Result<(), PadError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => PadError::new(path, PadErrorKind::Exists),
        io::ErrorKind::NotFound => PadError::new(path, PadErrorKind::NoDirectory),
        _ => PadError::io(path, error),
    })?;
    let written = file.write_all(lines).and_then(|()| file.sync_all()).and_then(|()| sync_directory(path));
    drop(file);
    written.map_err(|error| match std::fs::remove_file(path) {
        Ok(()) => PadError::io(path, error),
        Err(_) => PadError::new(path, PadErrorKind::Torn(error)),
    })
}

/// Makes the name of a new file durable, where that is a matter of its own.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match File::open(parent) {
        Ok(directory) => directory.sync_all(),
        // One may be allowed to write to a directory and not to read it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_file_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seqs");
        create(&path, b" 1,2\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b" 1,2\n");
        assert_eq!(crate::pad::readable_by_others(&std::fs::metadata(&path).unwrap()), None);
    }

    #[test]
    fn never_touches_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seqs");
        std::fs::write(&path, "old").unwrap();
        assert!(matches!(create(&path, b" 1,2\n").unwrap_err().kind, PadErrorKind::Exists));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        let error = create(&dir.path().join("no/seqs"), b"").unwrap_err();
        assert!(matches!(error.kind, PadErrorKind::NoDirectory), "{error}");
    }
}
