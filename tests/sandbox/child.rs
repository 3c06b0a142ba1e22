//! The process that confines itself: what it is told to be before, and to do then.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, stdin};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use knockd::clock::Clock;
use knockd::config::{Capabilities, Sandbox};
use knockd::privileges::{for_starting_captures, keep_only};
use knockd::sandbox::{Confinement, Identity, confine};
use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid as NixPid;
use pcap::{Active, Capture};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    set_thread_uid,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::wire;

/// The first argument of such a process.
pub(crate) const ROLE: &str = "be-confined";

/// Who starts without root and is nobody's namesake.
pub(crate) const STRANGER: u32 = 54_321;

/// What is kept where something is: `cap_net_admin` and `cap_net_raw`.
pub(crate) const KEPT: [u8; 2] = [12, 13];

/// A process that nobody but root may touch.
const INIT: i32 = 1;

/// Does what the words say, one after the other; each that is done says so on standard output.
pub(crate) fn run(plan: &[String]) {
    let mut capture = None;
    for word in plan {
        match word.as_str() {
            "strict" => be_confined(Sandbox::Strict),
            "log" => be_confined(Sandbox::Log),
            "off" => be_confined(Sandbox::Off),
            "send-on-loopback" => wire::send(),
            "open-loopback" => capture = Some(wire::open()),
            "capture" => wire::capture(capture.take().unwrap()),
            "inject" => {
                say(word, capture.as_mut().map(|capture: &mut Capture<Active>| capture.sendpacket([0; 60])));
            }
            word => before(word).unwrap_or_else(|| attempt(word)),
        }
    }
}

/// A line for the parent.
pub(crate) fn say(what: &str, result: impl std::fmt::Debug) {
    println!("{what}: {result:?}");
}

fn be_confined(strength: Sandbox) {
    let identity = Identity::find(Some("nobody")).unwrap();
    match confine(Confinement { identity, strength }) {
        Ok(lacking) => say("lacking", lacking),
        Err(error) => say("error", error.to_string()),
    }
}

/// What the process becomes before it is confined; nothing if the word is for later.
fn before(word: &str) -> Option<()> {
    match word {
        "keep" => keep_only(&Capabilities::of(KEPT)).unwrap(),
        "keep-for-captures" => for_starting_captures(&Capabilities::of(KEPT)).unwrap(),
        "run" => run_something("command"),
        "run-in-a-thread" => thread::scope(|scope| drop(scope.spawn(|| run_something("thread")))),
        "keep-in-another-thread" => thread::scope(|scope| drop(scope.spawn(|| before("keep")))),
        "start-confined" => start_confined(),
        "as-stranger-with-capabilities" => become_user_with_capabilities(STRANGER),
        "in-groups" => set_thread_groups(&[4, 27].map(rustix::fs::Gid::from_raw)).unwrap(),
        "clinging" => cling_to_capabilities(),
        "as-stranger" => become_user(STRANGER),
        "as-nobody" => become_user(Identity::find(Some("nobody")).unwrap().uid),
        "without-chroot-right" => {
            let mut sets = rustix::thread::capabilities(None).unwrap();
            sets.effective.remove(CapabilitySet::SYS_CHROOT);
            rustix::thread::set_capabilities(None, sets).unwrap();
        }
        "kernel-without-landlock" => forbid(&[libc::SYS_landlock_create_ruleset], libc::EOPNOTSUPP),
        "kernel-without-seccomp" => forbid(&[libc::SYS_seccomp], libc::ENOSYS),
        "kernel-that-keeps-users" => forbid(&[libc::SYS_setresuid], libc::EAGAIN),
        "with-a-thread" => drop(thread::spawn(thread::park)),
        "start-another" => start_another(),
        _ => return None,
    }
    Some(())
}

/// Has all capabilities in all sets, and keeps them with another user.
fn cling_to_capabilities() {
    let mut sets = rustix::thread::capabilities(None).unwrap();
    sets.inheritable = sets.permitted;
    rustix::thread::set_capabilities(None, sets).unwrap();
    rustix::thread::configure_capability_in_ambient_set(CapabilitySet::NET_RAW, true).unwrap();
    rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP).unwrap();
}

fn become_user(id: u32) {
    let (uid, gid) = (rustix::fs::Uid::from_raw(id), rustix::fs::Gid::from_raw(id));
    set_thread_groups(&[]).unwrap();
    set_thread_res_gid(gid, gid, gid).unwrap();
    set_thread_res_uid(uid, uid, uid).unwrap();
}

/// Becomes this user, and keeps root's capabilities, though for itself alone.
fn become_user_with_capabilities(id: u32) {
    rustix::thread::set_keep_capabilities(true).unwrap();
    let mut sets = rustix::thread::capabilities(None).unwrap();
    become_user(id);
    sets.inheritable = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, sets).unwrap();
}

/// Says which capabilities a program has that this thread runs.
fn run_something(whose: &str) {
    let output = Command::new("cat").arg("/proc/self/status").output().unwrap();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if let Some((set, value)) = line.strip_prefix("Cap").and_then(|line| line.split_once(":\t")) {
            say(&format!("{whose}-{set}"), u64::from_str_radix(value, 16).unwrap());
        }
    }
}

/// Starts a confined process, which speaks for itself.
fn start_confined() {
    let status = Command::new(std::env::current_exe().unwrap()).args([ROLE, "strict"]).status().unwrap();
    say("ended", status.code());
}

/// From now on these calls fail in this way, as on a kernel that does not have them.
fn forbid(calls: &[libc::c_long], errno: i32) {
    let rules: BTreeMap<_, _> = calls.iter().map(|call| (*call, Vec::new())).collect();
    let error = SeccompAction::Errno(errno.cast_unsigned());
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, error, architecture).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    apply_filter(&program).unwrap();
}

/// Starts a confined process that waits, and ends without it.
#[expect(clippy::zombie_processes, reason = "it is to outlive its parent, if it can")]
fn start_another() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child =
        command.args([ROLE, "strict", "wait"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut output = child.stdout.take().unwrap();
    while !said.contains("waiting") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        said.push(char::from(byte[0]));
    }
    say("another", child.id());
}

/// Tries to do this, and says what came of it.
fn attempt(deed: &str) {
    match deed {
        "read-shadow" => say(deed, File::open("/etc/shadow")),
        "make-file" => say(deed, File::create("here")),
        "execute" => say(deed, Command::new("/bin/true").exec()),
        "fork" => say(deed, thread::Builder::new().spawn(|| {}).map(|_| ())),
        "udp" => say(deed, UdpSocket::bind("127.0.0.1:0")),
        "tcp" => say(deed, TcpStream::connect("127.0.0.1:1")),
        "packet-socket" => {
            say(deed, socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::empty(), None));
        }
        "trace" => say(deed, ptrace::attach(NixPid::from_raw(INIT))),
        "signal" => say(deed, kill_process(Pid::from_raw(INIT).unwrap(), Signal::TERM)),
        "become-root" => say(deed, set_thread_uid(rustix::fs::Uid::ROOT)),
        "leave-root-directory" => say(deed, rustix::process::chroot("..")),
        "large-memory" => {
            let mut large = vec![1u8; 100 << 20];
            large.extend_from_within(..);
            say(deed, large.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        }
        "small-memory" => {
            let mut rows: Vec<Vec<u8>> = (0..100_000).map(|row| vec![0; row % 500]).collect();
            rows.retain(|row| row.len() % 2 == 0);
            say(deed, rows.len());
        }
        "hash-table" => say(deed, (0..1000).map(|key| (key, key)).collect::<HashMap<_, _>>().len()),
        "clocks" => {
            let (earlier, before) = (Clock.now(), Instant::now());
            thread::sleep(Duration::from_millis(2));
            say(deed, before.elapsed() >= Duration::from_millis(2) && Clock.now() > earlier);
        }
        "panic" => panic!("on purpose"),
        "exit" => std::process::exit(7),
        "abort" => std::process::abort(),
        "wait" => {
            say(deed, "waiting");
            stdin().read_to_end(&mut Vec::new()).unwrap();
        }
        _ => panic!("nobody knows how to {deed}"),
    }
}
