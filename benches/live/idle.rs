//! How often programs wake up while nothing happens.

use std::thread;
use std::time::Duration;

use crate::meter::Meter;
use crate::net::Lab;
use crate::subject::{Door, Running, Subject};

pub(crate) const SPAN: Duration = Duration::from_secs(10);

/// The wake-ups of each process of each program, all of them idle at the same time.
pub(crate) fn measure(lab: &Lab, subjects: &[Subject]) -> Vec<Vec<u64>> {
    let running: Vec<_> = subjects.iter().map(|subject| subject.start(lab, &Door::Static, None)).collect();
    let meters: Vec<_> = running.iter().map(Running::meter).collect();
    for meter in &meters {
        assert!(meter.rests_within(SPAN), "it does not come to rest");
    }
    let counts = || meters.iter().map(Meter::wake_ups);
    let before: Vec<_> = counts().collect();
    // The one thing to be seen is what happens while time passes.
    thread::sleep(SPAN);
    let difference = |(after, before): (Vec<u64>, &Vec<u64>)| {
        after.iter().zip(before).map(|(after, before)| after - before).collect()
    };
    counts().zip(&before).map(difference).collect()
}
