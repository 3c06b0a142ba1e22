//! The processor time that packets take, at various rates.

use std::time::Duration;

use crate::meter::{Meter, Packets};
use crate::net::Lab;
use crate::sender::{Sender, forged};
use crate::subject::{Door, PORTS, Subject};

/// Packets in a second; the last is the most.
pub(crate) const RATES: [u32; 5] = [1_000, 10_000, 50_000, 100_000, 180_000];
pub(crate) const MOST: u32 = RATES[RATES.len() - 1];

/// How long each is sent.
const SPAN: Duration = Duration::from_millis(600);
/// How often each scene is sent at the highest rate: other things that the machine does show in one, and not in most.
const REPEATS: usize = 3;
/// How many packets go before, so that all tables have their size.
const WARM_UP: usize = 5_000;
/// How long a program may take to handle what was sent.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// One source hits the sequence's first port again and again.
    FirstHits,
    /// One source hits ports that are nobody's, more than the scan guard bears.
    Scan,
    /// Each packet is somebody else's, to a port that is nobody's.
    Strays,
}

impl Scene {
    pub(crate) const ALL: [Scene; 3] = [Scene::FirstHits, Scene::Scan, Scene::Strays];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Scene::FirstHits => "first hits of one source",
            Scene::Scan => "a scan by one source",
            Scene::Strays => "strays, each of another source",
        }
    }

    fn frames(self, sender: &Sender) -> Vec<Vec<u8>> {
        let port = |base: u16, number: u32, count: u32| base + u16::try_from(number % count).expect("a port");
        let address = |text: &str| text.parse().expect("an address");
        match self {
            Scene::FirstHits => (0..50_000)
                .map(|number| sender.syn(address("192.0.2.77"), port(1024, number, 50_000), PORTS[0], number))
                .collect(),
            Scene::Scan => (0..50_000)
                .map(|number| sender.syn(address("192.0.2.78"), 40_000, port(10_000, number, 50_000), number))
                .collect(),
            Scene::Strays => {
                (0..200_000).map(|number| sender.syn(forged(number), 40_000, 443, number)).collect()
            }
        }
    }
}

/// What some packets were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) scene: Scene,
    /// What was wanted.
    pub(crate) rate: u32,
    pub(crate) sent: usize,
    pub(crate) span: Duration,
    pub(crate) cpu: Duration,
    pub(crate) packets: Packets,
}

impl Load {
    /// Microseconds for each packet that was handled; nothing where the kernel filter let none through.
    pub(crate) fn cost(&self) -> Option<f64> {
        let handled = self.packets.passed - self.packets.dropped;
        (handled > 0).then(|| self.cpu.as_secs_f64() * 1e6 / handled as f64)
    }

    /// How much of one processor it took.
    pub(crate) fn share(&self) -> f64 {
        self.cpu.as_secs_f64() / self.span.as_secs_f64()
    }

    /// Packets that were really sent in a second.
    pub(crate) fn achieved(&self) -> f64 {
        self.sent as f64 / self.span.as_secs_f64()
    }
}

/// Sends each scene's packets at the highest rate, and those of the first scene at each.
pub(crate) fn measure(lab: &Lab, subject: &Subject) -> Vec<Load> {
    let running = subject.start(lab, &Door::Static, None);
    let meter = running.meter();
    let rates = |scene| {
        let lower = if scene == Scene::FirstHits { &RATES[..RATES.len() - 1] } else { &[] };
        lower.iter().copied().chain([MOST; REPEATS])
    };
    Sender::with(lab, |sender| {
        let scenes = Scene::ALL.into_iter().flat_map(|scene| {
            let frames = scene.frames(sender);
            sender.send(&frames, WARM_UP, MOST);
            let loads = rates(scene).map(|rate| one(sender, &meter, scene, rate, &frames));
            loads.collect::<Vec<_>>()
        });
        scenes.collect()
    })
}

fn one(sender: &mut Sender, meter: &Meter, scene: Scene, rate: u32, frames: &[Vec<u8>]) -> Load {
    assert!(meter.rests_within(LIMIT), "it does not come to rest");
    meter.packets();
    let before = meter.cpu();
    let sent = (f64::from(rate) * SPAN.as_secs_f64()) as usize;
    let span = sender.send(frames, sent, rate);
    assert!(meter.rests_within(LIMIT), "it does not come to rest");
    Load { scene, rate, sent, span, cpu: meter.cpu().saturating_sub(before), packets: meter.packets() }
}
