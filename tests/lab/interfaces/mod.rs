//! Interfaces and addresses that come, go and fail while the daemon runs.

mod addresses;
mod failing;
mod going;
mod several;
mod waiting;

use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Launch};
use crate::hits::{Hit, send};
use crate::host::Host;
use crate::net::{CLIENT, CLIENT_6, Lab, OTHER, SERVER, SERVER_6, WATCHMAN, ip};

const DOOR: &str = "
[door]
    sequence = 7000,8000,9000
    tcpflags = syn
    command  = true
";

/// Within this, any change must be noticed.
const SOON: Duration = Duration::from_secs(1);

/// For so long nothing is to happen where nothing happens.
const IDLE: Duration = Duration::from_secs(2);

const OPENED: &str = ": door: OPEN SESAME";

fn start(lab: &Lab, interfaces: &str) -> Daemon {
    Launch { options: &format!("    Interface = {interfaces}\n"), args: &["-v"], ..Launch::new(DOOR) }
        .start(lab)
}

fn hit(lab: &Lab, ports: &[u16]) {
    hit_from(lab, CLIENT, SERVER, ports);
}

fn hit_from(lab: &Lab, source: &str, target: &str, ports: &[u16]) {
    let hits: Vec<_> = ports.iter().map(|port| Hit::Tcp(*port)).collect();
    send(&lab.client, source, target, &hits);
}

fn on(host: &Host, args: &[&str]) {
    ip(&[&["-n", host.name()], args].concat());
}

/// Puts a second cable between the hosts.
fn plug_in(lab: &Lab, name: &str, server: &str, client: &str) {
    cable(lab, &[name]);
    for (host, address) in [(&lab.server, server), (&lab.client, client)] {
        on(host, &["address", "add", &format!("{address}/24"), "dev", name]);
        on(host, &["link", "set", name, "up"]);
    }
}

/// Makes a cable with this interface, given by its name and how it is to be made, at the server's end.
fn cable(lab: &Lab, server: &[&str]) {
    let ends = ["type", "veth", "peer", server[0], "netns", lab.client.name()];
    on(&lab.server, &[&["link", "add"], server, &ends].concat());
}

/// Makes the server's eth0 anew, as `cabled_hosts` does.
fn replug(lab: &Lab, how: &[&str]) {
    cable(lab, &[&["eth0"], how].concat());
    lab.server.configure(&[SERVER], SERVER_6);
    lab.client.configure(&[CLIENT, OTHER, WATCHMAN], CLIENT_6);
}

/// Does something, and waits for the log to say this soon afterwards; how long it took.
#[track_caller]
fn soon(daemon: &Daemon, says: &str, deed: impl FnOnce()) -> Duration {
    let mut tail = daemon.tail();
    deed();
    let done = Instant::now();
    let took = tail.awaits(says, 1).saturating_duration_since(done);
    assert!(took < SOON, "`{says}` took {took:?}");
    took
}
