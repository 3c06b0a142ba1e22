//! A root directory in which there is nothing, and never will be.

use rustix::fs::{Mode, OFlags, mkdir, open, rmdir};
use rustix::io::Errno;
use rustix::process::{chroot, fchdir};

/// Where a directory may be made, to be deleted at once.
const PLACES: [&str; 4] = ["/run", "/tmp", "/var/tmp", "/dev/shm"];

/// How many names are tried in each place: those of killed processes may be taken.
const TRIES: u8 = 8;

/// Makes a deleted directory the root: the kernel makes no file in one.  `false` where there is no place for it.
pub(super) fn enter() -> Result<bool, Errno> {
    if !PLACES.iter().any(|place| enter_deleted_in(place)) {
        return Ok(false);
    }
    chroot(".")?;
    Ok(true)
}

/// Makes a directory in this one, changes to it, and deletes it.
fn enter_deleted_in(place: &str) -> bool {
    let id = std::process::id();
    (0..TRIES).any(|number| {
        let path = format!("{place}/.knockd-{id}-{number}");
        match mkdir(&path, Mode::RWXU) {
            Ok(()) => {}
            Err(_) => return false,
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let entered = open(&path, flags, Mode::empty()).and_then(fchdir);
        // Fails unless it is empty.
        let deleted = rmdir(&path);
        entered.is_ok() && deleted.is_ok()
    })
}
