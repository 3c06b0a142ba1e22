//! A disk that fails at any call of a knock: the door stays shut, the log says why, the daemon goes on.

use crate::calls::{Call, between_hit_and_end, for_each};
use crate::journal::Journal;
use crate::net::{CLIENT, Lab, OTHER};
use crate::tracer::Tracer;
use crate::wait::{PATIENCE, wait_until};

/// What has to do with files.
const FILES: [&str; 15] = [
    "open",
    "openat",
    "fstat",
    "newfstatat",
    "read",
    "pread64",
    "pwrite64",
    "fdatasync",
    "fsync",
    "fallocate",
    "flock",
    "statx",
    "lseek",
    "fcntl",
    "write",
];

const ERRORS: [&str; 4] = ["EIO", "ENOSPC", "EROFS", "EINTR"];

/// What the kernel may well interrupt, and what is simply done again then.
const DONE_AGAIN: [&str; 5] = ["open", "openat", "read", "pwrite64", "fdatasync"];

struct Fault {
    call: Call,
    /// As strace(1) takes it.
    how: String,
    /// Whether the knock opens the door all the same.
    opens: bool,
    /// Whether every knock makes the call.  Which ones come after the start of the command depends on what ends first, and
    /// on when the hint comes that the pad was written to.
    certain: bool,
}

/// Each call on files with each error, and whether that does no harm.
fn faults(calls: &[Call]) -> Vec<Fault> {
    let syncs = calls.iter().enumerate().filter(|(_, call)| call.name == "fdatasync");
    let syncs: Vec<_> = syncs.map(|(index, _)| index).collect();
    let [_spent, _struck, recorded] = syncs[..] else { panic!("{} syncs: {calls:#?}", syncs.len()) };
    let looks = look_again(calls);
    let started = calls.iter().position(|call| call.name == "clone3").expect("the command's thread");
    assert!(started > recorded, "{calls:#?}");
    let mut faults = Vec::new();
    // The last one forgets the lease, which is a matter of its own.
    for (index, call) in calls.iter().enumerate().take(calls.len() - 1) {
        let is_log = call.name == "write" && call.text.contains(".log>");
        if !FILES.contains(&call.name.as_str()) || (call.name == "write" && !is_log) {
            continue;
        }
        // What closing needs in a program that is built for tests, and the end of a lock that closing ends anyway.
        let harmless =
            index > recorded || is_log || ["F_GETFD", "LOCK_UN"].iter().any(|word| call.text.contains(word));
        for error in ERRORS {
            let again =
                looks.contains(&index) || (error == "EINTR" && DONE_AGAIN.contains(&call.name.as_str()));
            faults.push(Fault {
                call: call.clone(),
                how: format!("error={error}"),
                opens: harmless || again,
                certain: index < started,
            });
        }
        if call.name == "pwrite64" {
            let (how, certain) = ("retval=0".to_owned(), index < started);
            faults.push(Fault { call: call.clone(), how, opens: harmless, certain });
        }
    }
    faults
}

/// The calls that look whether the locked file is still the pad: if they fail it is not, for all that is known, and is
/// opened once more.  Those behind them look whether it can be trusted: if they fail it cannot.
fn look_again(calls: &[Call]) -> Vec<usize> {
    let position = |from: usize, words: &str| {
        let found = calls.iter().skip(from).position(|call| call.text.contains(words));
        from + found.unwrap_or_else(|| panic!("no {words}: {calls:#?}"))
    };
    let locked = position(0, "LOCK_EX");
    let (found, trusted) = (position(locked, "openat("), position(locked, "fstat("));
    (locked..trusted).filter(|&index| index >= found || calls[index].text.contains("AT_FDCWD")).collect()
}

/// Lets a knock meet the fault, and checks all that must hold then.
fn meets(lab: &Lab, number: usize, fault: &Fault) {
    let Fault { call: Call { name, occurrence, text }, how, opens, certain } = fault;
    let which = format!("{name} {occurrence} with {how}, which is {text}");
    let journal = Journal::new(lab, &format!("{number}-{name}-{occurrence}"), 4, 0);
    let mut daemon = journal.start();
    journal.begin(&daemon, 0);
    let inject = format!("inject={name}:{how}:when={occurrence}");
    let tracer = Tracer::attach_to_main(lab, &daemon, &["-e", &format!("trace={name}"), "-e", &inject]);
    journal.complete(0);
    let shut = format!("{CLIENT}: once: right sequence, but not opened: ");
    let is_known = || journal.starts(CLIENT) > 0 || daemon.count(&shut) > 0;
    assert!(
        wait_until(PATIENCE, is_known),
        "{which}: the log does not say why it stays shut: {}",
        daemon.log()
    );
    daemon.settle(lab);
    journal.awaits_closed();
    drop(tracer);
    let trace = lab.read("trace");
    let happened = trace.matches("(INJECTED)").count();
    assert!(happened == 1 || (happened == 0 && !certain), "{which} happened {happened} times:\n{trace}");
    assert!(daemon.runs(), "{which}: the daemon has ended");
    assert_eq!(journal.starts(CLIENT), usize::from(*opens), "{which}: {}\n{}", journal.text(), daemon.log());
    assert_eq!(daemon.count(&shut), usize::from(!opens), "{which}: {}", daemon.log());

    journal.knock(CLIENT, 0);
    daemon.settle(lab);
    journal.awaits_closed();
    assert_eq!(journal.starts(CLIENT), usize::from(*opens), "{which}: a line that was shown is live");
    journal.knock(OTHER, 1);
    daemon.settle(lab);
    journal.awaits_closed();
    assert_eq!(journal.starts(OTHER), 1, "{which}: the next line does not open:\n{}", daemon.log());
    journal.is_in_order();
}

#[test]
fn a_disk_that_fails_at_any_call_opens_nothing_and_the_daemon_goes_on() {
    let test = "a_disk_that_fails_at_any_call_opens_nothing_and_the_daemon_goes_on";
    let Some(lab) = Lab::new(test) else { return };
    let faults = faults(&between_hit_and_end(&lab));
    for_each(test, &faults, meets);
}

#[test]
fn a_closed_door_that_cannot_be_forgotten_is_closed_once_more_by_the_next_start() {
    let test = "a_closed_door_that_cannot_be_forgotten_is_closed_once_more_by_the_next_start";
    let Some(lab) = Lab::new(test) else { return };
    let calls = between_hit_and_end(&lab);
    let last = calls.last().expect("a call").occurrence;
    let journal = Journal::new(&lab, "forget", 4, 0);
    let mut daemon = journal.start();
    journal.begin(&daemon, 0);
    let inject = format!("inject=pwrite64:error=EIO:when={last}");
    let tracer = Tracer::attach_to_main(&lab, &daemon, &["-e", "trace=pwrite64", "-e", &inject]);
    journal.complete(0);
    daemon.says("a closed door cannot be taken out of the state directory: Input/output error (os error 5)");
    drop(tracer);
    assert!(daemon.runs());
    assert!(!journal.is_closed());
    assert_eq!(journal.text().matches("stop").count(), 1);
    drop(daemon);
    let daemon = journal.start();
    journal.awaits_closed();
    assert_eq!(journal.text().matches("stop").count(), 2);
    journal.knock(OTHER, 1);
    daemon.settle(&lab);
    journal.awaits_closed();
    assert_eq!(journal.starts(OTHER), 1);
    journal.is_in_order();
}
