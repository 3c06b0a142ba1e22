//! Hits: one packet each, sent in order, without waiting for an answer and without any privilege.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use seqgen::sequence::{Protocol, Step};
use socket2::Type;

use super::outlet::Outlet;
use super::resolve::Address;

/// One packet that is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) address: Address,
    pub(super) step: Step,
}

/// `tcp 192.0.2.1:7000`, and for IPv6 without brackets, as the classic client writes them.
impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.step.protocol, self.address, self.step.port)
    }
}

/// A hit could not be sent; those after it were not tried.
#[derive(Debug, thiserror::Error)]
#[error("stopped after {sent} of {total} hits: cannot send {hit}: {reason}")]
pub(super) struct SendError {
    hit: Hit,
    sent: usize,
    total: usize,
    reason: io::Error,
}

/// Hits `steps` at `address` in order through `outlet`, `delay` apart, announcing each to `before` and stopping at the first error.
pub(super) fn send(
    steps: &[Step],
    address: Address,
    outlet: &Outlet,
    delay: Duration,
    mut before: impl FnMut(Hit),
) -> Result<(), SendError> {
    for (sent, &step) in steps.iter().enumerate() {
        if sent > 0 {
            thread::sleep(delay);
        }
        let hit = Hit { address, step };
        before(hit);
        let target = address.at(step.port.get());
        match step.protocol {
            Protocol::Tcp => send_syn(target, outlet),
            Protocol::Udp => send_datagram(target, outlet),
        }
        .map_err(|reason| SendError { hit, sent, total: steps.len(), reason })?;
    }
    Ok(())
}

/// Begins a connection and drops it: its SYN is under way by then.
fn send_syn(target: SocketAddr, outlet: &Outlet) -> io::Result<()> {
    let socket = outlet.socket(target, Type::STREAM)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&target.into()) {
        Err(error) if !left_here(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Whether a connection's error means that its SYN left: no answer yet, or, from this very host, a refusal.
fn left_here(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32) {
        return true;
    }
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused)
}

/// Sends one zero byte, as the classic client does, from a socket of its own: each hit has its own source port,
/// and no ICMP answer to an earlier hit is reported in its place.
fn send_datagram(target: SocketAddr, outlet: &Outlet) -> io::Result<()> {
    outlet.socket(target, Type::DGRAM)?.send_to(&[0], &target.into()).map(drop)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
    use std::time::Instant;

    use super::*;

    fn loopback() -> Address {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()
    }

    fn step(port: u16, protocol: Protocol) -> Step {
        Step::parse(&port.to_string(), protocol).unwrap()
    }

    #[test]
    fn a_refused_connection_is_a_hit() {
        let closed = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        send_syn(closed, &Outlet::default()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn other_errors_are_errors() {
        for (errno, left) in [
            (nix::errno::Errno::EINPROGRESS, true),
            (nix::errno::Errno::ECONNREFUSED, true),
            (nix::errno::Errno::EPERM, false),
            (nix::errno::Errno::EACCES, false),
            (nix::errno::Errno::ENETUNREACH, false),
            (nix::errno::Errno::EHOSTUNREACH, false),
            (nix::errno::Errno::EADDRNOTAVAIL, false),
        ] {
            assert_eq!(left_here(&io::Error::from(errno)), left, "{errno}");
        }
    }

    #[test]
    fn waits_between_hits_and_not_after_the_last() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = receiver.local_addr().unwrap().port();
        let start = Instant::now();
        send(
            &[step(port, Protocol::Udp); 3],
            loopback(),
            &Outlet::default(),
            Duration::from_millis(40),
            |_| (),
        )
        .unwrap();
        assert!(start.elapsed() >= Duration::from_millis(80));
        let start = Instant::now();
        send(&[step(port, Protocol::Udp)], loopback(), &Outlet::default(), Duration::from_secs(30), |_| ())
            .unwrap();
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_hit_is_written_as_the_classic_client_writes_it() {
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0)).into();
        assert_eq!(
            Hit { address: loopback(), step: step(7000, Protocol::Tcp) }.to_string(),
            "tcp 127.0.0.1:7000"
        );
        assert_eq!(Hit { address: v6, step: step(7000, Protocol::Udp) }.to_string(), "udp ::1:7000");
    }
}
