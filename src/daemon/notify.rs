//! Telling the service manager that has started the daemon, if one has, how it is: `sd_notify(3)`.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use log::warn;
use rustix::time::{ClockId, clock_gettime};

use crate::logging::for_terminal;
use crate::moment::Moment;

/// How long a manager that is slow may hold us up.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service manager, or nobody.
#[derive(Debug, Default)]
pub(super) struct Manager {
    line: Option<Line>,
    pulse: Option<Pulse>,
}

impl Manager {
    /// The manager that the environment names.
    pub(super) fn from_environment() -> Manager {
        let named = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let line = named.and_then(|name| {
            let unreachable =
                |error| warn!("the service manager at {} cannot be reached: {error}", name.display());
            Line::to(&name).map_err(unreachable).ok()
        });
        let variable = |name| env::var(name).ok().and_then(|text| text.parse().ok());
        let pulse =
            line.as_ref().and_then(|_| Pulse::wanted(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID")));
        Manager { line, pulse }
    }

    /// The daemon listens, and is in this state.
    pub(super) fn ready(&mut self, status: impl Display) {
        let status = for_terminal(&status.to_string().replace('\n', " "));
        self.tell(format_args!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is being read again.
    pub(super) fn reloading(&mut self) {
        let now = clock_gettime(ClockId::Monotonic);
        let now = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(format_args!("RELOADING=1\nMONOTONIC_USEC={now}"));
    }

    /// The daemon is about to end.
    pub(super) fn stopping(&mut self) {
        self.tell("STOPPING=1");
    }

    /// When the manager wants to hear next that the main loop is alive, if it does.
    pub(super) fn next_pulse(&self) -> Option<Moment> {
        self.pulse.map(|pulse| pulse.due)
    }

    /// The main loop is alive; whether it was time to say so.
    pub(super) fn alive(&mut self, now: Moment) -> bool {
        let beats = self.pulse.as_mut().is_some_and(|pulse| pulse.beats(now));
        if beats {
            self.tell("WATCHDOG=1");
        }
        beats
    }

    fn tell(&mut self, state: impl Display) {
        if let Some(line) = &mut self.line {
            line.send(&format!("{state}\n"));
        }
    }
}

/// A way to reach the manager.
#[derive(Debug)]
struct Line {
    socket: UnixDatagram,
    address: SocketAddr,
    /// Whether the last message got lost.
    lost: bool,
}

impl Line {
    fn to(name: &OsStr) -> io::Result<Line> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Line { socket, address, lost: false })
    }

    /// Says so when it cannot, once for each time that this begins.
    fn send(&mut self, message: &str) {
        let sent = loop {
            match self.socket.send_to_addr(message.as_bytes(), &self.address) {
                // A wait with a limit is not taken up again by the system: signal(7).
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => break sent,
            }
        };
        if let Err(error) = &sent
            && !self.lost
        {
            warn!("the service manager cannot be told how the daemon is: {error}");
        }
        self.lost = sent.is_err();
    }
}

/// Signs of life, in time for a manager that would otherwise take the daemon for hung.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    every: Duration,
    due: Moment,
}

impl Pulse {
    /// What the manager wants of the process `pid`, or of whoever reads it, within each so many microseconds.
    fn wanted(limit: Option<u64>, pid: Option<u64>) -> Option<Pulse> {
        let ours = pid.is_none_or(|pid| pid == u64::from(std::process::id()));
        let limit = limit.filter(|limit| *limit > 0 && ours)?;
        Some(Pulse { every: Duration::from_micros(limit) / 2, due: Moment::START })
    }

    /// Whether a sign is due; if so, the next one is due later.
    fn beats(&mut self, now: Moment) -> bool {
        let due = self.due <= now;
        if due {
            self.due = now + self.every;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pulse_is_twice_as_fast_as_it_must_be_and_for_this_process_only() {
        let us = Some(u64::from(std::process::id()));
        for pid in [us, None] {
            let mut pulse = Pulse::wanted(Some(200_000), pid).unwrap();
            let at = |milliseconds| Moment::after_start(Duration::from_millis(milliseconds));
            let beats = [5, 5, 104, 105, 106, 205].map(|time| pulse.beats(at(time)));
            assert_eq!(beats, [true, false, false, true, false, true]);
            assert_eq!(pulse.due, at(305));
        }
        for (limit, pid) in [(None, us), (Some(0), us), (Some(200_000), Some(1))] {
            assert!(Pulse::wanted(limit, pid).is_none(), "{limit:?} {pid:?}");
        }
    }

    #[test]
    fn nobody_is_told_nothing() {
        let mut nobody = Manager::default();
        nobody.ready("fine");
        assert!(!nobody.alive(Moment::START));
        assert_eq!(nobody.next_pulse(), None);
    }

    #[test]
    fn what_is_said_stays_within_its_line() {
        let name = format!("knockd-notify-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut line = Manager { line: Line::to(format!("@{name}").as_ref()).ok(), pulse: None };
        line.ready("1 door on a\nWATCHDOG=1");
        let mut buffer = [0; 100];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(str::from_utf8(&buffer[..length]).unwrap(), "READY=1\nSTATUS=1 door on a WATCHDOG=1\n");
    }

    #[test]
    fn a_manager_that_has_gone_is_no_trouble() {
        let mut line = Line::to("/nonexistent/notify".as_ref()).unwrap();
        line.send("READY=1\n");
        assert!(line.lost);
        assert!(Line::to(OsStr::from_bytes(&[b'x'; 200])).is_err(), "too long for a socket");
    }
}
