//! What the kernel says about a running process, in proc(5).

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{PATIENCE, wait_until};

pub(crate) struct Process(u32);

/// What a process has done since its start.
pub(crate) struct Effort {
    /// Processor time, in clock ticks of mostly 10 ms.
    pub(crate) ticks: u64,
    /// How often one of its threads has gone to sleep, or was made to.
    pub(crate) wake_ups: u64,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Self {
        Self(pid)
    }

    pub(crate) fn effort(&self) -> Effort {
        let stat = self.read("stat");
        // The name in parentheses may hold anything; utime and stime are the 12th and 13th fields behind it.
        let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
        let ticks =
            fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum();
        let switches = |status: String| -> u64 {
            let counts = status.lines().filter_map(|line| line.split_once("_ctxt_switches:"));
            counts.map(|(_, count)| count.trim().parse::<u64>().expect("a number")).sum()
        };
        let status = |id: &u32| fs::read_to_string(format!("/proc/{}/task/{id}/status", self.0));
        // A thread may end while we look.
        let wake_ups = self.threads().iter().filter_map(|id| Some(switches(status(id).ok()?))).sum();
        Effort { ticks, wake_ups }
    }

    /// Waits until it has done nothing for a while.
    #[track_caller]
    pub(crate) fn falls_asleep(&self) {
        let mut before = self.effort().wake_ups;
        let mut same = 0;
        let asleep = || {
            let now = self.effort().wake_ups;
            same = if now == before { same + 1 } else { 0 };
            before = now;
            same == 25
        };
        assert!(wait_until(PATIENCE, asleep), "it does not come to rest");
    }

    /// The id of its thread of this name.
    pub(crate) fn thread(&self, name: &str) -> u32 {
        let is_it = |id: &u32| self.read(&format!("task/{id}/comm")).trim_end() == name;
        self.threads().into_iter().find(is_it).expect("a thread of this name")
    }

    /// How much memory it takes, in KiB; of what it shares with others, its share.
    pub(crate) fn memory(&self) -> u64 {
        let rollup = self.read("smaps_rollup");
        let size = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let size = size.and_then(|size| size.trim().strip_suffix(" kB")).expect("a size in KiB");
        size.parse().expect("a number")
    }

    /// How many files it has open.
    pub(crate) fn descriptors(&self) -> usize {
        self.list("fd").len()
    }

    /// The sizes in bytes of the mappings of files whose names begin so.
    pub(crate) fn mapped(&self, name: &str) -> Vec<u64> {
        let maps = self.read("maps");
        let of_it =
            maps.lines().filter(|line| line.split_whitespace().nth(5).is_some_and(|n| n.starts_with(name)));
        let size = |line: &str| {
            let (from, to) = line.split(' ').next()?.split_once('-')?;
            Some(u64::from_str_radix(to, 16).ok()? - u64::from_str_radix(from, 16).ok()?)
        };
        of_it.map(|line| size(line).expect("a range of addresses")).collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("signalling a process that we started");
    }

    fn threads(&self) -> Vec<u32> {
        self.list("task").iter().map(|name| name.parse().expect("a thread's id")).collect()
    }

    fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{}/{name}", self.0)).expect("a directory in /proc");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.0)).expect("a file in /proc")
    }
}
