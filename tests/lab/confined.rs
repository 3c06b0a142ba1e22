//! What the running capture process is, and what it has given up, as the kernel says; and that this was so before it looked
//! at a packet.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::daemon::{Daemon, Launch};
use crate::doors::{door, door_with, sequence};
use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, SERVER};
use crate::procfs::Process;
use crate::wait::{PATIENCE, wait_until};

const HITS: [Hit; 3] = [Hit::Tcp(7000), Hit::Tcp(8000), Hit::Tcp(9000)];

/// All sets of capabilities, as `proc_pid_status(5)` calls them.
const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

const NOTHING: &str = "0000000000000000";

/// `CAP_NET_ADMIN` and `CAP_NET_RAW`, as capabilities(7) numbers them.
const NET: &str = "0000000000003000";

fn plain() -> String {
    door("door", &sequence("7000,8000,9000"), "syn")
}

fn with_options(lab: &Lab, options: &str, doors: &str) -> Daemon {
    Launch { options, ..Launch::new(doors) }.start(lab)
}

/// The ids of this user and of the group of the same entry, four times each as the kernel lists them.
fn ids(user: &str) -> Option<[String; 2]> {
    let output = Command::new("getent").args(["passwd", user]).output().expect("getent");
    let entry = String::from_utf8(output.stdout).expect("UTF-8");
    let fields: Vec<_> = entry.split(':').collect();
    let four = |id: &str| [id; 4].join(" ");
    Some([four(fields.get(2)?), four(fields.get(3)?)])
}

fn identity(process: &Process) -> [String; 2] {
    [process.status("Uid"), process.status("Gid")]
}

fn capabilities(process: &Process) -> [String; 5] {
    SETS.map(|set| process.status(set))
}

/// The inode numbers of the packet sockets of the server.
fn packet_sockets(lab: &Lab) -> Vec<String> {
    let table = lab.server.succeeds(Command::new("cat").arg("/proc/net/packet"));
    let inodes = table.lines().skip(1).filter_map(|line| line.split_whitespace().last());
    inodes.map(|inode| format!("socket:[{inode}]")).collect()
}

/// What kind of thing each descriptor is, sorted.
fn kinds(lab: &Lab, process: &Process) -> Vec<&'static str> {
    let packet_sockets = packet_sockets(lab);
    let to_executor = process.link("fd/0");
    let kind = |name: &String| {
        let target = process.link(&format!("fd/{name}"));
        match target.as_str() {
            "/dev/null" => "null",
            _ if target == to_executor => "executor",
            _ if packet_sockets.contains(&target) => "packets",
            _ => panic!("descriptor {name} is {target}"),
        }
    };
    let mut kinds: Vec<_> = process.list("fd").iter().map(kind).collect();
    kinds.sort_unstable();
    kinds
}

#[track_caller]
fn has_given_up_everything(lab: &Lab, capture: &Process) {
    assert_eq!(capture.status("Name"), "knockd-capture");
    assert_eq!(capture.status("Groups"), "");
    assert_eq!(capabilities(capture), [NOTHING; 5]);
    assert_eq!(capture.status("NoNewPrivs"), "1");
    assert_eq!(capture.status("Threads"), "1");
    assert_eq!(capture.read("environ"), "");
    assert!(capture.read("cmdline").starts_with("knockd-capture\0"));
    assert_eq!(kinds(lab, capture), ["executor", "executor", "null", "null", "packets"]);
}

#[test]
fn the_capture_process_has_given_up_everything() {
    let Some(lab) = Lab::new("the_capture_process_has_given_up_everything") else { return };
    let daemon = with_options(&lab, "", &plain());
    let capture = daemon.capture();
    assert_eq!(Some(identity(&capture)), ids("knockd").or_else(|| ids("nobody")));
    has_given_up_everything(&lab, &capture);
    assert_eq!(capture.status("Seccomp"), "2");
    assert!(capture.link("root").ends_with(" (deleted)"), "{}", capture.link("root"));
    assert_eq!(capture.list("root"), [""; 0]);
    assert!(capture.read("limits").lines().any(|line| {
        line.starts_with("Max processes") && line.split_whitespace().rev().take(3).eq(["processes", "0", "0"])
    }));
    // Nothing of this is the executor's.
    assert_eq!(daemon.process().status("Seccomp"), "0");
    assert_eq!(daemon.process().link("root"), "/");
}

#[test]
fn without_a_sandbox_it_still_is_nobody_and_may_nothing() {
    let Some(lab) = Lab::new("without_a_sandbox_it_still_is_nobody_and_may_nothing") else { return };
    let daemon = with_options(&lab, "    sandbox = off\n    user = daemon\n", &plain());
    let capture = daemon.capture();
    assert_eq!(Some(identity(&capture)), ids("daemon"));
    has_given_up_everything(&lab, &capture);
    assert_eq!(capture.status("Seccomp"), "0");
    assert_eq!(capture.link("root"), "/");
    send(&lab.client, CLIENT, SERVER, &HITS);
    assert_eq!(daemon.openings(&lab, "door"), 1);
}

#[test]
fn whoever_cannot_read_packets_is_refused_at_the_start() {
    let Some(lab) = Lab::new("whoever_cannot_read_packets_is_refused_at_the_start") else { return };
    let doors = plain();
    // The one is refused for what it is, the other for what the configuration says.
    for (user, code, words) in [
        ("no-such-user", 1, "there is no user no-such-user; name another one with `user`"),
        ("root", 3, "`root` is not who reads packets"),
    ] {
        let options = format!("    user = {user}\n");
        let output = Launch { options: &options, ..Launch::new(&doors) }.command(&lab).output();
        let output = output.expect("ip: install iproute2");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{user}: {said}");
        assert!(said.contains(words), "{user}: {said}");
    }
}

/// The lines of a trace which this process has made, without its id.
fn calls_of(trace: &str, process: &Process) -> Vec<String> {
    let id = process.id().to_string();
    let of_it = |line: &str| Some(line.strip_prefix(&id)?.trim_start().to_owned());
    trace.lines().filter_map(of_it).collect()
}

#[test]
fn it_gives_everything_up_before_it_looks_at_a_packet() {
    let Some(lab) = Lab::new("it_gives_everything_up_before_it_looks_at_a_packet") else { return };
    let before = format!(
        "exec strace -D -f -y -q -o {} -e trace=socket,chroot,setgroups,setresgid,setresuid,capset,prctl,seccomp,\
         landlock_restrict_self,setsockopt,poll,ppoll,recvfrom,execve \"$@\"",
        lab.path("trace").display()
    );
    let doors = plain();
    let daemon = Launch { before: &before, ..Launch::new(&doors) }.start(&lab);
    let capture = daemon.capture();
    send(&lab.client, CLIENT, SERVER, &HITS);
    assert_eq!(daemon.openings(&lab, "door"), 1);
    let trace = lab.read("trace");
    let calls = calls_of(&trace, &capture);
    let position = |words: &str| {
        let found = calls.iter().position(|call| call.starts_with(words));
        found.unwrap_or_else(|| panic!("no {words}: {calls:#?}"))
    };
    let steps = [
        "socket(AF_PACKET",
        "chroot(",
        "setgroups(0",
        "setresgid(",
        "setresuid(",
        "prctl(PR_SET_NO_NEW_PRIVS, 1",
        "landlock_restrict_self(",
        "seccomp(SECCOMP_SET_MODE_FILTER",
    ];
    let order = steps.map(position);
    assert!(order.is_sorted(), "{:?}", steps.iter().zip(order).collect::<Vec<_>>());
    let confined = order[steps.len() - 1];
    let (_, packets) = calls[order[0]].rsplit_once("= ").expect("a descriptor");
    let waits_for_packets = |call: &String| call.contains("poll(") && call.contains(packets);
    let looks = calls.iter().position(waits_for_packets).expect("it has waited for packets");
    assert!(looks > confined, "it looked at packets before: {calls:#?}");
    // Until then, it has a filter that lets nothing through: one that asks whether a frame has no byte at all.
    let filters: Vec<_> = calls
        .iter()
        .enumerate()
        .filter(|(_, call)| call.contains("SO_ATTACH_FILTER"))
        .map(|(at, call)| (at, call.contains("len=1,") || call.contains("len=4,")))
        .collect();
    let is_shut = |(at, shut): &(usize, bool)| *shut || *at > confined;
    assert!(filters.iter().all(is_shut), "{filters:?} in {calls:#?}");
    assert!(filters.iter().any(|(at, shut)| !shut && *at > confined), "{filters:?} in {calls:#?}");
}

/// Rules that a command adds, with a set of addresses that it makes first.
fn firewall_doors(lab: &Lab) -> String {
    let noted = lab.path("noted").display().to_string();
    let nft = "nft add table inet knock && nft add chain inet knock input && \
               nft add rule inet knock input ip saddr $KNOCK_IP accept";
    let iptables = "iptables -I INPUT -s $KNOCK_IP -j ACCEPT";
    let status = format!("grep ^Cap /proc/self/status >{noted}.new && mv {noted}.new {noted}");
    door_with("nft", &sequence("7001,8001,9001"), "syn", nft)
        + &door_with("iptables", &sequence("7002,8002,9002"), "syn", iptables)
        + &door_with("status", &sequence("7003,8003,9003"), "syn", &status)
}

#[test]
fn with_few_capabilities_firewalls_still_work_and_the_capture_process_comes_back() {
    let test = "with_few_capabilities_firewalls_still_work_and_the_capture_process_comes_back";
    let Some(lab) = Lab::new(test) else { return };
    let doors = plain() + &firewall_doors(&lab);
    let daemon = with_options(&lab, "    capabilities = cap_net_admin,cap_net_raw\n", &doors);
    let main = Process::of(daemon.pid());
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(main.status(set), NET, "{set}");
    }
    for port in [7001, 7002, 7003] {
        send(&lab.client, CLIENT, SERVER, &[port, port + 1000, port + 2000].map(Hit::Tcp));
    }
    let rule = format!("ip saddr {CLIENT} accept");
    let ruleset = || lab.server.succeeds(Command::new("nft").args(["list", "ruleset"]));
    assert!(wait_until(PATIENCE, || ruleset().contains(&rule)), "{}", daemon.log());
    let chain = || lab.server.succeeds(Command::new("iptables").args(["-S", "INPUT"]));
    let rule = format!("-A INPUT -s {CLIENT}/32 -j ACCEPT");
    assert!(wait_until(PATIENCE, || chain().contains(&rule)), "{}\n{}", chain(), daemon.log());
    assert!(wait_until(PATIENCE, || fs::exists(lab.path("noted")).is_ok_and(|there| there)));
    let noted = lab.read("noted");
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert!(noted.contains(&format!("{set}:\t{NET}\n")), "{noted}");
    }

    let first = daemon.capture();
    first.signal(Signal::KILL);
    daemon.says("capturing goes on in process ");
    let second = daemon.capture();
    assert_ne!(first.id(), second.id());
    assert_eq!(capabilities(&second), [NOTHING; 5]);
    let opened = || {
        send(&lab.client, CLIENT, SERVER, &HITS);
        daemon.count(": door: OPEN SESAME") > 0
    };
    assert!(wait_until(Duration::from_secs(1), opened), "knocking does not work again");
}
