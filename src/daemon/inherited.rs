//! What whoever started the daemon has passed on, and commands are not to get.

use close_fds::set_fds_cloexec;
use rustix::fs::Mode;
use rustix::process::umask;

/// The first descriptor beyond standard input, output and error.
const FIRST_OTHER: i32 = 3;

/// Keeps open files, and a lax mode for new ones, from everything that the daemon will ever run.
///
/// To be called before anything is opened.  Files that others are to read are given their mode explicitly.
pub(super) fn keep_to_ourselves() {
    set_fds_cloexec(FIRST_OTHER, &[]);
    umask(Mode::RWXG | Mode::RWXO);
}
