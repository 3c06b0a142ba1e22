//! What a [`Keeper`] does about the interfaces: which it wants, how the host looks, and what follows for its processes.

use std::io;

use log::{error, info, warn};

use super::host::Host;
use super::interfaces::{News, Problem, Step};
use super::keeper::{Keeper, NEXT_LOOK};
use super::takeover::Stage;
use crate::wire::Loss;

impl Keeper {
    pub(super) fn want(&mut self, names: &[String]) {
        let steps = self.interfaces.want(names);
        for step in &steps {
            if let Step::Close(name) = step {
                info!("no longer listening on {name}");
            }
        }
        self.carry_out(steps);
        // Also those that the next process is only on its way to open.
        for capture in [&mut self.current, &mut self.next].into_iter().flatten() {
            capture.close_others(names);
        }
        self.wanted.retain(|name| names.contains(name));
        self.fresh.retain(|name| names.contains(name));
    }

    /// Learns what has changed.
    pub(super) fn look(&mut self) {
        self.look_at = match Host::look() {
            Ok(host) => {
                self.compare(&host);
                // One that was deleted and made anew in between looks as if it had never been gone.
                if let Some(capture) = &mut self.current {
                    capture.look();
                }
                None
            }
            Err(error) => {
                error!("the host's interfaces cannot be read: {error}; trying again every second");
                Some(self.clock.now() + NEXT_LOOK)
            }
        };
    }

    /// Does what follows from how the host looks.
    pub(super) fn compare(&mut self, host: &Host) {
        if self.addresses.as_ref() != Some(&host.addresses) {
            for capture in [&mut self.current, &mut self.next].into_iter().flatten() {
                if !matches!(capture.stage(), Stage::Opening | Stage::Idle) {
                    capture.set_here(host.addresses.iter().copied());
                }
            }
            self.addresses = Some(host.addresses.clone());
        }
        for name in self.interfaces.names() {
            let steps = self.interfaces.saw(&name, host.find(&name), true);
            self.carry_out(steps);
        }
    }

    pub(super) fn carry_out(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Open(name) => {
                    // The next process may be on its way to open it.
                    if !self.next.as_ref().is_some_and(|capture| capture.has(&name)) {
                        self.wanted.insert(name);
                    }
                }
                Step::Close(name) => {
                    for capture in [&mut self.current, &mut self.next].into_iter().flatten() {
                        capture.close(&name);
                    }
                    self.fresh.retain(|fresh| *fresh != name);
                }
                Step::Say(name, news) => say(&name, &news),
            }
        }
    }

    /// A process captures from this interface no more, by itself.
    pub(super) fn lost(&mut self, name: &str, loss: Loss) {
        // An interface that is gone or was replaced explains it.
        self.look();
        if !self.interfaces.is_open(name) || self.next.as_ref().is_some_and(|capture| capture.has(name)) {
            return;
        }
        let words = match loss {
            // The host looks as if it were there: another one has its number, or whoever says so lies.
            Loss::Gone => {
                let present = Host::look().ok().and_then(|host| host.find(name));
                let steps = self.interfaces.saw(name, present, false);
                self.carry_out(steps);
                return self.start_at_a_pace();
            }
            Loss::Failed => "libpcap reports an error".to_owned(),
            Loss::Alarms => "its handle reports errors without end".to_owned(),
            Loss::Poll(errno) => {
                format!("waiting for packets failed: {}", io::Error::from_raw_os_error(errno))
            }
        };
        self.failed(name, Problem::Passing(format!("capturing on {name}: {words}")));
    }

    /// Whoever can make a process say that its interface is gone must not have it replaced more often than by killing it.
    fn start_at_a_pace(&mut self) {
        let Some(born) = self.current.as_ref().map(|capture| capture.born) else { return };
        if self.next.is_none() && self.start_at.is_none() && !self.wanted.is_empty() {
            self.start_at = Some(self.deaths.replaced(born, self.clock.now()));
        }
    }

    pub(super) fn failed(&mut self, name: &str, problem: Problem) {
        let present = Host::look().ok().and_then(|host| host.find(name));
        let steps = self.interfaces.failed(name, problem, present, self.clock.now());
        self.carry_out(steps);
    }
}

fn say(name: &str, news: &News) {
    match news {
        News::Missing => {
            let known = Host::look().map_or_else(|error| error.to_string(), |host| host.names());
            warn!("waiting for interface {name}, which is not there; this host has {known}");
        }
        News::Gone => warn!("interface {name} is gone; waiting until it is back"),
        News::Down => warn!("interface {name} is down; waiting until it is up (`ip link set {name} up`)"),
        News::Up => info!("interface {name} is up again"),
        News::Failing(error) => error!("{error}; trying again and again, at least every 10 seconds"),
        News::Refused(error) => error!("{error}; it is left alone until it changes"),
    }
}
