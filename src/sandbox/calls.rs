//! The system calls of the capture loop, and what becomes of it at any other.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname};
use rustix::process::{Resource, getpid, getrlimit};
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

use super::failure::{ConfineError, Step};
use super::lacking::Lacking;
use crate::config::Sandbox;

/// The most descriptors that are looked at.
const MOST_DESCRIPTORS: u64 = 4096;

/// When a call is allowed: always, or if all conditions of one of its rules hold.
type Rules = Result<Vec<SeccompRule>, BackendError>;

/// The filter that stops everything but the calls below, in a process that has opened all that it needs.
pub(super) fn filter(strength: Sandbox) -> Result<BpfProgram, ConfineError> {
    let own = Own { pid: getpid().as_raw_pid().cast_unsigned().into(), writable: writable() };
    // Not the kernel's doing.
    compile(&own, strength).map_err(|_| ConfineError { step: Step::Seccomp, errno: 0 })
}

/// Puts the filter in force; what the kernel does not have of it.
pub(super) fn install(filter: &BpfProgram) -> Result<Option<Lacking>, ConfineError> {
    let errno = match apply_filter(filter) {
        Ok(()) => return Ok(None),
        Err(Error::Seccomp(error) | Error::Prctl(error)) => error.raw_os_error().unwrap_or(0),
        Err(_) => 0,
    };
    match errno {
        libc::ENOSYS | libc::EINVAL | libc::EOPNOTSUPP => Ok(Some(Lacking::Seccomp)),
        _ => Err(ConfineError { step: Step::Seccomp, errno }),
    }
}

/// What this process is, and has.
struct Own {
    pid: u64,
    /// The descriptors that it may write to.
    writable: Vec<RawFd>,
}

fn compile(own: &Own, strength: Sandbox) -> Result<BpfProgram, BackendError> {
    let otherwise = match strength {
        Sandbox::Strict => SeccompAction::KillProcess,
        Sandbox::Log | Sandbox::Off => SeccompAction::Log,
    };
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(allowed(own)?, otherwise, SeccompAction::Allow, architecture)?.try_into()
}

/// Every call that the loop makes, and why.  x86-64 and aarch64 differ only in `poll`; the latter was never run.
fn allowed(own: &Own) -> Result<BTreeMap<c_long, Vec<SeccompRule>>, BackendError> {
    let always = || -> Rules { Ok(Vec::new()) };
    let table = [
        // Waiting for packets and orders, and for a moment.
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_poll, always()),
        (libc::SYS_ppoll, always()),
        (libc::SYS_nanosleep, always()),
        (libc::SYS_clock_nanosleep, always()),
        (libc::SYS_restart_syscall, always()), // after a stop and SIGCONT
        // Orders in; packets that came before their filter.
        (libc::SYS_recvfrom, always()),
        (libc::SYS_read, always()),
        // Reports out, to whom it is connected with already.  A capture handle could send frames as well.
        (libc::SYS_sendto, each_descriptor(own, Some(&null(4)?))),
        (libc::SYS_write, each_descriptor(own, None)),
        (libc::SYS_writev, each_descriptor(own, None)),
        // What libpcap asks of its handle: errors, statistics, whether the interface is up and which one it is.
        (libc::SYS_getsockopt, always()),
        (libc::SYS_getsockname, always()),
        (libc::SYS_ioctl, one_of(1, &[libc::SIOCGIFFLAGS])),
        // Setting a filter, during which libpcap makes the handle non-blocking; freeing the ring at the end.
        (
            libc::SYS_setsockopt,
            Ok(vec![
                SeccompRule::new(vec![equal(1, libc::SOL_SOCKET)?, equal(2, libc::SO_ATTACH_FILTER)?])?,
                SeccompRule::new(vec![equal(1, libc::SOL_SOCKET)?, equal(2, libc::SO_DETACH_FILTER)?])?,
                SeccompRule::new(vec![equal(1, libc::SOL_PACKET)?, equal(2, libc::PACKET_RX_RING)?])?,
            ]),
        ),
        (libc::SYS_fcntl, one_of(1, &[libc::F_GETFL, libc::F_SETFL])),
        (libc::SYS_close, always()),
        // Memory, but no code.
        (libc::SYS_brk, always()),
        (libc::SYS_mmap, without(2, libc::PROT_EXEC)),
        (libc::SYS_mprotect, without(2, libc::PROT_EXEC)),
        (libc::SYS_mremap, always()),
        (libc::SYS_munmap, always()),
        (libc::SYS_madvise, always()),
        // Clocks, where the kernel does not answer without a call; seeds of hash tables.
        (libc::SYS_clock_gettime, always()),
        (libc::SYS_gettimeofday, always()),
        (libc::SYS_getrandom, always()),
        // Locks, signals, panics and aborts: signals to itself only.
        (libc::SYS_futex, always()),
        (libc::SYS_rt_sigprocmask, always()),
        (libc::SYS_rt_sigaction, always()),
        (libc::SYS_rt_sigreturn, always()),
        (libc::SYS_sigaltstack, always()),
        (libc::SYS_gettid, always()),
        (libc::SYS_getpid, always()),
        (libc::SYS_tgkill, Ok(vec![SeccompRule::new(vec![equal(0, own.pid)?])?])),
        // The end.
        (libc::SYS_exit, always()),
        (libc::SYS_exit_group, always()),
    ];
    table.into_iter().map(|(call, rules)| Ok((call, rules?))).collect()
}

/// Holds if the lower half of an argument, which is all that the kernel looks at in an `int`, has this value.
fn equal(argument: u8, value: impl TryInto<u64>) -> Result<SeccompCondition, BackendError> {
    let value = value.try_into().unwrap_or(u64::MAX);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

/// Holds if a pointer is null.
fn null(argument: u8) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)
}

/// If the argument has one of these values.
fn one_of(argument: u8, values: &[impl TryInto<u64> + Copy]) -> Rules {
    values.iter().map(|value| SeccompRule::new(vec![equal(argument, *value)?])).collect()
}

/// If the argument has none of these bits.
fn without(argument: u8, bits: i32) -> Rules {
    let mask = u64::from(bits.cast_unsigned());
    let clear = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), 0)?;
    Ok(vec![SeccompRule::new(vec![clear])?])
}

/// If the first argument is a descriptor that may be written to, and the other condition holds.
fn each_descriptor(own: &Own, also: Option<&SeccompCondition>) -> Rules {
    // No rule at all would allow the call always; one for no descriptor lets it fail.
    let none = [RawFd::MAX];
    let rule = |descriptor: &RawFd| {
        let conditions = [equal(0, *descriptor)?].into_iter().chain(also.cloned());
        SeccompRule::new(conditions.collect())
    };
    none.iter().chain(&own.writable).map(rule).collect()
}

/// Every open descriptor that can be written to without sending packets: no socket but local ones.
fn writable() -> Vec<RawFd> {
    let most = getrlimit(Resource::Nofile).current.unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS);
    let is_fit = |descriptor: &RawFd| match getsockname::<SockaddrStorage>(*descriptor) {
        Ok(address) => address.family() == Some(AddressFamily::Unix),
        Err(error) => error == Errno::ENOTSOCK,
    };
    (0..RawFd::try_from(most).unwrap_or(0)).filter(is_fit).collect()
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
