//! All that was measured of one subject.

use std::time::Duration;

use crate::flood::Flood;
use crate::latency::Openings;
use crate::load::{Load, Scene};
use crate::numbers::Sorted;
use crate::subject::Subject;

pub(crate) struct Figures {
    pub(crate) subject: Subject,
    pub(crate) at_static_door: Openings,
    pub(crate) at_one_time_door: Openings,
    /// How many system calls that wait for the disk each opening of the one-time door makes.
    pub(crate) syncs: Option<f64>,
    pub(crate) loads: Vec<Load>,
    pub(crate) floods: Vec<Flood>,
    /// The wake-ups of each process, of each time that was spent idle.
    pub(crate) idle: Vec<Vec<u64>>,
}

impl Figures {
    pub(crate) fn of(subject: Subject) -> Self {
        Self {
            subject,
            at_static_door: Openings::default(),
            at_one_time_door: Openings::default(),
            syncs: None,
            loads: Vec::new(),
            floods: Vec::new(),
            idle: Vec::new(),
        }
    }

    /// What each round sent of a scene's packets, at this rate.
    pub(crate) fn loads(&self, scene: Scene, rate: u32) -> impl Iterator<Item = &Load> {
        self.loads.iter().filter(move |load| load.scene == scene && load.rate == rate)
    }

    /// The microseconds of processor time that a packet took in each round.
    pub(crate) fn costs(&self, scene: Scene, rate: u32) -> Sorted {
        Sorted::new(self.loads(scene, rate).filter_map(Load::cost))
    }

    /// What multiple of another subject's that is, round by round.
    pub(crate) fn times(&self, floor: &Figures, scene: Scene, rate: u32) -> Sorted {
        let rounds = self.loads(scene, rate).zip(floor.loads(scene, rate));
        Sorted::new(rounds.filter_map(|(ours, floor)| Some(ours.cost()? / floor.cost()?)))
    }

    /// How much of one processor, in percent, each round took at this rate.
    pub(crate) fn shares(&self, rate: u32) -> Sorted {
        Sorted::new(self.loads(Scene::FirstHits, rate).map(|load| load.share() * 100.0))
    }

    /// How many of a hundred packets found no room.
    pub(crate) fn dropped(&self, scene: Scene, rate: u32) -> f64 {
        let sum = |count: fn(&Load) -> u64| self.loads(scene, rate).map(count).sum::<u64>();
        100.0 * sum(|load| load.packets.dropped) as f64 / (sum(|load| load.packets.passed) as f64).max(1.0)
    }

    /// In the floods: how long each knock took that opened, and how many there were.
    pub(crate) fn flooded_knocks(&self) -> (Vec<Duration>, usize) {
        let all = || self.floods.iter().flat_map(|flood| &flood.knocks);
        (all().copied().flatten().collect(), all().count())
    }
}
