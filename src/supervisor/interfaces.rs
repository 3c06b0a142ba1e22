//! Which interfaces are listened on, and what is to be done as they come, go and fail.
//!
//! What is seen and the time come in, steps come out.  An interface that is missing or down costs nothing: the kernel
//! tells when it comes.  Only one that is there and cannot be captured from is tried again from time to time.

use std::time::Duration;

use crate::moment::Moment;

/// How long to wait after a first error; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest wait between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// An interface that has worked for so long starts with the first pause again.
const STEADY: Duration = Duration::from_secs(10);

/// An interface that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Present {
    /// The kernel's number for it; one that is deleted and made again usually has another.
    pub(super) index: u32,
    /// Whether it is up.
    pub(super) up: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Open it, and say with [`Interfaces::opened`] or [`Interfaces::failed`] how that went.
    Open(String),
    /// Close its handle.
    Close(String),
    /// Put this into the log.
    Say(String, News),
}

/// What has become of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// There is none of this name, and there was none before.
    Missing,
    /// It is gone, or another one has taken its place.
    Gone,
    /// It is down.
    Down,
    /// It is up again, and was open all the time.
    Up,
    /// It cannot be captured from for now.
    Failing(String),
    /// It cannot be captured from at all, as long as it is what it is.
    Refused(String),
}

/// Why opening an interface or capturing from it has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It may work in a while.
    Passing(String),
    /// It cannot work with this interface.
    Lasting(String),
}

/// How an interface is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceState {
    /// Packets are captured from it.
    Listening,
    /// It is there and down.
    Down,
    /// It is not there.
    Missing,
    /// It is there, and cannot be captured from for now.
    Failing,
    /// It is about to be opened.
    Opening,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Not looked at yet.
    New,
    Absent,
    /// There, but down, and so it cannot be opened.
    Down,
    /// It was open until now.
    Closed,
    Open {
        present: Present,
        since: Moment,
        /// The last pause before it could be opened.
        pause: Duration,
    },
    Failing {
        index: u32,
        again: Moment,
        pause: Duration,
        said: String,
    },
    Refused {
        index: u32,
    },
}

/// The interfaces that are wanted, in the order of the configuration.
#[derive(Debug, Default)]
pub(super) struct Interfaces(Vec<(String, State)>);

impl Interfaces {
    /// Wants these from now on; those that were wanted already stay as they are.
    pub(super) fn want(&mut self, names: &[String]) -> Vec<Step> {
        let mut before = std::mem::take(&mut self.0);
        for name in names {
            let known = before.iter().position(|(known, _)| known == name).map(|at| before.swap_remove(at));
            self.0.push(known.unwrap_or_else(|| (name.clone(), State::New)));
        }
        let dropped = before.into_iter().filter(|(_, state)| matches!(state, State::Open { .. }));
        dropped.map(|(name, _)| Step::Close(name)).collect()
    }

    /// The names of those that are wanted.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The names of those that are open and up.
    pub(super) fn listening(&self) -> Vec<String> {
        let open = |state: &State| matches!(state, State::Open { present, .. } if present.up);
        self.0.iter().filter(|(_, state)| open(state)).map(|(name, _)| name.clone()).collect()
    }

    /// How each of them is.
    pub(super) fn states(&self) -> Vec<(String, InterfaceState)> {
        let in_a_word = |state: &State| match state {
            State::New | State::Closed => InterfaceState::Opening,
            State::Absent => InterfaceState::Missing,
            State::Open { present, .. } if present.up => InterfaceState::Listening,
            State::Down | State::Open { .. } => InterfaceState::Down,
            State::Failing { .. } | State::Refused { .. } => InterfaceState::Failing,
        };
        self.0.iter().map(|(name, state)| (name.clone(), in_a_word(state))).collect()
    }

    /// Whether it is open.
    pub(super) fn is_open(&self, name: &str) -> bool {
        self.0.iter().any(|(known, state)| known == name && matches!(state, State::Open { .. }))
    }

    /// The host has been looked at: this is the interface of the name, and whether an open handle is bound to it still, as
    /// far as is known.
    pub(super) fn saw(&mut self, name: &str, present: Option<Present>, bound: bool) -> Vec<Step> {
        let Some(state) = self.state(name) else { return Vec::new() };
        let say = |news| Step::Say(name.to_owned(), news);
        if let State::Open { present: known, .. } = state {
            if let Some(now) = present
                && now.index == known.index
                && bound
            {
                let changed = now.up != known.up;
                known.up = now.up;
                let news = if now.up { News::Up } else { News::Down };
                return if changed { vec![say(news)] } else { Vec::new() };
            }
            *state = State::Absent;
            let mut steps = vec![Step::Close(name.to_owned()), say(News::Gone)];
            steps.extend(self.saw(name, present, false));
            return steps;
        }
        let news = match (&*state, present) {
            (State::Absent, None) | (State::Down, Some(Present { up: false, .. })) => return Vec::new(),
            (State::New, None) => (State::Absent, News::Missing),
            (_, None) => (State::Absent, News::Gone),
            (_, Some(Present { up: false, .. })) => (State::Down, News::Down),
            (State::Failing { index, .. } | State::Refused { index }, Some(now)) if *index == now.index => {
                return Vec::new();
            }
            (_, Some(_)) => return vec![Step::Open(name.to_owned())],
        };
        *state = news.0;
        vec![say(news.1)]
    }

    /// It has been opened, and is this one.
    pub(super) fn opened(&mut self, name: &str, index: u32, now: Moment) {
        if let Some(state) = self.state(name) {
            let pause = if let State::Failing { pause, .. } = state { *pause } else { Duration::ZERO };
            *state = State::Open { present: Present { index, up: true }, since: now, pause };
        }
    }

    /// It could not be opened, or its handle has failed and is gone; this is the interface now.
    pub(super) fn failed(
        &mut self,
        name: &str,
        problem: Problem,
        present: Option<Present>,
        now: Moment,
    ) -> Vec<Step> {
        let Some(state) = self.state(name) else { return Vec::new() };
        let Some(Present { index, up: true }) = present else {
            // That explains it.
            if let State::Open { present: known, .. } = state {
                *state = if !known.up && present.is_some() { State::Down } else { State::Closed };
            }
            return self.saw(name, present, false);
        };
        let error = match problem {
            Problem::Lasting(error) => {
                *state = State::Refused { index };
                return vec![Step::Say(name.to_owned(), News::Refused(error))];
            }
            Problem::Passing(error) => error,
        };
        let (last, said) = match state {
            State::Failing { pause, said, .. } => (*pause, said.as_str() == error),
            State::Open { since, pause, .. } if now < *since + STEADY => (*pause, false),
            _ => (Duration::ZERO, false),
        };
        let pause = (last * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        *state = State::Failing { index, again: now + pause, pause, said: error.clone() };
        if said { Vec::new() } else { vec![Step::Say(name.to_owned(), News::Failing(error))] }
    }

    /// What is to be tried again by now.
    pub(super) fn due(&self, now: Moment) -> Vec<Step> {
        let due = |state: &State| matches!(state, State::Failing { again, .. } if *again <= now);
        self.0.iter().filter(|(_, state)| due(state)).map(|(name, _)| Step::Open(name.clone())).collect()
    }

    /// When something is to be tried again.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let again =
            |state: &State| if let State::Failing { again, .. } = state { Some(*again) } else { None };
        self.0.iter().filter_map(|(_, state)| again(state)).min()
    }

    fn state(&mut self, name: &str) -> Option<&mut State> {
        self.0.iter_mut().find(|(known, _)| known == name).map(|(_, state)| state)
    }
}

#[cfg(test)]
#[path = "interfaces_tests.rs"]
mod tests;
