//! What the kernel says about a running process, in proc(5).

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::net::read_if_there;
use crate::wait::{PATIENCE, wait_until};

/// How the kernel calls the process that captures packets.
const CAPTURE: &str = "knockd-capture\n";

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

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0
    }

    /// Its child processes, those that have ended and were not asked after included.
    pub(crate) fn children(&self) -> Vec<Process> {
        let lists = self.threads().into_iter().map(|id| {
            // A thread may end while we look.
            read_if_there(Path::new(&format!("/proc/{}/task/{id}/children", self.0)))
        });
        let ids: Vec<String> = lists.collect();
        let ids = ids.iter().flat_map(|list| list.split_whitespace());
        ids.map(|id| Process(id.parse().expect("a process id"))).collect()
    }

    /// Those of its children that capture packets; two while one takes over from the other.
    pub(crate) fn captures(&self) -> Vec<Process> {
        let mut children = self.children();
        children.retain(|child| read_if_there(Path::new(&format!("/proc/{}/comm", child.0))) == CAPTURE);
        children
    }

    /// Its child that captures packets, once there is just one.
    #[track_caller]
    pub(crate) fn capture(&self) -> Process {
        let mut found = Vec::new();
        let alone = || {
            found = self.captures();
            found.len() == 1
        };
        assert!(wait_until(PATIENCE, alone), "there are {} capture processes", found.len());
        found.remove(0)
    }

    /// Whether it is there, and has not ended.
    pub(crate) fn lives(&self) -> bool {
        let stat = read_if_there(Path::new(&format!("/proc/{}/stat", self.0)));
        stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X']))
    }

    /// What `proc_pid_status(5)` says behind this word.
    pub(crate) fn status(&self, word: &str) -> String {
        let status = self.read("status");
        let found = status.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(':'));
        found
            .unwrap_or_else(|| panic!("no {word} in {status}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Where this link in its directory leads.
    pub(crate) fn link(&self, name: &str) -> String {
        let target = fs::read_link(format!("/proc/{}/{name}", self.0)).expect("a link in /proc");
        target.to_string_lossy().into_owned()
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

    pub(crate) fn threads(&self) -> Vec<u32> {
        self.list("task").iter().map(|name| name.parse().expect("a thread's id")).collect()
    }

    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{}/{name}", self.0)).expect("a directory in /proc");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.0)).expect("a file in /proc")
    }
}
