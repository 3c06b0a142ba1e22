//! The filter, run here as the kernel would run it.

use seccompiler::sock_filter;

use super::*;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const LOG: u32 = 0x7ffc_0000;

const PID: u64 = 4321;
const CHANNEL: u64 = 5;
const CAPTURE: u64 = 6;

/// The processor's number in `linux/audit.h`.
const ARCHITECTURE: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };

fn program(strength: Sandbox) -> BpfProgram {
    compile(&Own { pid: PID, writable: vec![2, 5] }, strength).unwrap()
}

/// What becomes of a call: classic BPF (`linux/filter.h`) over the words of `struct seccomp_data`.
fn outcome(program: &[sock_filter], architecture: u32, call: c_long, arguments: [u64; 6]) -> u32 {
    let halves = |value: u64| [value & 0xffff_ffff, value >> 32].map(|half| u32::try_from(half).unwrap());
    let mut data = vec![u32::try_from(call).unwrap(), architecture, 0, 0];
    data.extend(arguments.into_iter().flat_map(halves));
    let (mut accumulator, mut at) = (0, 0);
    loop {
        let instruction = &program[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { instruction.jt } else { instruction.jf });
        match instruction.code {
            0x20 => accumulator = data[usize::try_from(instruction.k).unwrap() / 4],
            0x54 => accumulator &= instruction.k,
            0x05 => at += usize::try_from(instruction.k).unwrap(),
            0x15 => at += jump(accumulator == instruction.k),
            0x06 => return instruction.k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

fn allows(call: c_long, arguments: [u64; 6]) -> bool {
    let outcome = outcome(&program(Sandbox::Strict), ARCHITECTURE, call, arguments);
    assert!(outcome == ALLOW || outcome == KILL, "{outcome:#x}");
    outcome == ALLOW
}

#[test]
fn of_all_calls_those_of_the_table_alone_are_allowed() {
    let own = Own { pid: PID, writable: vec![2, 5] };
    let table = allowed(&own).unwrap();
    let strict = program(Sandbox::Strict);
    // With arguments that none of the rules allow.
    let arguments = [u64::MAX; 6];
    for call in 0..2000 {
        let free = table.get(&call).is_some_and(Vec::is_empty);
        assert_eq!(outcome(&strict, ARCHITECTURE, call, arguments) == ALLOW, free, "{call}");
        // The calls of the x32 ABI bear the same numbers and a mark.
        let x32 = outcome(&strict, ARCHITECTURE, call | 0x4000_0000, [0; 6]);
        assert_eq!(x32, KILL, "{call}");
        // As do those of another architecture.
        assert_eq!(outcome(&strict, 0x4000_0003, call, [0; 6]), KILL, "{call}");
    }
}

#[test]
fn nothing_that_opens_starts_or_signals_is_in_the_table() {
    for call in [
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_open_by_handle_at,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_accept4,
        libc::SYS_sendmsg,
        libc::SYS_sendmmsg,
        libc::SYS_recvmsg,
        libc::SYS_dup,
        libc::SYS_dup3,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_pidfd_open,
        libc::SYS_prctl,
        libc::SYS_bpf,
        libc::SYS_io_uring_setup,
        libc::SYS_userfaultfd,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_chroot,
        libc::SYS_prlimit64,
        libc::SYS_memfd_create,
        libc::SYS_pkey_mprotect,
    ] {
        assert!(!allows(call, [0; 6]), "{call}");
    }
}

#[test]
fn words_go_to_open_descriptors_but_capture_handles_and_to_no_address() {
    for call in [libc::SYS_write, libc::SYS_writev, libc::SYS_sendto] {
        assert!(allows(call, [CHANNEL, 1, 2, 3, 0, 0]));
        assert!(allows(call, [2, 1, 2, 3, 0, 0]));
        assert!(!allows(call, [CAPTURE, 1, 2, 3, 0, 0]));
        assert!(!allows(call, [0, 1, 2, 3, 0, 0]));
    }
    assert!(!allows(libc::SYS_sendto, [CHANNEL, 1, 2, 3, 1, 16]));
    assert!(
        !allows(libc::SYS_sendto, [CHANNEL, 1, 2, 3, 1 << 32, 16]),
        "the upper half is an address as well"
    );
}

#[test]
fn without_any_such_descriptor_there_are_no_words() {
    let mute = compile(&Own { pid: PID, writable: Vec::new() }, Sandbox::Strict).unwrap();
    for descriptor in 0..10 {
        assert_eq!(outcome(&mute, ARCHITECTURE, libc::SYS_write, [descriptor, 0, 0, 0, 0, 0]), KILL);
    }
}

#[test]
fn memory_is_never_executable() {
    let arguments = |protection: i32| [0, 4096, protection.cast_unsigned().into(), 0, 0, 0];
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        assert!(allows(call, arguments(libc::PROT_READ | libc::PROT_WRITE)));
        assert!(allows(call, arguments(libc::PROT_NONE)));
        assert!(!allows(call, arguments(libc::PROT_EXEC)));
        assert!(!allows(call, arguments(libc::PROT_READ | libc::PROT_EXEC)));
    }
}

#[test]
fn a_handle_is_asked_for_its_state_given_filters_and_freed_but_not_moved() {
    let set = |level: i32, option: i32| {
        let [level, option] = [level, option].map(|number| number.cast_unsigned().into());
        allows(libc::SYS_setsockopt, [CAPTURE, level, option, 0, 0, 0])
    };
    assert!(set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER) && set(libc::SOL_SOCKET, libc::SO_DETACH_FILTER));
    assert!(set(libc::SOL_PACKET, libc::PACKET_RX_RING));
    assert!(
        !set(libc::SOL_PACKET, libc::PACKET_TX_RING) && !set(libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP)
    );
    assert!(!set(libc::SOL_SOCKET, libc::SO_BINDTODEVICE) && !set(libc::SOL_SOCKET, libc::PACKET_RX_RING));
    let ioctl = |request: u64| allows(libc::SYS_ioctl, [CAPTURE, request, 0, 0, 0, 0]);
    assert!(ioctl(libc::SIOCGIFFLAGS));
    assert!(!ioctl(libc::SIOCGIFFLAGS + 1) && !ioctl(libc::TIOCSTI));
    let fcntl = |command: i32| allows(libc::SYS_fcntl, [CAPTURE, command.cast_unsigned().into(), 0, 0, 0, 0]);
    assert!(fcntl(libc::F_GETFL) && fcntl(libc::F_SETFL));
    assert!(!fcntl(libc::F_DUPFD) && !fcntl(libc::F_DUPFD_CLOEXEC) && !fcntl(libc::F_SETOWN));
}

#[test]
fn signals_go_to_itself_only() {
    assert!(allows(libc::SYS_tgkill, [PID, PID, 6, 0, 0, 0]));
    assert!(!allows(libc::SYS_tgkill, [PID - 1, PID - 1, 6, 0, 0, 0]));
}

#[test]
fn where_it_only_logs_the_same_calls_are_logged() {
    let (strict, log) = (program(Sandbox::Strict), program(Sandbox::Log));
    for call in 0..600 {
        let [strict, log] =
            [&strict, &log].map(|program| outcome(program, ARCHITECTURE, call, [u64::MAX; 6]));
        assert_eq!((strict == ALLOW, strict == KILL), (log == ALLOW, log == LOG), "{call}");
    }
}

#[test]
fn packet_and_internet_sockets_are_not_to_be_written_to() {
    use std::os::fd::AsRawFd;
    let file = std::fs::File::open("/dev/null").unwrap();
    let (local, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let internet = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let found = writable();
    assert!(found.contains(&file.as_raw_fd()) && found.contains(&local.as_raw_fd()), "{found:?}");
    assert!(!found.contains(&internet.as_raw_fd()), "{found:?}");
}
