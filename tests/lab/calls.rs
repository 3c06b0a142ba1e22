//! The system calls of a daemon's main thread through one knock, to do something at each of them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;

use crate::journal::Journal;
use crate::net::Lab;
use crate::tracer::Tracer;
use crate::wait::{PATIENCE, wait_until};

/// How many labs share the work of a test.
const LABS: usize = 3;

/// One system call of the main thread.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Which of its name it is, counted from one.
    pub(crate) occurrence: usize,
    /// As strace(1) prints it, with the paths of descriptors.
    pub(crate) text: String,
}

/// What the main thread calls from before the last hit until the door is closed and its lease forgotten.
pub(crate) fn between_hit_and_end(lab: &Lab) -> Vec<Call> {
    let journal = Journal::new(lab, "calls", 4, 0);
    let daemon = journal.start();
    journal.begin(&daemon, 0);
    let tracer = Tracer::attach_to_main(lab, &daemon, &["-y"]);
    journal.complete(0);
    assert!(wait_until(PATIENCE, || journal.text().contains("stop")), "the door was not closed");
    journal.awaits_closed();
    // Whatever follows the forgetting is done when this has been seen to.
    daemon.settle(lab);
    drop(tracer);
    let mut calls = parse(&lab.read("trace"));
    let forgotten = calls.iter().rposition(|call| call.name == "pwrite64").expect("a call that writes");
    calls.truncate(forgotten + 1);
    calls
}

/// The calls of a trace, in their order.
pub(crate) fn parse(trace: &str) -> Vec<Call> {
    let mut seen = HashMap::new();
    let mut calls = Vec::new();
    for text in trace.lines() {
        let Some((name, _)) = text.split_once('(') else { continue };
        // Whatever waits as strace(1) attaches waits on by that, which happens at no other time.
        if name == "restart_syscall" {
            continue;
        }
        let count = seen.entry(name).or_insert(0);
        *count += 1;
        calls.push(Call { name: name.to_owned(), occurrence: *count, text: text.to_owned() });
    }
    calls
}

/// Does this for each of the things, in labs of their own, and returns what came of it in the same order.
pub(crate) fn for_each<T: Sync, R: Send>(
    test: &str,
    things: &[T],
    deed: impl Fn(&Lab, usize, &T) -> R + Sync,
) -> Vec<R> {
    let next = Mutex::new(things.iter().enumerate());
    let work = || {
        let lab = Lab::new(test).expect("a lab, as before");
        let mut results = Vec::new();
        loop {
            let Some((number, thing)) = next.lock().expect("no worker has failed").next() else {
                return results;
            };
            results.push((number, deed(&lab, number, thing)));
        }
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..LABS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no round should fail")).collect()
    });
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
