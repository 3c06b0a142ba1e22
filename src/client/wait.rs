//! `--wait`: a port that tells whether the door is open, by real connections to it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use seqgen::sequence::{Protocol, SequenceError, Step};
use socket2::Type;

use super::outlet::Outlet;

/// How long to wait where nobody says.
const PATIENCE: u16 = 10;

/// Nobody waits longer for a door.
const LONGEST: u16 = 3600;

/// How long an open port may take to answer before the knock; one that is shut by a filter costs all of it.
const GLANCE: Duration = Duration::from_millis(500);

/// How long the first attempt after the knock may take; the next ones take twice as long each.
///
/// What a filter has dropped the kernel sends again only after a second, so attempts begin anew before that.
const FIRST_ATTEMPT: Duration = Duration::from_millis(100);

/// No attempt takes longer.  From a second on the kernel itself sends again meanwhile, and whoever is as far away as
/// this gets an answer, too.
const LONGEST_ATTEMPT: Duration = Duration::from_millis(3200);

/// What refuses at once is asked again after this.
const PAUSE: Duration = Duration::from_millis(200);

/// A TCP port, and how long it may take to open after a knock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The port that stands open behind the door.
    pub port: NonZeroU16,
    /// Counted from the last hit of each knock.
    pub patience: Duration,
}

/// What is wrong with the text of a [`Wait`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The port is none.
    #[error(transparent)]
    Port(#[from] SequenceError),
    /// A UDP port never says whether it is open.
    #[error("only a TCP port can be waited for, as UDP has no connections")]
    Udp,
    /// The time is none.
    #[error("`{0}` is not a number of seconds from 1 to {LONGEST}")]
    Seconds(String),
}

/// `PORT[/SECONDS]`.
impl FromStr for Wait {
    type Err = WaitError;

    fn from_str(text: &str) -> Result<Wait, WaitError> {
        let (port, seconds) = match text.split_once('/') {
            None => (text, PATIENCE),
            Some((port, seconds)) => {
                let number = seconds.trim().parse().ok().filter(|number| (1..=LONGEST).contains(number));
                (port, number.ok_or_else(|| WaitError::Seconds(seconds.to_owned()))?)
            }
        };
        match Step::parse(port, Protocol::Tcp)? {
            Step { port, protocol: Protocol::Tcp } => {
                Ok(Wait { port, patience: Duration::from_secs(seconds.into()) })
            }
            Step { protocol: Protocol::Udp, .. } => Err(WaitError::Udp),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.patience.as_secs())
    }
}

/// Tries once to connect, for as long as an open port may take to answer.
pub(super) fn glance(target: SocketAddr, outlet: &Outlet) -> io::Result<()> {
    connect(target, outlet, GLANCE)
}

/// A port that is tried again and again until a connection to it has stood once.
#[derive(Debug)]
pub(super) struct Shut<T> {
    /// What the port means to whoever waits for it.
    pub(super) name: T,
    target: SocketAddr,
    limit: Duration,
    /// Why the last attempt failed.
    pub(super) reason: io::Error,
}

impl<T> Shut<T> {
    /// A port that nobody has tried yet.
    pub(super) fn new(name: T, target: SocketAddr) -> Shut<T> {
        Shut { name, target, limit: FIRST_ATTEMPT, reason: io::ErrorKind::NotConnected.into() }
    }

    /// Tries once, more patiently than before; whether a connection stood.
    fn try_until(&mut self, deadline: Instant, outlet: &Outlet) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        // An attempt that may take no time at all is none.
        match connect(self.target, outlet, self.limit.min(left).max(FIRST_ATTEMPT)) {
            Ok(()) => return true,
            Err(error) => self.reason = error,
        }
        if !self.refuses() {
            self.limit = (2 * self.limit).min(LONGEST_ATTEMPT);
        }
        false
    }

    /// Whether the last attempt ended before its time.
    fn refuses(&self) -> bool {
        self.reason.kind() != io::ErrorKind::TimedOut
    }
}

/// Tries to connect to all ports of `shut` in turn, each until a connection to it has stood once, until none is left or
/// `deadline` is over; those that are left then.  Each is tried once at least.
///
/// In turn, since a door that opens may be shut again before another one opens.
///
/// `tick` is called before each attempt, `opened` after the one that stood.
pub(super) fn until_open<T>(
    mut shut: Vec<Shut<T>>,
    outlet: &Outlet,
    deadline: Instant,
    mut tick: impl FnMut(&T),
    mut opened: impl FnMut(&T),
) -> Vec<Shut<T>> {
    loop {
        shut.retain_mut(|port| {
            tick(&port.name);
            let stood = port.try_until(deadline, outlet);
            if stood {
                opened(&port.name);
            }
            !stood
        });
        let left = deadline.saturating_duration_since(Instant::now());
        if shut.is_empty() || left.is_zero() {
            return shut;
        }
        if shut.iter().all(Shut::refuses) {
            thread::sleep(PAUSE.min(left));
        }
    }
}

fn connect(target: SocketAddr, outlet: &Outlet, limit: Duration) -> io::Result<()> {
    outlet.socket(target, Type::STREAM)?.connect_timeout(&target.into(), limit)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<Wait>().unwrap_err().to_string()
    }

    #[test]
    fn reads_a_port_and_seconds() {
        let wait: Wait = "22".parse().unwrap();
        assert_eq!((wait.port.get(), wait.patience), (22, Duration::from_secs(10)));
        let wait: Wait = "443/3600".parse().unwrap();
        assert_eq!((wait.port.get(), wait.patience), (443, Duration::from_secs(3600)));
        assert_eq!("22:tcp/1".parse::<Wait>().unwrap().to_string(), "22/1");
    }

    #[test]
    fn refuses_what_is_no_port_or_no_time() {
        assert!(refusal("70000").contains("port 70000 is out of range (1-65535)"));
        assert!(refusal("0/5").contains("port 0 is out of range"));
        assert!(refusal("ssh").contains("`ssh` is not a port number"));
        assert!(refusal("").contains("a port is missing here"));
        assert!(refusal("22:udp").contains("only a TCP port"));
        for seconds in ["", "0", "-1", "3601", "1.5", "10s", "99999"] {
            assert_eq!(
                refusal(&format!("22/{seconds}")),
                format!("`{seconds}` is not a number of seconds from 1 to 3600")
            );
        }
    }

    fn until(target: SocketAddr, deadline: Instant, mut tick: impl FnMut()) -> io::Result<()> {
        let shut = vec![Shut::new((), target)];
        let left = until_open(shut, &Outlet::default(), deadline, |()| tick(), |()| ());
        left.into_iter().next().map_or(Ok(()), |shut| Err(shut.reason))
    }

    #[test]
    fn tells_open_from_shut() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = listener.local_addr().unwrap();
        glance(target, &Outlet::default()).unwrap();
        until(target, Instant::now(), || ()).unwrap();
        drop(listener);
        glance(target, &Outlet::default()).unwrap_err();
        let mut attempts = 0;
        let error = until(target, Instant::now() + 2 * PAUSE, || attempts += 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!((1..=4).contains(&attempts), "{attempts}");
        let (mut attempts, mut again) = (0, None);
        until(target, Instant::now() + 100 * PAUSE, || {
            attempts += 1;
            again = again.take().or_else(|| (attempts == 2).then(|| TcpListener::bind(target).unwrap()));
        })
        .unwrap();
        assert!(again.is_some(), "it opened after {attempts} attempts");
    }
    #[test]
    fn a_port_that_is_open_only_until_another_one_opens_is_seen_open() {
        let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (first, second) = (bind(), bind());
        let targets = [&first, &second].map(|listener| listener.local_addr().unwrap());
        let (first, second) = (RefCell::new(Some(first)), RefCell::new(Some(second)));
        drop(first.take());
        let left = until_open(
            targets.into_iter().enumerate().map(|(i, target)| Shut::new(i, target)).collect(),
            &Outlet::default(),
            Instant::now() + 100 * PAUSE,
            |_| (),
            |&name| {
                if name == 1 {
                    drop(second.take());
                    *first.borrow_mut() = Some(TcpListener::bind(targets[0]).unwrap());
                }
            },
        );
        assert!(left.is_empty(), "{left:?}");
    }
}
