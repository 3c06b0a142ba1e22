//! What a running program costs, and what the kernel has for it: asked from outside, in the same way of every program.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use std::{ops, thread};

use nix::sys::socket::getsockopt;
use nix::time::ClockId;
use nix::{getsockopt_impl, libc, sockopt_impl};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::procfs::Process;

sockopt_impl!(
    /// What `packet(7)` counts for a socket; asking sets it back to zero.
    PacketStatistics,
    GetOnly,
    libc::SOL_PACKET,
    libc::PACKET_STATISTICS,
    libc::tpacket_stats
);

/// How long a program must have done nothing to be at rest.
const REST: Duration = Duration::from_millis(60);

/// All processes of a program.
pub(crate) struct Meter {
    processes: Vec<Process>,
    clocks: Vec<ClockId>,
    /// Where its packets come from.
    sockets: Vec<OwnedFd>,
}

/// What has come to a program's sockets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Packets {
    /// Packets that passed the kernel filter.
    pub(crate) passed: u64,
    /// Those of them for which there was no room.
    pub(crate) dropped: u64,
}

impl ops::AddAssign for Packets {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.dropped += other.dropped;
    }
}

impl Meter {
    pub(crate) fn on(processes: Vec<Process>) -> Self {
        let clocks = processes.iter().map(|process| {
            let id = i32::try_from(process.id()).expect("a process id");
            ClockId::pid_cpu_clock_id(nix::unistd::Pid::from_raw(id)).expect("a process's clock")
        });
        let clocks = clocks.collect();
        let sockets = processes.iter().flat_map(packet_sockets).collect();
        Self { processes, clocks, sockets }
    }

    /// The processor time that all its threads have taken so far, those that have ended too.
    pub(crate) fn cpu(&self) -> Duration {
        self.clocks.iter().map(|clock| Duration::from(clock.now().expect("a process that runs"))).sum()
    }

    /// What has come since this was last asked.
    pub(crate) fn packets(&self) -> Packets {
        let mut packets = Packets::default();
        for socket in &self.sockets {
            let counted = getsockopt(socket, PacketStatistics).expect("a packet socket");
            packets += Packets { passed: counted.tp_packets.into(), dropped: counted.tp_drops.into() };
        }
        packets
    }

    /// Waits until it does nothing any more, or for no longer than this.
    pub(crate) fn rests_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut cpu = self.cpu();
        while Instant::now() < deadline {
            thread::sleep(REST);
            if self.cpu() == cpu {
                return true;
            }
            cpu = self.cpu();
        }
        false
    }

    /// How often each process has been woken so far.
    pub(crate) fn wake_ups(&self) -> Vec<u64> {
        self.processes.iter().map(|process| process.effort().wake_ups).collect()
    }

    /// How much memory it takes, in KiB; of what it shares with others, its share.
    pub(crate) fn memory(&self) -> u64 {
        self.processes.iter().map(Process::memory).sum()
    }
}

/// A process's packet sockets, as our own.
fn packet_sockets(process: &Process) -> Vec<OwnedFd> {
    let table = process.read("net/packet");
    let inodes: Vec<_> = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(8)).collect();
    let id = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("a process id");
    let handle = pidfd_open(id, PidfdFlags::empty()).expect("a process that runs");
    let mut numbers = process.list("fd");
    numbers.retain(|number| {
        let link = process.link(&format!("fd/{number}"));
        let inode = link.strip_prefix("socket:[").and_then(|link| link.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.contains(&inode))
    });
    let ours = |number: String| {
        let number = number.parse().expect("a descriptor");
        pidfd_getfd(&handle, number, PidfdGetfdFlags::empty()).expect("a descriptor of another process")
    };
    numbers.into_iter().map(ours).collect()
}
