//! Links other than plain Ethernet, and several interfaces at once.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::daemon::{Daemon, Launch};
use crate::frames::{OUTER_TAG, SYN, Shot, TAG, Transport};
use crate::host::Host;
use crate::net::{CLIENT, CLIENT_6, Lab, SERVER, SERVER_6, ip};
use crate::wire::Wire;

const DOOR: &str = "
[door]
    sequence = 7000,8000:udp,9000
    tcpflags = syn
    command  = true
";

/// The whole knock; from another port it is no repeat of the one before.
fn knock(source: &str, source_port: u16, target: &str) -> [Shot; 3] {
    let (source, target) = (source.parse().expect("an address"), target.parse().expect("an address"));
    let shot = |port, transport| Shot { source, target, source_port, port, transport };
    let tcp = |port| shot(port, Transport::Tcp { flags: SYN, number: 7 });
    [tcp(7000), shot(8000, Transport::Udp), tcp(9000)]
}

fn start(lab: &Lab, options: &str, args: &[&str]) -> Daemon {
    Launch { options, args, ..Launch::new(DOOR) }.start(lab)
}

/// Checks that a knock in frames with these tags opens once over each family.
fn tagged(test: &str, tags: &[(u16, u16)]) {
    let Some(lab) = Lab::new(test) else { return };
    let daemon = Daemon::start(&lab, DOOR);
    for (opened, (source, target)) in [(CLIENT, SERVER), (CLIENT_6, SERVER_6)].into_iter().enumerate() {
        Wire::with(&lab, |wire| {
            for shot in knock(source, 40_000, target) {
                wire.send(tags, &shot.packet());
            }
        });
        assert_eq!(daemon.openings(&lab, "door"), opened + 1, "{source}");
        daemon.says(&format!("{source}: door: OPEN SESAME"));
    }
}

#[test]
fn frames_with_a_vlan_tag_open() {
    tagged("frames_with_a_vlan_tag_open", &[(TAG, 5)]);
}

#[test]
fn frames_with_two_vlan_tags_open() {
    tagged("frames_with_two_vlan_tags_open", &[(OUTER_TAG, 7), (TAG, 5)]);
}

/// An interface without a link layer, with its other end in our hands.
///
/// Perl makes it, since it takes an ioctl; every Debian has one.
pub(crate) struct Tun {
    helper: Child,
}

impl Tun {
    /// Adds `tun0` with these addresses to a host.
    fn add(host: &Host, addresses: &[&str]) -> Self {
        const HELPER: &str = r#"
            open my $tun, '+<', '/dev/net/tun' or die "/dev/net/tun: $!";
            my $request = pack('a16 S x22', 'tun0', 0x1001);
            ioctl $tun, 0x400454ca, $request or die "TUNSETIFF: $!";
            $| = 1;
            print "ready\n";
            while (<STDIN>) { chomp; syswrite $tun, pack 'H*', $_ or die "tun0: $!" }
        "#;
        let mut command = host.command(Command::new("perl").args(["-e", HELPER]));
        let mut helper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("perl");
        let mut ready = String::new();
        let output = helper.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut ready).expect("a line");
        assert_eq!(ready, "ready\n", "no tun interface");
        for address in addresses {
            ip(&["-n", host.name(), "address", "add", address, "dev", "tun0"]);
        }
        ip(&["-n", host.name(), "link", "set", "tun0", "up"]);
        Self { helper }
    }

    /// Lets a packet arrive.
    fn send(&mut self, packet: &[u8]) {
        let mut line = packet.iter().fold(String::new(), |mut line, byte| {
            let _ = write!(line, "{byte:02x}");
            line
        });
        line.push('\n');
        let input = self.helper.stdin.as_mut().expect("its input");
        input.write_all(line.as_bytes()).expect("a packet to the helper");
    }
}

impl Drop for Tun {
    fn drop(&mut self) {
        // It may have failed by itself.
        let _ = self.helper.kill();
        let _ = self.helper.wait();
    }
}

/// The addresses of the server's end and the other end of its `tun0`.
const TUN: (&str, &str) = ("198.51.100.1", "198.51.100.2");
const TUN_6: (&str, &str) = ("2001:db8:7::1", "2001:db8:7::2");

pub(crate) fn with_tun(lab: &Lab) -> Tun {
    let (v4, v6) = (format!("{}/24", TUN.0), format!("{}/64", TUN_6.0));
    Tun::add(&lab.server, &[&v4, &v6])
}

pub(crate) fn knock_through(tun: &mut Tun, source_port: u16, daemon: &Daemon) {
    for (ours, theirs) in [TUN, TUN_6] {
        for shot in knock(theirs, source_port, ours) {
            tun.send(&shot.packet());
        }
        daemon.says(&format!("{theirs}: door: OPEN SESAME"));
    }
}

#[test]
fn a_tun_interface_without_a_link_layer_opens() {
    let Some(lab) = Lab::new("a_tun_interface_without_a_link_layer_opens") else { return };
    let mut tun = with_tun(&lab);
    let daemon = start(&lab, "", &["-i", "tun0", "-v"]);
    knock_through(&mut tun, 40_000, &daemon);
    assert_eq!(daemon.count(": door: OPEN SESAME"), 2);
}

#[test]
fn any_interface_opens_each_knock_once() {
    let Some(lab) = Lab::new("any_interface_opens_each_knock_once") else { return };
    let mut tun = with_tun(&lab);
    let daemon = start(&lab, "    Interface = any\n", &["-v"]);
    lab.knock(&[SERVER, "7000", "8000:udp", "9000"]);
    assert_eq!(daemon.openings(&lab, "door"), 1);
    lab.knock(&[SERVER_6, "7000", "8000:udp", "9000"]);
    assert_eq!(daemon.openings(&lab, "door"), 2);
    knock_through(&mut tun, 40_000, &daemon);
    assert_eq!(daemon.openings(&lab, "door"), 4);
    knock_at_home(&lab, "127.0.0.1");
    daemon.says("127.0.0.1: door: OPEN SESAME");
    assert_eq!(daemon.openings(&lab, "door"), 5);
}

#[test]
fn any_interface_hears_interfaces_that_come_later() {
    let Some(lab) = Lab::new("any_interface_hears_interfaces_that_come_later") else { return };
    let daemon = start(&lab, "", &["-i", "any", "-v"]);
    let mut tun = with_tun(&lab);
    for shot in knock(CLIENT, 40_000, SERVER) {
        tun.send(&shot.packet());
    }
    daemon.says(&format!("{CLIENT}: door: OPEN SESAME"));
    assert_eq!(daemon.openings(&lab, "door"), 1);
}

fn knock_at_home(lab: &Lab, address: &str) {
    let knock = crate::programs::knock();
    lab.server.succeeds(Command::new(knock).args([address, "7000", "8000:udp", "9000"]));
}

#[test]
fn a_list_of_interfaces_hears_each_of_them() {
    let Some(lab) = Lab::new("a_list_of_interfaces_hears_each_of_them") else { return };
    let daemon = start(&lab, "    Interface = eth0, lo\n", &["-v"]);
    lab.knock(&[SERVER, "7000", "8000:udp", "9000"]);
    knock_at_home(&lab, "127.0.0.1");
    daemon.says("127.0.0.1: door: OPEN SESAME");
    assert_eq!(daemon.openings(&lab, "door"), 2);
    daemon.says("listening on eth0, lo");
}

#[test]
fn the_loopback_interface_opens_for_this_host() {
    let Some(lab) = Lab::new("the_loopback_interface_opens_for_this_host") else { return };
    let daemon = start(&lab, "", &["-i", "lo", "-v"]);
    for (opened, (address, source)) in
        [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), (SERVER, SERVER)].into_iter().enumerate()
    {
        knock_at_home(&lab, address);
        daemon.says(&format!("{source}: door: OPEN SESAME"));
        assert_eq!(daemon.count(": door: OPEN SESAME"), opened + 1, "each packet is seen twice on lo");
    }
}

#[test]
fn eth0_alone_hears_nothing_of_the_loopback_interface() {
    let Some(lab) = Lab::new("eth0_alone_hears_nothing_of_the_loopback_interface") else { return };
    let daemon = Daemon::start(&lab, DOOR);
    knock_at_home(&lab, "127.0.0.1");
    knock_at_home(&lab, SERVER);
    assert_eq!(daemon.openings(&lab, "door"), 0);
}
