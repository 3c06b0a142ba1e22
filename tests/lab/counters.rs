//! A daemon that is killed, or fails, at any instant of using up a sequence that follows from a key.

use seqgen::counter;

use crate::calls::{Call, for_each, parse};
use crate::daemon::{Daemon, Launch};
use crate::doors::door_with;
use crate::hits::{Hit, send};
use crate::keyrings::{Keyring, init_counter};
use crate::net::{CLIENT, Lab, SERVER};
use crate::tracer::Tracer;
use crate::wait::{PATIENCE, wait_until};

/// What has to do with the key and its counter.
const FILES: [&str; 12] = [
    "openat",
    "fstat",
    "newfstatat",
    "statx",
    "read",
    "pread64",
    "pwrite64",
    "fdatasync",
    "flock",
    "lseek",
    "fcntl",
    "readlink",
];

/// A door whose command writes down that it ran, and all files of its daemons, which go by one name.
struct Counted<'a> {
    lab: &'a Lab,
    name: String,
    key: Keyring,
    doors: String,
}

impl<'a> Counted<'a> {
    fn new(lab: &'a Lab, name: &str) -> Self {
        let key = Keyring::new(lab, name);
        let command = format!("echo >>{}", lab.path(&format!("{name}.ran")).display());
        let doors = door_with("once", &key.trigger(), "syn", &command);
        let counted = Self { lab, name: name.to_owned(), key, doors };
        let output = init_counter(lab, &counted.launch(), "once=0");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        counted
    }

    fn launch(&self) -> Launch<'_> {
        Launch { name: &self.name, ..Launch::new(&self.doors) }
    }

    fn start(&self) -> Daemon {
        self.launch().start(self.lab)
    }

    /// Makes all hits of the first sequence but the last, and waits until they were seen; the last one.
    fn begin(&self, daemon: &Daemon) -> Hit {
        let knock = self.key.counted(0, Some(CLIENT));
        let (last, first) = knock.split_last().expect("hits");
        send(&self.lab.client, CLIENT, SERVER, first);
        daemon.says(": once: Stage 4");
        *last
    }

    fn complete(&self, last: Hit) {
        send(&self.lab.client, CLIENT, SERVER, &[last]);
    }

    /// How often the command has run.
    fn ran(&self) -> usize {
        self.lab.read(&format!("{}.ran", self.name)).lines().count()
    }

    fn counter(&self) -> u64 {
        let directory = self.lab.path(&format!("{}.state/counters", self.name));
        counter::read(&directory.join(self.key.counter_name())).expect("a counter that is whole")
    }

    /// Checks that the first sequence, if it was used up, opens nothing, and opened once at most; and that the next one does.
    #[track_caller]
    fn goes_on(&self, daemon: &Daemon, what: &str) {
        let (used, ran) = (self.counter() > 0, self.ran());
        assert!(used || ran == 0, "{what}: a command ran for a sequence that was not used up");
        let before = daemon.openings(self.lab, "once");
        self.key.knock(&self.lab.client, CLIENT, 0);
        let opened = daemon.openings(self.lab, "once") - before;
        assert!(opened == 0 || !used, "{what}: a sequence that was used up opened");
        self.key.knock(&self.lab.client, CLIENT, 0);
        self.key.knock(&self.lab.client, CLIENT, 1);
        assert_eq!(daemon.openings(self.lab, "once"), before + opened + 1, "{what}: the next one");
        let all = ran + opened + 1;
        assert!(wait_until(PATIENCE, || self.ran() >= all), "{what}: a command did not run");
        // One that was started just before the end may have been slow.
        assert!(self.ran() <= usize::from(used) + opened + 1, "{what}: a sequence opened twice");
        assert_eq!(self.counter(), 2, "{what}");
    }
}

/// What the main thread calls from the last hit until it has the command started.
fn from_hit_to_command(lab: &Lab) -> Vec<Call> {
    let counted = Counted::new(lab, "calls");
    let daemon = counted.start();
    let last = counted.begin(&daemon);
    let tracer = Tracer::attach_to_main(lab, &daemon, &["-y"]);
    counted.complete(last);
    assert!(wait_until(PATIENCE, || counted.ran() == 1), "the command did not run");
    daemon.settle(lab);
    drop(tracer);
    let mut calls = parse(&lab.read("trace"));
    let started = calls.iter().position(|call| call.name == "clone3").expect("the command's thread");
    calls.truncate(started + 1);
    let writes = calls.iter().filter(|call| call.name == "pwrite64").count();
    assert_eq!(writes, 2, "{calls:#?}");
    calls
}

/// Kills the daemon as it makes this call, starts it again, and checks all that must hold then.
fn kill_at(lab: &Lab, number: usize, call: &Call) {
    let Call { name, occurrence, .. } = call;
    let counted = Counted::new(lab, &format!("{number}-{name}-{occurrence}"));
    let mut daemon = counted.start();
    let last = counted.begin(&daemon);
    let inject = format!("inject={name}:signal=SIGKILL:when={occurrence}");
    let tracer = Tracer::attach_to_main(lab, &daemon, &["-e", &format!("trace={name}"), "-e", &inject]);
    counted.complete(last);
    // Some calls are made once more or less, as the log and the hints of what was changed come.
    let over = || !daemon.runs() || counted.ran() > 0;
    assert!(wait_until(PATIENCE, over), "{call:?}: neither killed nor done");
    if ["pwrite64", "fdatasync"].contains(&name.as_str()) {
        daemon.is_killed();
        assert_eq!(counted.ran(), 0, "{call:?}: the command ran before all was durable");
    }
    drop(tracer);
    drop(daemon);
    let daemon = counted.start();
    counted.goes_on(&daemon, &format!("{call:?}"));
}

#[test]
fn a_daemon_killed_at_any_system_call_of_a_use_takes_no_counter_back() {
    let test = "a_daemon_killed_at_any_system_call_of_a_use_takes_no_counter_back";
    let Some(lab) = Lab::new(test) else { return };
    let calls = from_hit_to_command(&lab);
    for_each(test, &calls, kill_at);
}

/// Lets this call fail, and checks that the door either opened in the ordinary way or is shut to the sequence for good.
fn fail_at(lab: &Lab, number: usize, call: &Call) {
    let Call { name, occurrence, .. } = call;
    let counted = Counted::new(lab, &format!("{number}-{name}-{occurrence}"));
    let daemon = counted.start();
    let last = counted.begin(&daemon);
    let inject = format!("inject={name}:error=EIO:when={occurrence}");
    let tracer = Tracer::attach_to_main(lab, &daemon, &["-e", &format!("trace={name}"), "-e", &inject]);
    counted.complete(last);
    // What looks as if another file had just come into the place is tried once more, and finds itself counted already if
    // that was the last look of all.
    let words = [
        "once: OPEN SESAME",
        "right sequence, but not opened: ",
        "a sequence that was used already; nothing is opened",
    ];
    let judged = || words.iter().any(|words| daemon.count(words) > 0);
    assert!(wait_until(PATIENCE, judged), "{call:?}: neither opened nor refused");
    drop(tracer);
    let opened = daemon.openings(lab, "once");
    assert!(
        opened == 1 || daemon.count(words[1]) == 1 || counted.counter() == 1,
        "{call:?}: {}",
        daemon.log()
    );
    assert!(wait_until(PATIENCE, || counted.ran() == opened), "{call:?}: opened {opened} times");
    counted.key.knock(&lab.client, CLIENT, 0);
    assert_eq!(daemon.openings(lab, "once"), opened, "{call:?}: what was shown opened");
    counted.key.knock(&lab.client, CLIENT, 1);
    assert_eq!(daemon.openings(lab, "once"), opened + 1, "{call:?}: the next one");
}

#[test]
fn a_disk_that_fails_at_any_call_of_a_use_opens_nothing_that_was_not_counted() {
    let test = "a_disk_that_fails_at_any_call_of_a_use_opens_nothing_that_was_not_counted";
    let Some(lab) = Lab::new(test) else { return };
    let mut calls = from_hit_to_command(&lab);
    calls.retain(|call| FILES.contains(&call.name.as_str()));
    for_each(test, &calls, fail_at);
}
