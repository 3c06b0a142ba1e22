//! First hits from forged addresses, and people who knock meanwhile.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::meter::Packets;
use crate::net::Lab;
use crate::sender::{Sender, forged};
use crate::subject::{Door, PORTS, Subject};
use crate::tail::Tail;

pub(crate) const SOURCES: u32 = 100_000;
pub(crate) const RATE: u32 = 20_000;
pub(crate) const KNOCKS: u32 = 5;
/// How long what was sent may take to be handled.
const LIMIT: Duration = Duration::from_secs(20);

/// What one flood was, and another one after it.
pub(crate) struct Flood {
    pub(crate) span: Duration,
    pub(crate) cpu: Duration,
    pub(crate) packets: Packets,
    /// How long each knock took, or nothing if it opened nothing.
    pub(crate) knocks: Vec<Option<Duration>>,
    /// In KiB: before, after the first flood, and after the second.
    pub(crate) memory: [u64; 3],
}

pub(crate) fn measure(lab: &Lab, subject: &Subject) -> Flood {
    let people: Vec<IpAddr> =
        (1..=KNOCKS).map(|number| format!("2001:db8::a{number}").parse().expect("an address")).collect();
    let path = |person: &IpAddr| lab.path(&format!("opened.{person}"));
    let mut opened: Vec<_> = people.iter().map(|person| Tail::new(&path(person))).collect();
    let command = format!("echo opened >>{}.%IP%", lab.path("opened").display());
    let running = subject.start(lab, &Door::Static, subject.is_daemon().then_some(&command));
    let meter = running.meter();
    meter.rests_within(LIMIT);
    let before = (meter.memory(), meter.cpu());
    meter.packets();
    let ((starts, span), seen) = thread::scope(|scope| {
        let deadline = Instant::now() + Duration::from_secs((SOURCES / RATE).into()) + LIMIT / 2;
        // Of a loop that opens nothing, nothing is waited for.
        let awaited = if subject.is_daemon() { &mut opened[..] } else { &mut [] };
        let waiting: Vec<_> = awaited
            .iter_mut()
            .map(|tail| scope.spawn(move || tail.awaits_within(deadline - Instant::now(), "opened\n", 1)))
            .collect();
        let sent = Sender::with(lab, |sender| send(sender, 0, &people));
        let seen: Vec<_> = waiting.into_iter().map(|tail| tail.join().expect("a file")).collect();
        (sent, seen)
    });
    meter.rests_within(LIMIT);
    let (cpu, packets, after) = (meter.cpu().saturating_sub(before.1), meter.packets(), meter.memory());
    if subject.is_daemon() {
        Sender::with(lab, |sender| send(sender, SOURCES, &[]));
        meter.rests_within(LIMIT);
    }
    let knocks = starts.iter().zip(seen).map(|(start, seen)| Some(seen?.duration_since(*start))).collect();
    Flood { span, cpu, packets, knocks, memory: [before.0, after, meter.memory()] }
}

/// Sends a flood of addresses from this number on, and lets these people knock in the course of it; when their last hits
/// left, and how long the flood was.
fn send(sender: &mut Sender, from: u32, people: &[IpAddr]) -> (Vec<Instant>, Duration) {
    let hit = |number: u32| sender.syn(forged(from + number), 40_000, PORTS[0], number);
    let frames: Vec<_> = (0..SOURCES).map(hit).collect();
    let start = Instant::now();
    let parts = frames.chunks(frames.len() / (people.len() + 1) + 1);
    let mut people = people.iter();
    let mut starts = Vec::new();
    for part in parts {
        sender.send(part, part.len(), RATE);
        starts.extend(people.next().map(|person| sender.knock(*person, &PORTS)));
    }
    (starts, start.elapsed())
}
