//! One capture process on its way: from its start, by way of its confinement and the plan that it matches, to the moment
//! at which it takes over from the one before.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::child::{Child, Heard};
use crate::config::Sandbox;
use crate::message::{Families, Generation, Order, Plan};
use crate::moment::Moment;
use crate::sandbox::Confinement;
use crate::wire::{BadMessage, Counters, OrderMessage, Setup, Sight, Strength, messages};

/// How far a process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It opens interfaces, and gives up its privileges.
    Opening,
    /// It is confined, and knows nothing to match yet.
    Idle,
    /// It is taking in what to match.
    Loading,
    /// It knows what to match, and waits for its turn.
    Loaded,
    /// It judges packets.
    Serving,
}

/// What a process has said, of what concerns the executor.
pub(super) enum Word {
    /// It captures from this interface, the kernel's number of which is this.
    Opened(String, u32),
    /// It cannot capture from this interface.
    NotOpened { name: String, lasting: bool, words: String },
    /// Something that would confine it is not to be had.
    Lacking(u8),
    /// It could not be confined.
    NotConfined { step: u8, errno: i32 },
    /// It has come further.
    Stage(Stage),
    /// Something for the executor to look at.
    Sight(Sight),
    /// It captures from this interface no more.
    Lost(String, crate::wire::Loss),
    /// How much it has seen.
    Counted(Counters),
}

/// The number of the first [`OrderMessage::Sync`] that a process gets, behind its plan; with others, it is asked whether it
/// is alive.
const SYNC: u32 = 1;

/// How long it may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

pub(super) struct Capture {
    child: Child,
    /// The interfaces that it was given, by their numbers.
    feeds: HashMap<u32, String>,
    stage: Stage,
    /// The configuration that it matches against.
    generation: Generation,
    pub(super) born: Moment,
    /// The number of the last [`OrderMessage::Sync`].
    sync: u32,
    /// Since when it owes the answer to that, if it was asked whether it is alive.
    pub(super) asked: Option<Moment>,
    /// The number of the last [`OrderMessage::Count`], and whether it owes the answer to that.
    count: (u32, bool),
    /// What it has said to have seen.
    counted: Counters,
}

impl Capture {
    /// Starts a process that captures from these interfaces.
    pub(super) fn start(
        names: &[String],
        families: Families,
        confinement: &Confinement,
        now: Moment,
    ) -> std::io::Result<Capture> {
        Ok(Capture::of(Child::start()?, names, families, confinement, now))
    }

    /// The same with a process that is there already.
    pub(super) fn of(
        mut child: Child,
        names: &[String],
        families: Families,
        confinement: &Confinement,
        now: Moment,
    ) -> Capture {
        let among = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let feeds: HashMap<u32, String> = (0..).zip(names.iter().cloned()).collect();
        let mut setup = Vec::new();
        if families == Families::Ipv4Only {
            setup.push(OrderMessage::Ipv4Only);
        }
        let listen =
            |(number, name): (u32, &String)| OrderMessage::Listen { number, name: name.clone(), among };
        setup.extend((0..).zip(names).map(listen));
        setup.push(OrderMessage::Confine {
            uid: confinement.identity.uid,
            gid: confinement.identity.gid,
            strength: match confinement.strength {
                Sandbox::Strict => Strength::Strict,
                Sandbox::Log => Strength::Log,
                Sandbox::Off => Strength::Off,
            },
        });
        child.say(setup);
        Capture {
            child,
            feeds,
            stage: Stage::Opening,
            generation: Generation::default(),
            born: now,
            sync: SYNC,
            asked: None,
            count: (0, false),
            counted: Counters::default(),
        }
    }

    /// When it counts as deaf, if it takes in nothing until then.
    pub(super) fn deaf_at(&self) -> Option<Moment> {
        self.child.deaf_at()
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    pub(super) fn into_child(self) -> Child {
        self.child
    }

    /// The descriptor to wait for.
    pub(super) fn poll_fd(&self) -> rustix::event::PollFd<'_> {
        self.child.poll_fd()
    }

    /// Gives it what to match, and the host's addresses.
    pub(super) fn load(&mut self, plan: Plan, addresses: impl IntoIterator<Item = IpAddr>) {
        self.generation = plan.generation;
        self.child.say(messages(Order::Adopt(plan), self.generation));
        self.set_here(addresses);
        self.child.say([OrderMessage::Sync(SYNC)]);
        self.stage = Stage::Loading;
    }

    /// Passes on what the executor orders; one that has nothing to match yet will get it with its plan.
    pub(super) fn order(&mut self, order: Order) {
        if matches!(self.stage, Stage::Opening | Stage::Idle) {
            return;
        }
        if let Order::Adopt(plan) = &order {
            self.generation = plan.generation;
        }
        self.child.say(messages(order, self.generation));
    }

    /// Tells it the host's addresses.
    pub(super) fn set_here(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        let addresses: Vec<IpAddr> = addresses.into_iter().collect();
        let addresses = addresses.into_iter().map(OrderMessage::Address);
        self.child.say(std::iter::once(OrderMessage::Here).chain(addresses).chain([OrderMessage::HereEnd]));
    }

    /// Lets it judge what arrives after this time, in microseconds since 1970.
    pub(super) fn go(&mut self, after: u64) {
        self.child.say([OrderMessage::Go { after }]);
        // What does not fit now is sent when it is heard next.
        let _ = self.child.send();
        self.stage = Stage::Serving;
    }

    /// Lets it judge what has arrived until this time, and end.
    pub(super) fn retire(&mut self, until: u64) {
        self.child.say([OrderMessage::Stop { until }]);
        // What does not fit now is sent when it is heard next.
        let _ = self.child.send();
    }

    /// Asks whether it is alive, unless it owes an answer to that already.
    pub(super) fn ask(&mut self, now: Moment) {
        if self.asked.is_none() {
            self.sync = self.sync.wrapping_add(1);
            self.child.say([OrderMessage::Sync(self.sync)]);
            self.asked = Some(now);
        }
    }

    /// Asks how much it has seen, unless it owes an answer to that already.
    pub(super) fn ask_for_counters(&mut self) {
        let (number, owed) = self.count;
        if !owed {
            self.count = (number.wrapping_add(1), true);
            self.child.say([OrderMessage::Count(self.count.0)]);
        }
    }

    /// Whether it is alive, as far as that can be told: what it has said may still have to be heard.
    pub(super) fn answers(&self, now: Moment) -> bool {
        self.asked.is_none_or(|since| now < since + ANSWERS_WITHIN) || !self.child.is_silent()
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Makes it look whether its interfaces are still there.
    pub(super) fn look(&mut self) {
        if self.stage == Stage::Serving {
            self.child.say([OrderMessage::Look]);
        }
    }

    /// Makes it let go of an interface.
    pub(super) fn close(&mut self, name: &str) {
        let number = self.feeds.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
        if let Some(number) = number {
            self.feeds.remove(&number);
            self.child.say([OrderMessage::Close { number }]);
        }
    }

    /// Makes it let go of all interfaces but these.
    pub(super) fn close_others(&mut self, names: &[String]) {
        let others: Vec<String> = self.feeds.values().filter(|name| !names.contains(name)).cloned().collect();
        for name in &others {
            self.close(name);
        }
    }

    /// Whether it captures from this interface, or is to.
    pub(super) fn has(&self, name: &str) -> bool {
        self.feeds.values().any(|known| known == name)
    }

    /// Whether there is no interface that it has and the other one lacks.
    pub(super) fn brings_nothing_to(&self, other: &Capture) -> bool {
        self.feeds.values().all(|name| other.has(name))
    }

    /// The next thing that it has said.
    pub(super) fn next(&mut self) -> Result<Option<Word>, BadMessage> {
        while let Some(heard) = self.child.next() {
            let word = match heard? {
                Heard::Setup(setup) => self.setup(setup)?,
                Heard::Sight(sight) => self.sight(sight)?,
            };
            if word.is_some() {
                return Ok(word);
            }
        }
        Ok(None)
    }

    fn setup(&mut self, setup: Setup) -> Result<Option<Word>, BadMessage> {
        Ok(match setup {
            // One that was closed meanwhile is of no interest.
            Setup::Opened { number, index } => {
                self.feeds.get(&number).map(|name| Word::Opened(name.clone(), index))
            }
            Setup::NotOpened { number, lasting, words } => {
                self.feeds.remove(&number).map(|name| Word::NotOpened { name, lasting, words })
            }
            Setup::Lacking(what) => Some(Word::Lacking(what)),
            Setup::NotConfined { step, errno } => Some(Word::NotConfined { step, errno }),
            Setup::Confined if self.stage == Stage::Opening => {
                self.stage = Stage::Idle;
                Some(Word::Stage(Stage::Idle))
            }
            Setup::Confined => return Err(BadMessage),
        })
    }

    fn sight(&mut self, sight: Sight) -> Result<Option<Word>, BadMessage> {
        Ok(match sight {
            Sight::Synced(SYNC) if self.stage == Stage::Loading => {
                self.stage = Stage::Loaded;
                Some(Word::Stage(Stage::Loaded))
            }
            Sight::Synced(number) if number == self.sync && self.asked.take().is_some() => None,
            Sight::Lost { number, loss } => self.feeds.remove(&number).map(|name| Word::Lost(name, loss)),
            Sight::Counted(number, counters)
                if self.count == (number, true) && counters.follow(&self.counted) =>
            {
                self.count.1 = false;
                self.counted = counters;
                Some(Word::Counted(counters))
            }
            Sight::Synced(_) | Sight::Counted(..) => return Err(BadMessage),
            // A process that has not been told to look at packets has seen none.
            _ if self.stage != Stage::Serving => return Err(BadMessage),
            sight => Some(Word::Sight(sight)),
        })
    }
}
