//! Frames from the client's end of the cable, hundreds of thousands in a second.

use std::io::IoSlice;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, MultiHeaders, SockFlag, SockType, SockaddrStorage, bind, sendmmsg,
    socket,
};

use crate::frames::{SYN, Shot, Transport, ethernet};
use crate::host::Host;
use crate::net::{Lab, SERVER, SERVER_6};

/// The most frames that go out with one system call.
const BATCH: usize = 64;
/// What has come due is sent at most so often in a second.
const TURNS: u32 = 5000;
/// What a sender that was held up makes up for at most: more would be a burst that the rate does not have.
const LATE: Duration = Duration::from_millis(2);

pub(crate) struct Sender {
    socket: OwnedFd,
    headers: MultiHeaders<SockaddrStorage>,
    /// The cable's ends.
    from: [u8; 6],
    to: [u8; 6],
    /// Makes each knock's packets look like those of new connections.
    knocks: u32,
}

impl Sender {
    /// Does something with the client's end of the cable.
    pub(crate) fn with<T: Send>(lab: &Lab, deed: impl FnOnce(&mut Sender) -> T + Send) -> T {
        let to = hardware(&link(&lab.server));
        let address = link(&lab.client);
        lab.client.within(|| {
            // Without a protocol it sends and receives nothing.
            let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
                .expect("a packet socket");
            bind(socket.as_raw_fd(), &address).expect("the client's eth0");
            let headers = MultiHeaders::preallocate(BATCH, None);
            deed(&mut Sender { socket, headers, from: hardware(&address), to, knocks: 0 })
        })
    }

    /// The SYN of a new connection, as a frame.
    pub(crate) fn syn(&self, source: IpAddr, source_port: u16, port: u16, number: u32) -> Vec<u8> {
        let target = if source.is_ipv4() { SERVER } else { SERVER_6 };
        let target = target.parse().expect("an address");
        let shot =
            Shot { source, target, source_port, port, transport: Transport::Tcp { flags: SYN, number } };
        ethernet(self.to, self.from, &[], &shot.packet())
    }

    /// A datagram from port 40000, as a frame.
    pub(crate) fn datagram(&self, source: IpAddr, port: u16) -> Vec<u8> {
        let target = SERVER.parse().expect("an address");
        let shot = Shot { source, target, source_port: 40_000, port, transport: Transport::Udp };
        ethernet(self.to, self.from, &[], &shot.packet())
    }

    /// Sends so many frames, and from the first one again where they do not suffice; how long it took.
    pub(crate) fn send(&mut self, frames: &[Vec<u8>], count: usize, rate: u32) -> Duration {
        let start = Instant::now();
        let mut pace = Pace::new(rate);
        let mut frames = frames.iter().cycle();
        let mut left = count;
        while left > 0 {
            let now = pace.due().min(left).min(BATCH);
            self.send_at_once(frames.by_ref().take(now));
            pace.sent += now;
            left -= now;
        }
        start.elapsed()
    }

    /// Knocks as fast as it goes; when the last hit left.
    pub(crate) fn knock(&mut self, source: IpAddr, ports: &[u16]) -> Instant {
        self.knocks += 1;
        let number = self.knocks;
        let source_port = 30_000 + u16::try_from(number % 30_000).expect("a port");
        let hits: Vec<_> = ports.iter().map(|port| self.syn(source, source_port, *port, number)).collect();
        let (last, before) = hits.split_last().expect("a sequence");
        self.send_at_once(before.iter());
        let start = Instant::now();
        self.send_at_once([last].into_iter());
        start
    }

    fn send_at_once<'f>(&mut self, frames: impl Iterator<Item = &'f Vec<u8>>) {
        let slices: Vec<_> = frames.map(|frame| [IoSlice::new(frame)]).collect();
        let nobody = [const { None }; BATCH];
        // A blocking socket waits for room instead of sending less.
        sendmmsg(
            self.socket.as_raw_fd(),
            &mut self.headers,
            &slices,
            &nobody[..slices.len()],
            [],
            MsgFlags::empty(),
        )
        .expect("sending frames");
    }
}

/// How many packets are due at a rate.
struct Pace {
    rate: u32,
    start: Instant,
    sent: usize,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self { rate, start: Instant::now(), sent: 0 }
    }

    /// Waits until something is due; how much.
    fn due(&mut self) -> usize {
        let least = (self.rate / TURNS).max(1) as usize;
        loop {
            let due =
                usize::try_from(self.start.elapsed().as_nanos() * u128::from(self.rate) / 1_000_000_000);
            let due = due.expect("a number of packets").saturating_sub(self.sent);
            if due < least {
                thread::sleep(self.time_of(least - due));
                continue;
            }
            let most = (LATE.as_secs_f64() * f64::from(self.rate)) as usize + least;
            if due > most {
                self.start += self.time_of(due - most);
            }
            return due.min(most);
        }
    }

    /// How long so many packets take.
    fn time_of(&self, packets: usize) -> Duration {
        Duration::from_secs_f64(packets as f64 / f64::from(self.rate))
    }
}

/// An address that nobody has, one of very many.
pub(crate) fn forged(number: u32) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(0x2001_0db8_00ff_0000_0000_0000_0000_0000 + u128::from(number)))
}

/// What the kernel calls a host's end of the cable.
fn link(host: &Host) -> LinkAddr {
    host.within(|| {
        let mut interfaces = getifaddrs().expect("the host's interfaces");
        let eth0 = interfaces.find_map(|interface| {
            let address = interface.address.filter(|_| interface.interface_name == "eth0")?;
            address.as_link_addr().copied()
        });
        eth0.expect("an eth0")
    })
}

fn hardware(link: &LinkAddr) -> [u8; 6] {
    link.addr().expect("a hardware address")
}
