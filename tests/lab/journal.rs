//! A one-time door whose commands write down what they do, and what must hold for that whatever happens.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::daemon::{Daemon, Launch};
use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, SERVER, read_if_there};
use crate::wait::{PATIENCE, wait_until};

/// One line of the journal.
struct Entry {
    starts: bool,
    lease: String,
    source: String,
    /// How many lines of the pad were struck when a start command ran.
    struck: usize,
}

/// The door `once`, its pad of two hits a line, and all files of its daemons, which go by one name.
pub(crate) struct Journal<'a> {
    lab: &'a Lab,
    name: String,
    doors: String,
    pad: PathBuf,
    lines: usize,
}

impl<'a> Journal<'a> {
    /// A new pad of so many lines; whoever opens is shut out again after `cmd_timeout` seconds.
    pub(crate) fn new(lab: &'a Lab, name: &str, lines: usize, cmd_timeout: u32) -> Self {
        // In a directory of its own: the daemon looks at its pads when something happens beside them.
        let directory = lab.path(&format!("{name}.pads"));
        fs::create_dir(&directory).expect("a new directory");
        let pad = directory.join("pad");
        let text: String = (0..lines).fold(String::new(), |mut text, line| {
            let [first, last] = ports(line);
            writeln!(text, " {first},{last}").expect("writing to a string");
            text
        });
        fs::write(&pad, text).expect("a pad");
        let journal = lab.path(&format!("{name}.journal"));
        let (pad_path, journal) = (pad.display(), journal.display());
        let doors = format!(
            "
[once]
    one_time_sequences = {pad_path}
    one_time_resync    = 0
    tcpflags           = syn
    start_command      = echo start $KNOCK_LEASE $KNOCK_IP $(grep -c '^[^ ]' {pad_path}) >>{journal}
    cmd_timeout        = {cmd_timeout}
    stop_command       = echo stop $KNOCK_LEASE $KNOCK_IP >>{journal}
"
        );
        Self { lab, name: name.to_owned(), doors, pad, lines }
    }

    /// Starts the daemon, again on what the one before has left.
    pub(crate) fn start(&self) -> Daemon {
        let options = "    scan_guard = off\n";
        Launch { name: &self.name, options, ..Launch::new(&self.doors) }.start(self.lab)
    }

    /// Hits the first port of a line, and waits until that was seen.
    pub(crate) fn begin(&self, daemon: &Daemon, line: usize) {
        let already = daemon.count(": once: Stage 1");
        send(&self.lab.client, CLIENT, SERVER, &[Hit::Tcp(ports(line)[0])]);
        daemon.says_times(already + 1, ": once: Stage 1");
    }

    /// Hits the last port of a line.
    pub(crate) fn complete(&self, line: usize) {
        send(&self.lab.client, CLIENT, SERVER, &[Hit::Tcp(ports(line)[1])]);
    }

    /// Knocks with a line from this address.
    pub(crate) fn knock(&self, source: &str, line: usize) {
        send(&self.lab.client, source, SERVER, &ports(line).map(Hit::Tcp));
    }

    /// Waits until no lease is recorded any more.
    #[track_caller]
    pub(crate) fn awaits_closed(&self) {
        assert!(wait_until(PATIENCE, || self.is_closed()), "a door was not closed; {}", self.text());
    }

    /// Whether no lease is recorded.
    pub(crate) fn is_closed(&self) -> bool {
        let leases = fs::read(self.state("leases")).expect("the record of leases");
        !leases.windows(14).any(|bytes| bytes == b"knockd lease 1")
    }

    /// The used lines as they are recorded.
    pub(crate) fn spent(&self) -> Vec<u8> {
        fs::read(self.state("spent")).expect("the record of used lines")
    }

    pub(crate) fn state(&self, file: &str) -> PathBuf {
        self.lab.path(&format!("{}.state", self.name)).join(file)
    }

    /// How many lines of the pad are struck.
    pub(crate) fn struck(&self) -> usize {
        let pad = read_if_there(&self.pad);
        assert_eq!(pad.lines().count(), self.lines, "{pad}");
        pad.lines().filter(|line| line.starts_with('#')).count()
    }

    pub(crate) fn text(&self) -> String {
        read_if_there(&self.lab.path(&format!("{}.journal", self.name)))
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |line: &str| {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap_or_default().to_owned();
            let (what, lease, source, struck) = (word(), word(), word(), word());
            assert!(what == "start" || what == "stop", "a torn line `{line}`");
            Entry { starts: what == "start", lease, source, struck: struck.parse().unwrap_or_default() }
        };
        self.text().lines().map(entry).collect()
    }

    /// How often the door was opened for this address.
    pub(crate) fn starts(&self, source: &str) -> usize {
        self.entries().iter().filter(|entry| entry.starts && entry.source == source).count()
    }

    /// Checks that every start was followed by its stop and none came after it, that each had a lease of its own, and
    /// that before each one more line had been struck than before the last.
    #[track_caller]
    pub(crate) fn is_in_order(&self) {
        let mut closed: HashMap<String, bool> = HashMap::new();
        let mut struck = 0;
        for entry in self.entries() {
            let before = closed.insert(entry.lease, !entry.starts);
            if entry.starts {
                assert_eq!(before, None, "a start that is not its lease's first command:\n{}", self.text());
                assert!(entry.struck > struck, "a start without a strike:\n{}", self.text());
                struck = entry.struck;
            }
        }
        assert!(closed.values().all(|closed| *closed), "a start without its stop:\n{}", self.text());
    }
}

/// The ports of a line; no two lines share one.
fn ports(line: usize) -> [u16; 2] {
    let first = 10_000 + 2 * u16::try_from(line).expect("a short pad");
    [first + 1, first]
}
