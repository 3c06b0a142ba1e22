//! What a capture process cannot know, said to the executor all the same.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use knockd::packet::Hit;
use knockd::wire::{
    Counters, Loss, Progress, ProgressKind, SIGHTING_SIZE, STEPS_AT_ONCE, Setup, Sight, Steps, encode,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::stdio::stdin;
use serde::Serialize;

use crate::ports::{
    COMPLETED, CONFINED, COUNTED, EVERYBODY, EXPOSED, FLOOD, FUTURE, GARBAGE, LOST, MAPPED, NOBODY, OPENED,
    PAST, SECONDS, STAGES, SYNCED, WORDS,
};

/// The configuration that a daemon starts with.
const GENERATION: u32 = 1;

/// Packets that come in the course of a flood do not make it longer.
static FLOOD_BEGAN: OnceLock<Instant> = OnceLock::new();

/// How many messages of a flood go at once.
const PORTION: usize = 256;

/// Says what the port says, if it is a port for a message.
pub(crate) fn tell(hit: &Hit) {
    let port = hit.port.get();
    if let Some(message) = message(port, hit) {
        // There is nobody to complain to.
        let _ = say(&message);
    } else if let Some(message) = port.checked_sub(FLOOD).and_then(|port| message(port, hit)) {
        let portion = message.repeat(PORTION);
        let end = *FLOOD_BEGAN.get_or_init(Instant::now) + Duration::from_secs(SECONDS);
        while Instant::now() < end && say(&portion).is_ok() {}
    }
}

/// The bytes that the executor is to read.
fn message(port: u16, hit: &Hit) -> Option<Vec<u8>> {
    let (slot, source) = (u64::from(hit.source_port), hit.source);
    let completed = |generation, source| bytes(&Sight::Completed { generation, slot, source });
    match port {
        COMPLETED => completed(GENERATION, source),
        EXPOSED => {
            let generation = GENERATION;
            bytes(&Sight::Exposed { generation, slot, source, whole: false, crowded: true })
        }
        FUTURE => completed(GENERATION + 1, source),
        PAST => completed(GENERATION - 1, source),
        NOBODY => completed(GENERATION, Ipv4Addr::UNSPECIFIED.into()),
        EVERYBODY => completed(GENERATION, Ipv4Addr::new(224, 0, 0, 1).into()),
        MAPPED => completed(GENERATION, mapped(source)),
        STAGES => {
            let kind = ProgressKind::Stages { first: 1, last: 32 };
            let steps = vec![Steps { slot, source, kind }; STEPS_AT_ONCE];
            bytes(&Sight::Progress(Progress { generation: GENERATION, steps, left_out: u64::MAX }))
        }
        LOST => {
            let lost = |number| bytes(&Sight::Lost { number, loss: Loss::Gone });
            Some((0..16).filter_map(lost).collect::<Vec<_>>().concat())
        }
        SYNCED => bytes(&Sight::Synced(1)),
        OPENED => bytes(&Setup::Opened { number: 0, index: 1 }),
        WORDS => {
            let words = "forged words".to_owned();
            bytes(&Setup::NotOpened { number: 0, lasting: true, words })
        }
        CONFINED => bytes(&Setup::Confined),
        COUNTED => bytes(&Sight::Counted(1, Counters { packets: u64::MAX, dropped: 0, guarded: u64::MAX })),
        GARBAGE => Some(vec![0xff; SIGHTING_SIZE]),
        _ => None,
    }
}

fn mapped(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(source) => source.to_ipv6_mapped().into(),
        IpAddr::V6(_) => source,
    }
}

fn bytes(message: &impl Serialize) -> Option<Vec<u8>> {
    encode::<_, SIGHTING_SIZE>(message).map(Vec::from)
}

/// Writes this whole, however long that takes.
fn say(bytes: &[u8]) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match send(stdin(), rest, SendFlags::NOSIGNAL) {
            Ok(sent) => rest = &rest[sent..],
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(&stdin(), PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
