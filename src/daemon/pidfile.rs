//! The file that names the daemon's process.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Everybody may read which process the daemon is.
const MODE: u32 = 0o644;

/// A process id on disk, locked for as long as the daemon lives, and removed when it ends.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    file: File,
}

/// Why the process id cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another daemon has this file.
    #[error("another knockd is running{}; {} is its pidfile (give this one another with -p)", pid_words(*.pid), .path.display())]
    Taken {
        /// The file.
        path: PathBuf,
        /// What it says, if that is a number.
        pid: Option<u32>,
    },
    /// It cannot be written.
    #[error("the pidfile {} cannot be written: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

fn pid_words(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl PidFile {
    /// Writes this process's id to `path`, in place of one that a daemon which is gone has left there.
    pub(super) fn create(path: &Path) -> Result<PidFile, PidFileError> {
        let fail = |error| PidFileError::Io { path: path.to_owned(), error };
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(MODE);
            let mut file = options.open(path).map_err(fail)?;
            let mut text = String::new();
            // What is no text is no process id either.
            let _ = file.read_to_string(&mut text);
            let pid = text.trim().parse::<u32>().ok();
            let taken = || PidFileError::Taken { path: path.to_owned(), pid };
            match fs2::FileExt::try_lock_exclusive(&file) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
                    return Err(taken());
                }
                Err(error) => return Err(fail(error)),
            }
            if pid.is_some_and(is_classic) {
                return Err(taken());
            }
            // A daemon that has just ended may have removed the file between our opening and locking it.
            let ours = file.metadata().map_err(fail)?;
            let still_there =
                fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
            if !still_there {
                continue;
            }
            let write = |file: &mut File| {
                file.set_len(0)?;
                file.rewind()?;
                writeln!(file, "{}", std::process::id())
            };
            write(&mut file).map_err(fail)?;
            // Our file mask allows less.  A file that is somebody else's keeps the mode it has.
            let _ = file.set_permissions(Permissions::from_mode(MODE));
            return Ok(PidFile { path: path.to_owned(), file });
        }
    }
}

/// Whether this process is a living knockd 0.8, which holds no lock on its pidfile.
fn is_classic(pid: u32) -> bool {
    // "PID (NAME) STATE …", see proc_pid_stat(5); a process that has ended but was not reaped is in state Z.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let living = stat.split_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']));
    pid != std::process::id() && living && stat.contains("(knockd) ")
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // While it is still locked, so that nobody else's is removed.
        let _ = fs::remove_file(&self.path);
        let _ = fs2::FileExt::unlock(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn it_names_this_process_and_goes_with_it() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("pid");
        let file = PidFile::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_one_is_replaced_whatever_it_says() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("pid");
        for stale in [&b"4194305\n"[..], b"", b"nonsense of some length", b"\xff\xfe"] {
            fs::write(&path, stale).unwrap();
            let _file = PidFile::create(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        }
    }

    #[test]
    fn a_live_one_is_left_alone() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("pid");
        let _first = PidFile::create(&path).unwrap();
        let error = PidFile::create(&path).unwrap_err();
        assert!(matches!(error, PidFileError::Taken { pid: Some(pid), .. } if pid == std::process::id()));
        assert!(path.exists());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error() {
        let error = PidFile::create(Path::new("/nonexistent/pid")).unwrap_err();
        assert!(error.to_string().starts_with("the pidfile /nonexistent/pid cannot be written: "));
    }
}
