//! What the two processes write to each other.

use std::fmt::Debug;
use std::net::IpAddr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{Order, Report, SlotId};
use crate::wire::{
    Frames, Instruction, ORDER_SIZE, OrderMessage, Reader, SIGHTING_SIZE, STEPS_AT_ONCE, Setup, Sight,
    decode, encode, messages, sightings,
};

/// The most reports that one message can stand for: a line for each stage of each attempt, and one for those left out.
const MOST_REPORTS: usize = STEPS_AT_ONCE * 33 + 1;

/// Reads the bytes as what a capture process says, and as a series of orders.
///
/// What is read is written as the bytes that it was read from.  What a capture process says names the slot and the
/// address that are in it, a bounded number of times, and a report for the log never becomes one that opens a door.  A
/// plan that was put together is put together again as it was.
pub fn message(bytes: &[u8]) {
    let record: [u8; SIGHTING_SIZE] = filled_up(bytes);
    one_encoding::<Setup, SIGHTING_SIZE>(&record);
    if let Some(sight) = one_encoding::<Sight, SIGHTING_SIZE>(&record) {
        says_no_more(&sight);
    }
    orders(&records(bytes));
}

fn filled_up<const SIZE: usize>(bytes: &[u8]) -> [u8; SIZE] {
    let mut record = [0; SIZE];
    let length = bytes.len().min(SIZE);
    record[..length].copy_from_slice(&bytes[..length]);
    record
}

fn one_encoding<T, const SIZE: usize>(record: &[u8; SIZE]) -> Option<T>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let message: T = decode(record).ok()?;
    assert_eq!(encode(&message).as_ref(), Some(record), "{message:?}");
    Some(message)
}

fn says_no_more(sight: &Sight) {
    let told = sightings(sight);
    assert!(told.len() <= MOST_REPORTS);
    for sighting in told {
        let said: Vec<(u64, IpAddr)> = match sight {
            Sight::Completed { slot, source, .. } | Sight::Exposed { slot, source, .. } => {
                vec![(*slot, *source)]
            }
            Sight::Progress(progress) => {
                progress.steps.iter().map(|steps| (steps.slot, steps.source)).collect()
            }
            other => unreachable!("{other:?} is no sighting"),
        };
        let attempt = sighting.report.attempt();
        assert!(attempt.is_none_or(|(SlotId(slot), source)| said.contains(&(slot, source))), "{sighting:?}");
        assert_eq!(sighting.report.is_for_the_log(), matches!(sight, Sight::Progress(_)), "{sighting:?}");
        if let Report::Stage { stage, .. } = sighting.report {
            assert!(stage <= 32);
        }
    }
}

/// The bytes as short records, each behind its length, and filled up with zeros.
fn records(mut bytes: &[u8]) -> Vec<[u8; ORDER_SIZE]> {
    let mut records = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (record, rest) = rest.split_at(rest.len().min(usize::from(*length) % (ORDER_SIZE + 1)));
        records.push(filled_up(record));
        bytes = rest;
    }
    records
}

fn orders(records: &[[u8; ORDER_SIZE]]) {
    let mut frames = Frames::<ORDER_SIZE>::default();
    // As a socket may cut them.
    for piece in records.concat().chunks(77) {
        frames.add(piece);
    }
    let mut reader = Reader::default();
    for record in records {
        assert_eq!(frames.next_frame(), Some(&record[..]));
        let Some(message) = one_encoding::<OrderMessage, ORDER_SIZE>(record) else { continue };
        if let Ok(Some(Instruction::Adopt(plan))) = reader.take(message) {
            let mut again = Reader::default();
            let sent = messages(Order::Adopt(plan.clone()), plan.generation);
            let told: Vec<Instruction> = sent.filter_map(|message| again.take(message).unwrap()).collect();
            assert_eq!(told, [Instruction::Adopt(plan)]);
        }
    }
    assert_eq!(frames.next_frame(), None);
}
