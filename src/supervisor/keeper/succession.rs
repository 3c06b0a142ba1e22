//! One process after the other: starting the next one, letting it take over, and what follows when one has died.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use log::{error, info, warn};

use super::{BREATHER, Keeper, LAST_WORDS, LIAR, START, Told};
use crate::sandbox::Lacking;
use crate::supervisor::interfaces::Problem;
use crate::supervisor::takeover::{Capture, Stage, Word};

impl Keeper {
    pub(super) fn serve_next(&mut self) {
        let Some(capture) = &mut self.next else { return };
        let went = capture.child().exchange();
        while let Some(word) = self.word_of_next() {
            self.hear_next(word);
        }
        let late = |capture: &mut Capture| capture.born + START <= self.clock.now();
        if went.is_err() {
            if let Some(capture) = self.next.take() {
                self.died(capture, "it");
            }
        } else if let Some(capture) = self.next.take_if(late) {
            self.died(capture, "it does not get ready; it");
        }
    }

    pub(super) fn word_of_next(&mut self) -> Option<Word> {
        let capture = self.next.as_mut()?;
        if let Ok(word) = capture.next() {
            return word;
        }
        let capture = self.next.take()?;
        self.died(capture, LIAR);
        None
    }

    pub(super) fn hear_next(&mut self, word: Word) {
        let now = self.clock.now();
        match word {
            Word::Opened(name, index) => self.interfaces.opened(&name, index, now),
            Word::NotOpened { name, lasting, words } => {
                self.fresh.retain(|fresh| *fresh != name);
                let problem = if lasting { Problem::Lasting(words) } else { Problem::Passing(words) };
                self.failed(&name, problem);
            }
            Word::Lacking(what) => {
                if let Ok(what) = Lacking::try_from(what)
                    && self.lacking.insert(what)
                {
                    warn!("the capture process: {what}");
                }
            }
            Word::NotConfined { step, errno } => {
                if let Some(capture) = self.next.take() {
                    self.died(capture, &format!("it {}; it", not_confined(step, errno)));
                }
            }
            // The first one gets its plan without asking.
            Word::Stage(Stage::Idle) if self.say => self.welcome(),
            Word::Lost(name, loss) => self.lost(&name, loss),
            Word::Stage(_) | Word::Sight(_) | Word::Counted(_) => {}
        }
    }

    /// Wants a plan for the next process, which has opened what it can.
    ///
    /// One that has no interface which the current one lacks is ended: with the current one, all attempts would end that
    /// are under way, each time that an interface which cannot be captured from is tried again.
    fn welcome(&mut self) {
        let current = self.current.as_ref();
        let needless = |next: &mut Capture| current.is_some_and(|current| next.brings_nothing_to(current));
        let Some(next) = self.next.take_if(needless) else { return (self.tell)(Told::PlanWanted) };
        next.into_child().end();
        self.fresh.clear();
        // What it has said of its interfaces need not be so of the current one's.
        self.look_at = Some(self.clock.now());
    }

    /// Lets the next process judge what arrives from now on, and the current one what has arrived until now, when the next
    /// one is ready and the one before both has been heard to its end.
    pub(super) fn take_over_if_ready(&mut self) {
        let is_free = self.current.is_none() || self.retired.is_none();
        let is_ready = |next: &mut Capture| is_free && next.stage() == Stage::Loaded;
        let Some(mut next) = self.next.take_if(is_ready) else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_micros()).unwrap_or(0);
        let mut after = 0;
        if let Some(mut current) = self.current.take() {
            after = now;
            current.retire(now);
            self.retired = Some((current, Some(self.clock.now() + LAST_WORDS)));
        }
        next.go(after);
        // What has become of its interfaces since it opened them was not asked of it.  Of those of the first one, word is
        // still waiting.
        if self.say {
            self.look_at = Some(self.clock.now());
        }
        if std::mem::take(&mut self.mourning) {
            info!("capturing goes on in process {}", next.id());
        }
        // The one before is not heard for that any more.
        if self.asking.is_some() {
            next.ask_for_counters();
        }
        self.current = Some(next);
        for name in std::mem::take(&mut self.fresh) {
            if self.say {
                info!("listening on {name}");
            }
        }
    }

    /// A process has ended, or has to: another one is started in its place.
    pub(super) fn died(&mut self, capture: Capture, why: &str) {
        let (born, id) = (capture.born, capture.id());
        let how = capture.into_child().end();
        let verdict = self.deaths.died(born, self.clock.now());
        if let Some(unsaid) = verdict.say {
            let more = if unsaid == 0 { String::new() } else { format!(" ({unsaid} times more since)") };
            error!("the capture process ({id}) is lost: {why} {how}{more}; another one is started");
        }
        self.mourning = true;
        if self.current.is_none() {
            self.answer(None);
        }
        if self.next.is_none() {
            self.start_at = Some(verdict.start_at);
            // One that died before it took over may not even have opened them.
            self.wanted.extend(self.fresh.drain(..));
        }
    }

    pub(super) fn start_if_wanted(&mut self) {
        let due = self.start_at.is_none_or(|at| at <= self.clock.now());
        if self.next.is_some() || !due || (self.start_at.is_none() && self.wanted.is_empty()) {
            return;
        }
        if let Err(error) = self.start_next() {
            let verdict = self.deaths.died(self.clock.now(), self.clock.now());
            if verdict.say.is_some() {
                error!("no capture process can be started: {error}; trying again and again");
            }
            self.start_at = Some(verdict.start_at.max(self.clock.now() + BREATHER));
        }
    }

    /// Starts a process on all interfaces that are listened on or wanted.
    pub(super) fn start_next(&mut self) -> io::Result<()> {
        let names: Vec<String> = self
            .interfaces
            .names()
            .into_iter()
            .filter(|name| self.wanted.contains(name) || self.interfaces.is_open(name))
            .collect();
        let capture = Capture::start(&names, self.families, &self.confinement, self.clock.now())?;
        self.start_at = None;
        self.fresh.extend(self.wanted.drain());
        self.next = Some(capture);
        Ok(())
    }
}

pub(super) fn not_confined(step: u8, errno: i32) -> String {
    let step =
        crate::sandbox::Step::try_from(step).map_or_else(|_| "something".to_owned(), |step| step.to_string());
    format!("cannot give up {step}: {}", io::Error::from_raw_os_error(errno))
}
