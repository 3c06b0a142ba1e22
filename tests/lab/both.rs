//! A daemon's two processes taken together: what it costs its host.

use crate::daemon::Daemon;
use crate::procfs::{Effort, Process};

/// The executor, and whatever captures for it at the moment.
pub(crate) struct Both(Process);

impl Both {
    pub(crate) fn of(daemon: &Daemon) -> Self {
        Self(daemon.process())
    }

    fn each<T>(&self, what: impl Fn(&Process) -> T) -> impl Iterator<Item = T> {
        let mut all = vec![what(&self.0)];
        all.extend(self.0.captures().iter().map(&what));
        all.into_iter()
    }

    /// What they have done since their starts.
    pub(crate) fn effort(&self) -> Effort {
        let add = |sum: Effort, one: Effort| Effort {
            ticks: sum.ticks + one.ticks,
            wake_ups: sum.wake_ups + one.wake_ups,
        };
        self.each(Process::effort).fold(Effort { ticks: 0, wake_ups: 0 }, add)
    }

    /// Waits until both have done nothing for a while.
    #[track_caller]
    pub(crate) fn falls_asleep(&self) {
        self.0.capture().falls_asleep();
        self.0.falls_asleep();
    }

    /// How much memory they take, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        self.each(Process::memory).sum()
    }

    /// How many files they have open.
    pub(crate) fn descriptors(&self) -> usize {
        self.each(Process::descriptors).sum()
    }
}
