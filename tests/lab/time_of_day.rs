//! The time of day of a daemon, set as a test likes it, without its clock that counts from the boot.

use std::fs;
use std::path::PathBuf;

use crate::net::Lab;

pub(crate) struct TimeOfDay {
    offset: PathBuf,
}

impl TimeOfDay {
    pub(crate) fn new(lab: &Lab) -> Self {
        let time = Self { offset: lab.path("offset") };
        time.set(lab, 0);
        time
    }

    /// Shell commands that go before the daemon.
    pub(crate) fn before(&self) -> String {
        // faketime(1) leaves files in /dev/shm, and fails where an earlier process with its number has left some.
        format!(
            "mount -n -t tmpfs none /dev/shm || exit; export FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1; \
             LD_PRELOAD=$(faketime -m -f +0 printenv LD_PRELOAD) || exit; export LD_PRELOAD",
            self.offset.display()
        )
    }

    /// Sets it so many seconds ahead of the real one.
    pub(crate) fn set(&self, lab: &Lab, seconds: i64) {
        let new = lab.path("offset.new");
        fs::write(&new, format!("{seconds:+}\n"))
            .and_then(|()| fs::rename(&new, &self.offset))
            .expect("a file");
    }
}
