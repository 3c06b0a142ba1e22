//! Both ends together: what seqgen makes, `knock --key` knocks with and a daemon derives by itself.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::daemon::{Daemon, Launch};
use crate::doors::{door, pad};
use crate::firewall::{self, NFT_CLOSE, NFT_OPEN, NFT_OPEN_6};
use crate::hits::{Hit, send};
use crate::host::Host;
use crate::keyrings::init_counter;
use crate::net::{CLIENT, Lab, OTHER, SERVER, SERVER_6, ip};
use crate::once::reload;
use crate::programs;

/// A lab with somebody's whole key, of which the server has what it needs for its label.
struct Ends {
    lab: Lab,
    mine: PathBuf,
    served: PathBuf,
}

impl Ends {
    fn new(test: &str) -> Option<Ends> {
        let lab = Lab::new(test)?;
        let (mine, served) = (lab.path("mine.key"), lab.path("gate.key"));
        lab.client.succeeds(Command::new(programs::seqgen()).args(["--new-key", "-o"]).arg(&mine));
        let mut seqgen = Command::new(programs::seqgen());
        seqgen.arg("--key-file").arg(&mine).args(["--label", "gate", "--label-key", "-o"]).arg(&served);
        lab.server.succeeds(&seqgen);
        Some(Ends { lab, mine, served })
    }

    /// What a door says of the key, and more.
    fn trigger(&self, more: &str) -> String {
        format!("one_time_key = {}\n    one_time_label = gate\n    {more}", self.served.display())
    }

    /// A door that opens nothing.
    fn door(&self, more: &str) -> String {
        door("ssh", &self.trigger(more), "syn")
    }

    /// A door in a firewall that is shut otherwise.
    fn real_door(&self, more: &str) -> String {
        firewall::nft(&self.lab.server);
        format!(
            "\n[ssh]\n    {}\n    tcpflags = syn\n    start_command = {NFT_OPEN}\n    start_command_6 = {NFT_OPEN_6}\n    \
             cmd_timeout = 600\n    stop_command = {NFT_CLOSE}\n    stop_command_6 =\n",
            self.trigger(more)
        )
    }

    /// A daemon of this door, whose counter is set first.
    #[track_caller]
    fn begin(&self, door: &str, next: u64) -> Daemon {
        let told = init_counter(&self.lab, &Launch::new(door), &format!("ssh={next}"));
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        Daemon::start(&self.lab, door)
    }

    /// Knocks on a host of the lab, whatever comes of it.
    fn knocks_on(&self, host: &Host, line: &str) -> Output {
        let state = format!("XDG_STATE_HOME={}", self.lab.path("client.state").display());
        let mut command = Command::new("env");
        host.run(command.arg(state).arg(programs::knock()).args(line.split(' ')))
    }

    /// Knocks with the key, which must succeed; what was hit.
    #[track_caller]
    fn knock(&self, line: &str) -> Vec<Hit> {
        let line = format!("-v -k {} --label gate {line}", self.mine.display());
        let output = self.knocks_on(&self.lab.client, &line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("text");
        let hit = |line: &str| {
            let (protocol, port) = line.strip_prefix("hitting ")?.split_once(' ')?;
            let port = port.rsplit_once(':')?.1.parse().ok()?;
            Some(if protocol == "udp" { Hit::Udp(port) } else { Hit::Tcp(port) })
        };
        said.lines().map(|line| hit(line).expect("a hit")).collect()
    }

    #[track_caller]
    fn has_opened(&self, daemon: &Daemon, times: usize, why: &str) {
        assert_eq!(daemon.openings(&self.lab, "ssh"), times, "{why}");
    }
}

#[test]
fn a_key_opens_a_real_door_over_either_family_and_a_replay_opens_nothing() {
    let test = "a_key_opens_a_real_door_over_either_family_and_a_replay_opens_nothing";
    let Some(ends) = Ends::new(test) else { return };
    let daemon = ends.begin(&ends.real_door(""), 0);
    let hits = ends.knock(&format!("--wait 22 {SERVER}"));
    assert!(ends.lab.ssh_answers() && !ends.lab.ssh_answers_6());
    assert!(ends.knock(&format!("--wait 22 {SERVER}")).is_empty(), "an open door was knocked at");
    ends.knock(&format!("--wait 22 {SERVER_6}"));
    assert!(ends.lab.ssh_answers_6());
    ends.has_opened(&daemon, 2, "one over each family");
    for from in [CLIENT, OTHER] {
        send(&ends.lab.client, from, SERVER, &hits);
    }
    ends.has_opened(&daemon, 2, "a replay");
    let hits = ends.knock(&format!("--as {OTHER} {SERVER}"));
    ends.has_opened(&daemon, 2, "one that is bound to another address");
    send(&ends.lab.client, OTHER, SERVER, &hits);
    ends.has_opened(&daemon, 3, "from the address that it is bound to");
}

#[test]
fn both_families_take_a_number_each() {
    let Some(ends) = Ends::new("both_families_take_a_number_each") else { return };
    let daemon = ends.begin(&ends.real_door(""), 0);
    let names = format!("{SERVER} server.example\n{SERVER_6} server.example\n");
    fs::write(ends.lab.path("hosts"), names).expect("names for the hosts");
    // The mount is this command's own.
    let script = "mount -n --bind \"$1\" /etc/hosts; XDG_STATE_HOME=\"$4\" exec \"$2\" -q -k \"$3\" --label gate --both \
                  --wait 22 server.example";
    let mut knock = Command::new("sh");
    knock.args(["-c", script, "sh"]).arg(ends.lab.path("hosts")).arg(programs::knock());
    knock.arg(&ends.mine).arg(ends.lab.path("client.state"));
    ends.lab.client.succeeds(&knock);
    assert!(ends.lab.ssh_answers() && ends.lab.ssh_answers_6());
    ends.has_opened(&daemon, 2, "one over each family");
    // Both are used up: the next one is good.
    ends.knock(SERVER);
    ends.has_opened(&daemon, 3, "the third number");
}

#[test]
fn an_unbound_sequence_is_the_same_from_a_key_and_from_a_pad() {
    let test = "an_unbound_sequence_is_the_same_from_a_key_and_from_a_pad";
    let Some(ends) = Ends::new(test) else { return };
    let derived = |name: &str, start: &str| {
        let path = ends.lab.path(name);
        let mut seqgen = Command::new(programs::seqgen());
        seqgen.arg("--key-file").arg(&ends.served).args(["-n", "4", "--start", start, "-o"]).arg(&path);
        ends.lab.client.succeeds(&seqgen);
        path
    };
    let pad_knock = |path: &PathBuf| {
        let line = format!("-q -f {} {SERVER}", path.display());
        assert!(ends.knocks_on(&ends.lab.client, &line).status.success(), "{line}");
    };

    let daemon = ends.begin(&ends.door("one_time_bind = no"), 0);
    ends.knock(SERVER);
    ends.has_opened(&daemon, 0, "one that is bound opened a door that asks for none");
    ends.knock(&format!("--unbound {SERVER}"));
    ends.has_opened(&daemon, 1, "one that is bound to nobody");
    let ours = derived("ours", "2");
    pad_knock(&ours);
    ends.has_opened(&daemon, 2, "a pad of the key");

    daemon.rewrite(&ends.door(""));
    reload(&ends.lab, &daemon);
    pad_knock(&ours);
    ends.has_opened(&daemon, 2, "a pad opened a door that asks for an address");
    drop(daemon);

    // The other way round: a server with a pad, and a client with the key.
    let daemon = Daemon::start(&ends.lab, &door("ssh", &pad(&derived("theirs", "100")), "syn"));
    ends.knock(&format!("--counter 100 {SERVER}"));
    ends.has_opened(&daemon, 2, "one that is bound opened a door with a pad");
    ends.knock(&format!("--unbound {SERVER}"));
    ends.has_opened(&daemon, 3, "the key of a pad's line");
}

#[test]
fn both_ends_count_the_time() {
    let Some(ends) = Ends::new("both_ends_count_the_time") else { return };
    let daemon = Daemon::start(&ends.lab, &ends.real_door("one_time_step = 2s"));
    // The door takes its first step two steps after the start.
    let hits = ends.knock(&format!("--step 2 --wait 22/2 --retry 9 {SERVER}"));
    assert!(ends.lab.ssh_answers());
    ends.has_opened(&daemon, 1, "the time");
    let last = hits.split_at(hits.len() - 5).1;
    send(&ends.lab.client, CLIENT, SERVER, last);
    ends.has_opened(&daemon, 1, "a replay in its own time");
    // Whoever counts otherwise derives something else.
    ends.knock(&format!("--step 3 {SERVER_6}"));
    ends.knock(SERVER_6);
    assert!(!ends.lab.ssh_answers_6());
    ends.knock(&format!("--step 2s --wait 22/2 --retry 9 {SERVER_6}"));
    assert!(ends.lab.ssh_answers_6());
    ends.has_opened(&daemon, 2, "over IPv6");
}

#[test]
fn after_many_lost_knocks_two_in_a_row_are_let_in() {
    let Some(ends) = Ends::new("after_many_lost_knocks_two_in_a_row_are_let_in") else { return };
    for _ in 0..12 {
        ends.knock(&format!("-d 0 {SERVER}"));
    }
    let daemon = ends.begin(&ends.door(""), 0);
    ends.knock(SERVER);
    ends.has_opened(&daemon, 0, "a single one from beyond the window");
    ends.knock(SERVER);
    ends.has_opened(&daemon, 1, "the second in a row");
    for _ in 0..12 {
        ends.knock(&format!("-d 0 {OTHER}"));
    }
    ends.knock(&format!("--resync {SERVER}"));
    ends.has_opened(&daemon, 2, "two at once");
    ends.knock(SERVER);
    ends.has_opened(&daemon, 3, "both ends are together again");
}

#[test]
fn either_end_is_brought_on_when_it_has_lost_its_counter() {
    let Some(ends) = Ends::new("either_end_is_brought_on_when_it_has_lost_its_counter") else { return };
    let doors = ends.door("");
    let daemon = ends.begin(&doors, 0);
    for _ in 0..3 {
        ends.knock(SERVER);
    }
    ends.has_opened(&daemon, 3, "three knocks");
    fs::remove_dir_all(ends.lab.path("client.state")).expect("what the client keeps");
    ends.knock(SERVER);
    ends.has_opened(&daemon, 3, "one that was used opened");
    ends.knock(&format!("--counter 7 {SERVER}"));
    ends.has_opened(&daemon, 4, "the client was brought on");
    let line = format!("-k {} --label gate --counter 3 {SERVER}", ends.mine.display());
    assert_eq!(ends.knocks_on(&ends.lab.client, &line).status.code(), Some(2), "it never goes back");

    drop(daemon);
    fs::remove_dir_all(ends.lab.path("knockd.state")).expect("the server's state");
    let daemon = Daemon::start(&ends.lab, &doors);
    daemon.says("there is no counter for ");
    ends.knock(SERVER);
    ends.has_opened(&daemon, 4, "a door without a counter opened");
    let told = init_counter(&ends.lab, &Launch::new(&doors), "ssh=9");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    daemon.says("can be used again");
    daemon.arms(&ends.lab);
    ends.knock(SERVER);
    ends.has_opened(&daemon, 5, "the server was brought on");
}

#[test]
fn label_and_shape_are_to_be_the_same_for_both_ends() {
    let Some(ends) = Ends::new("label_and_shape_are_to_be_the_same_for_both_ends") else { return };
    let shape = "one_time_length = 7\n    one_time_proto = mixed\n    one_time_ports = 2000-3999,5000\n    \
                 one_time_exclude = 2500-2600";
    let right = "--length 7 --proto mixed --ports 2000-3999,5000 --exclude 2500-2600";
    let daemon = ends.begin(&ends.door(shape), 0);
    ends.knock(SERVER);
    for (option, other) in [
        ("--length 7", "--length 8"),
        ("--proto mixed", "--proto tcp"),
        ("--ports 2000-3999,5000", "--ports 2000-3999"),
        (" --exclude 2500-2600", ""),
    ] {
        ends.knock(&format!("{} {SERVER}", right.replace(option, other)));
    }
    let elsewhere = format!("-q -k {} --label mail {right} {SERVER}", ends.mine.display());
    assert!(ends.knocks_on(&ends.lab.client, &elsewhere).status.success());
    ends.has_opened(&daemon, 0, "something else than what the door derives");
    assert_eq!(ends.knock(&format!("{right} --resync {SERVER}")).len(), 14);
    ends.has_opened(&daemon, 1, "what the door derives");
    // The same set of ports, said in another way, and the label key itself.
    let line = format!(
        "-q -k {} --length 7 --proto mixed --ports 2000-2499,2601-3999,5000 {SERVER}",
        ends.served.display()
    );
    assert!(ends.knocks_on(&ends.lab.client, &line).status.success());
    ends.has_opened(&daemon, 2, "the label's key knocks as the whole one does");
}

#[test]
fn a_profile_knocks_with_a_key() {
    let Some(ends) = Ends::new("a_profile_knocks_with_a_key") else { return };
    let daemon = ends.begin(&ends.real_door("one_time_length = 6\n    one_time_exclude = 5060"), 0);
    let profile = format!(
        "[office]\naddress = \"{SERVER}\"\nkey = \"{}\"\nlabel = \"gate\"\nlength = 6\nexclude = \"5060\"\nwait = \
         \"22\"\n",
        ends.mine.display()
    );
    let path = ends.lab.path("profiles.toml");
    fs::write(&path, profile).expect("the profiles");
    let config = path.display();
    let knock = |line: &str| ends.knocks_on(&ends.lab.client, &format!("--config {config} {line}"));
    let output = knock("office -- true");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(ends.lab.ssh_answers());
    ends.has_opened(&daemon, 1, "the profile");
    let listed = String::from_utf8(knock("--list").stdout).expect("text");
    assert!(listed.contains("office") && listed.contains('1'), "{listed}");
}

/// A host behind the client, which forwards for it and puts its own address in the place of the host's.
fn behind_a_router(ends: &Ends) -> Host {
    let router = &ends.lab.client;
    let host = Host::new(format!("{}-home", router.name()));
    ip(&[
        "link",
        "add",
        "eth0",
        "netns",
        host.name(),
        "type",
        "veth",
        "peer",
        "eth1",
        "netns",
        router.name(),
    ]);
    for (place, args) in [
        (router, "address add 198.51.100.1/24 dev eth1"),
        (router, "link set eth1 up"),
        (&host, "address add 198.51.100.2/24 dev eth0"),
        (&host, "link set eth0 up"),
        (&host, "route add default via 198.51.100.1"),
    ] {
        ip(&[&["-n", place.name()], &args.split(' ').collect::<Vec<_>>()[..]].concat());
    }
    router.succeeds(Command::new("sh").args(["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]));
    let rules =
        "table ip lab { chain out { type nat hook postrouting priority 100; oifname eth0 masquerade; }; }";
    router.succeeds(Command::new("nft").arg(rules));
    host
}

#[test]
fn behind_a_router_that_replaces_addresses_the_knock_says_as_whom_it_comes() {
    let test = "behind_a_router_that_replaces_addresses_the_knock_says_as_whom_it_comes";
    let Some(ends) = Ends::new(test) else { return };
    let home = behind_a_router(&ends);
    let daemon = ends.begin(&ends.real_door(""), 0);
    let knock = |line: &str| {
        ends.knocks_on(&home, &format!("-q -k {} --label gate {line} {SERVER}", ends.mine.display()))
    };
    assert_eq!(knock("--wait 22/1").status.code(), Some(4));
    ends.has_opened(&daemon, 0, "bound to an address that the server does not see");
    let output = knock(&format!("--as {CLIENT} --wait 22"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(home.connects(SERVER, 22));
    ends.has_opened(&daemon, 1, "bound to the router's address");
}
