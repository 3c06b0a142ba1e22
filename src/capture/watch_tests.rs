use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use super::*;
use crate::message::SlotId;
use crate::wire::{Frames, SIGHTING_SIZE, decode};

fn at(second: u64) -> Moment {
    Moment::after_start(Duration::from_secs(second))
}

/// So many seconds after noon.
fn noon(after: i64) -> TimeOfDay {
    TimeOfDay::of_packet(1_000_000 + after, 0u32)
}

#[test]
fn a_packet_counts_from_when_it_came() {
    let now = at(100);
    let moment_of = |when| arrival(when, &mut (now, noon(0)), || (now, noon(0)));
    let came = |age: i64| moment_of(noon(-age));
    assert_eq!(came(0), now);
    assert_eq!(came(7), at(93));
    assert_eq!(came(3600), now, "the time of day was set forward");
    assert_eq!(moment_of(noon(3600)), now, "it was set back");
}

#[test]
fn a_packet_that_came_since_the_clocks_were_read_counts_from_when_it_came() {
    let later = |seconds: u64| (at(100 + seconds), noon(seconds.try_into().unwrap()));
    let mut clocks = later(0);
    let mut came = |second| arrival(noon(second), &mut clocks, || later(30));
    assert_eq!([came(0), came(10), came(25)], [at(100), at(110), at(125)]);
}

/// A watch without interfaces, and the executor's end of its line.
fn heard_watch() -> (Watch, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (Watch::new(Line::new(theirs.into()).unwrap(), Vec::new(), Families::Both, None), ours)
}

/// All that has been said and is there to be read.
fn said(ours: &mut UnixStream) -> Vec<Sight> {
    let mut bytes = Vec::new();
    let read = ours.read_to_end(&mut bytes);
    assert!(matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock), "the line is closed");
    let mut frames = Frames::<SIGHTING_SIZE>::default();
    frames.add(&bytes);
    let mut said = Vec::new();
    while let Some(frame) = frames.next_frame() {
        said.push(decode(frame).unwrap());
    }
    said
}

fn stage(slot: u64, stage: u8) -> Report {
    Report::Stage { slot: SlotId(slot), source: "192.0.2.2".parse().unwrap(), stage }
}

fn completed(slot: u64) -> Report {
    Report::Completed { slot: SlotId(slot), source: "192.0.2.2".parse().unwrap() }
}

fn lines(said: &[Sight]) -> u64 {
    let progress = said.iter().map(|sight| if let Sight::Progress(it) = sight { it.lines() } else { 0 });
    progress.sum()
}

#[test]
fn a_batch_of_packets_makes_one_message_for_the_log_before_those_that_count() {
    let (mut watch, mut ours) = heard_watch();
    let mut reports: Vec<Report> =
        (1..=5).flat_map(|slot| [stage(slot, 1), stage(slot, 2), completed(slot)]).collect();
    watch.tell(&mut reports).unwrap();
    let said = said(&mut ours);
    assert!(matches!(&said[0], Sight::Progress(progress) if progress.steps.len() == 5));
    assert!(said[1..].iter().all(|sight| matches!(sight, Sight::Completed { .. })));
    assert_eq!((said.len(), lines(&said)), (6, 10));
}

#[test]
fn of_more_attempts_than_one_message_holds_the_rest_is_counted() {
    let (mut watch, mut ours) = heard_watch();
    watch.tell(&mut (1..=20).map(|slot| stage(slot, 1)).collect()).unwrap();
    let said = said(&mut ours);
    let [Sight::Progress(progress)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((progress.steps.len(), progress.left_out), (7, 13));
}

#[test]
fn an_executor_that_does_not_read_misses_lines_of_the_log_and_no_completion() {
    let (mut watch, mut ours) = heard_watch();
    let mut batches = 0;
    while watch.line.is_free() {
        batches += 1;
        watch.tell(&mut vec![completed(batches)]).unwrap();
    }
    for _ in 0..10 {
        batches += 1;
        watch.tell(&mut vec![stage(batches, 1), completed(batches)]).unwrap();
    }
    assert!(!watch.line.is_full(), "after so many more no packet is judged");
    let mut all = Vec::new();
    while !watch.line.is_free() {
        all.extend(said(&mut ours));
        watch.line.flush().unwrap();
    }
    all.extend(said(&mut ours));
    let slot = |sight: &Sight| if let Sight::Completed { slot, .. } = sight { Some(*slot) } else { None };
    let slots: Vec<u64> = all.iter().filter_map(slot).collect();
    assert_eq!(slots, (1..=batches).collect::<Vec<_>>(), "each of them, in order");
    assert_eq!(lines(&all), 0);
    watch.tell(&mut Vec::new()).unwrap();
    let said = said(&mut ours);
    assert!(
        matches!(&said[..], [Sight::Progress(it)] if it.steps.is_empty() && it.left_out == 10),
        "{said:?}"
    );
}

#[test]
fn no_more_is_judged_when_too_much_is_unsaid() {
    let (mut watch, _ours) = heard_watch();
    let mut unsaid = 0;
    while !watch.line.is_full() {
        watch.tell(&mut vec![completed(1)]).unwrap();
        unsaid += usize::from(!watch.line.is_free());
    }
    assert_eq!(unsaid, 257);
}

#[test]
fn what_came_before_a_shift_is_passed_over_and_a_clock_that_is_set_back_afterwards_is_not() {
    let shift = Shift { after: noon(0), until: None };
    let (before, later) = (noon(-3600), TimeOfDay::of_packet(1_000_000, 1));
    for (shift, covers) in [
        (shift, false),
        (shift.after_look(Arrived::FullBatch), false),
        (shift.after_look(Arrived::Some(1)), true),
        (shift.after_look(Arrived::Nothing), true),
    ] {
        assert_eq!((shift.covers(before), shift.covers(later)), (covers, true), "{shift:?}");
    }
    let ended = Shift { until: Some(noon(0)), ..shift }.after_look(Arrived::Nothing);
    assert!(ended.covers(noon(0)) && !ended.covers(later), "another process judges those");
}

#[test]
fn every_attempt_that_the_guard_ends_is_counted_and_told_when_asked() {
    let (mut watch, mut ours) = heard_watch();
    let guarded = Report::Guarded { slot: SlotId(1), source: "192.0.2.2".parse().unwrap(), stage: 1 };
    // More than the log is told of.
    for _ in 0..100 {
        watch.tell(&mut vec![guarded; 10]).unwrap();
    }
    said(&mut ours);
    let count: [u8; crate::wire::ORDER_SIZE] =
        crate::wire::encode(&crate::wire::OrderMessage::Count(5)).unwrap();
    ours.write_all(&count).unwrap();
    watch.obey().unwrap();
    let counters = Counters { packets: 0, dropped: 0, guarded: 1000 };
    assert_eq!(said(&mut ours), [Sight::Counted(5, counters)]);
}
