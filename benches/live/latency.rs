//! How long it takes from a knock's last hit until the door's command runs.

use std::thread;
use std::time::Duration;

use crate::net::{CLIENT, Lab};
use crate::pads::Pads;
use crate::sender::Sender;
use crate::shuffle::Chance;
use crate::subject::{Door, PORTS, Running, Subject};
use crate::tail::Tail;

/// An opening that takes longer than this is none.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);

/// Times between measurements, which have nothing to do with what a program does meanwhile.
pub(crate) struct Pauses(Chance);

impl Pauses {
    pub(crate) fn new() -> Self {
        Self(Chance::new(1))
    }

    /// Lets 5 to 55 ms pass.
    pub(crate) fn pass(&mut self) {
        thread::sleep(Duration::from_micros(5_000 + self.0.below(50_000) as u64));
    }
}

/// What came of some knocks.
#[derive(Default)]
pub(crate) struct Openings {
    pub(crate) delays: Vec<Duration>,
    /// How many opened nothing.
    pub(crate) lost: usize,
}

impl Openings {
    pub(crate) fn extend(&mut self, other: Self) {
        self.delays.extend(other.delays);
        self.lost += other.lost;
    }
}

/// Knocks so often at the static door, its hits as fast as they leave.
pub(crate) fn at_static_door(lab: &Lab, subject: &Subject, knocks: usize) -> Openings {
    at(lab, subject, &Door::Static, &vec![PORTS.to_vec(); knocks], |_| ()).0
}

/// Knocks with so many lines of a new pad of this name; and what `look` made of the program that
/// had just been started.
pub(crate) fn at_one_time_door<T>(
    lab: &Lab,
    subject: &Subject,
    (name, knocks): (&str, usize),
    look: impl FnOnce(&Running) -> T,
) -> (Openings, T) {
    let pads = Pads::generate(lab, &format!("{}-{name}", subject.file_name()), knocks + 10, &[]);
    let lines: Vec<_> = (0..knocks).map(|line| pads.tcp_ports(line)).collect();
    at(lab, subject, &Door::Once(&pads.server), &lines, look)
}

/// Knocks with these lines one after the other.
fn at<T>(
    lab: &Lab,
    subject: &Subject,
    door: &Door<'_>,
    lines: &[Vec<u16>],
    look: impl FnOnce(&Running) -> T,
) -> (Openings, T) {
    let file = lab.path("opened");
    let mut opened = Tail::new(&file);
    let running = subject.start(lab, door, Some(&format!("echo opened >>{}", file.display())));
    let looked = look(&running);
    let source = CLIENT.parse().expect("an address");
    let mut pauses = Pauses::new();
    let openings = Sender::with(lab, |sender| {
        let mut openings = Openings::default();
        for line in lines {
            pauses.pass();
            let start = sender.knock(source, line);
            match opened.awaits_within(LIMIT, "opened\n", 1) {
                Some(seen) => openings.delays.push(seen.duration_since(start)),
                None => openings.lost += 1,
            }
        }
        openings
    });
    (openings, looked)
}
