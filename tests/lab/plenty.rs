//! Very many pads, and a very long one.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::both::Both;
use crate::daemon::{Daemon, Launch};
use crate::doors::{door, pad};
use crate::net::{CLIENT, Lab, SERVER};
use crate::once::reload;
use crate::pads::write_private;
use crate::shuffle::Chance;
use crate::wait::{PATIENCE, wait_until};

const DOORS: usize = 100;
const PEOPLE: usize = 100;
const LINES: usize = 6;

/// The most that either of these daemons may take, in KiB.
const MEMORY: u64 = 200 * 1024;

/// How long a start may take on a machine that is busy with other things.
const START: Duration = Duration::from_secs(60);

/// How much processor time a start or a reload may take, in clock ticks of mostly 10 ms.
const WORK: u64 = 1000;

/// What the whole lab prints to the terminal even when the test passes.
fn report(words: &str) {
    writeln!(io::stderr(), "{words}").expect("standard error");
}

fn door_of(door: usize) -> String {
    format!("door{door:02}")
}

fn person_of(person: usize) -> String {
    format!("person{person:02}")
}

/// What everybody's lines are: the same in each run.
struct Crowd {
    lines: Vec<String>,
}

impl Crowd {
    /// Writes a directory of pads for each of so many doors, and returns the doors' configuration.
    fn settle_in(lab: &Lab, count: usize) -> (Self, String) {
        let mut chance = Chance::new(5);
        let mut crowd = Self { lines: Vec::new() };
        let mut doors = String::new();
        for number in 0..count {
            let directory = lab.path(&door_of(number));
            fs::create_dir(&directory).expect("a new directory");
            for person in 0..PEOPLE {
                let mut text = String::new();
                for _ in 0..LINES {
                    let ports: Vec<_> = (0..6).map(|_| (1024 + chance.below(60_000)).to_string()).collect();
                    crowd.lines.push(ports.join(","));
                    writeln!(text, " {}", ports.join(",")).expect("writing to a string");
                }
                let path = directory.join(person_of(person)).with_extension("pad");
                write_private(&path, &text);
            }
            doors += &door(&door_of(number), &pad(&directory), "syn");
        }
        (crowd, doors)
    }

    /// The ports of somebody's line for a door.
    fn ports(&self, door: usize, person: usize, line: usize) -> Vec<&str> {
        self.lines[(door * PEOPLE + person) * LINES + line].split(',').collect()
    }

    /// Lets somebody knock with a line, which opens that door in that name, and nothing else.
    #[track_caller]
    fn opens(&self, lab: &Lab, daemon: &Daemon, door: usize, person: usize, line: usize) {
        let opened = |daemon: &Daemon| daemon.count(": OPEN SESAME (");
        let already = opened(daemon);
        let name = format!("{CLIENT}: {}: OPEN SESAME ({})\n", door_of(door), person_of(person));
        let so_far = daemon.count(&name);
        lab.knock(&[&["-d", "1", SERVER], &self.ports(door, person, line)[..]].concat());
        daemon.settle(lab);
        assert_eq!(daemon.count(&name), so_far + 1, "not opened: {name}");
        assert_eq!(opened(daemon), already + 1, "something else was opened, too");
    }
}

#[test]
fn a_hundred_doors_with_a_hundred_pads_each() {
    let Some(lab) = Lab::new("a_hundred_doors_with_a_hundred_pads_each") else { return };
    let (crowd, doors) = Crowd::settle_in(&lab, DOORS);
    let start = Instant::now();
    let mut daemon = Launch { patience: START, ..Launch::new(&doors) }.start(&lab);
    let started = start.elapsed();
    let started_by = Both::of(&daemon).effort().ticks;
    daemon.settle(&lab);
    let memory = Both::of(&daemon).memory();

    let mut chance = Chance::new(7);
    let somebody = |chance: &mut Chance| (chance.below(DOORS), chance.below(PEOPLE));
    let mut knockers: Vec<_> = (0..5).map(|_| somebody(&mut chance)).collect();
    knockers.push((DOORS - 1, PEOPLE - 1));
    let start = Instant::now();
    for &(door, person) in &knockers {
        crowd.opens(&lab, &daemon, door, person, 0);
    }
    let knocked = start.elapsed() / 6;
    let (start, before) = (Instant::now(), Both::of(&daemon).effort().ticks);
    let mut log = daemon.tail();
    daemon.signal(Signal::HUP);
    // The last of all pads is running out, which a reload says again.
    let words = format!("{}.pad: it is time to append more\n", person_of(PEOPLE - 1));
    let last = format!(
        "{}: 5 sequences left in {}/{words}",
        door_of(DOORS - 1),
        lab.path(&door_of(DOORS - 1)).display()
    );
    assert!(log.awaits_within(START, &last, 1).is_some(), "the reload does not end");
    let (reloaded, reloaded_by) = (start.elapsed(), Both::of(&daemon).effort().ticks - before);
    for &(door, person) in &knockers[..2] {
        crowd.opens(&lab, &daemon, door, person, 2);
    }
    // Struck are the two that were used and the one that was skipped.
    let (door, person) = knockers[0];
    let pad = lab.path(&door_of(door)).join(person_of(person)).with_extension("pad");
    let struck = fs::read_to_string(pad).expect("a pad").lines().filter(|line| line.starts_with('#')).count();
    assert_eq!(struck, 3);
    report(&format!(
        "{DOORS} doors with {PEOPLE} pads each: start {started:?} ({started_by} ticks), {memory} KiB; a knock \
         {knocked:?}; reload {reloaded:?} ({reloaded_by} ticks)"
    ));
    assert!(daemon.runs());
    assert!(memory < MEMORY, "{memory} KiB of memory");
    assert!(started_by < WORK, "the start took {started_by} ticks");
    assert!(reloaded_by < WORK, "the reload took {reloaded_by} ticks");
}

#[test]
fn pads_that_the_system_cannot_watch_are_told_of_once() {
    let Some(lab) = Lab::new("pads_that_the_system_cannot_watch_are_told_of_once") else { return };
    let (crowd, doors) = Crowd::settle_in(&lab, 10);
    // As if fs.inotify.max_user_watches were reached, which cannot be set for one daemon.
    let before = "exec strace -D -f -q -o /dev/null -e trace=inotify_add_watch -e \
                  inject=inotify_add_watch:error=ENOSPC:when=50+ \"$@\"";
    let daemon = Launch { before, patience: START, ..Launch::new(&doors) }.start(&lab);
    crowd.opens(&lab, &daemon, 9, 99, 0);
    reload(&lab, &daemon);
    crowd.opens(&lab, &daemon, 3, 4, 1);
    assert_eq!(daemon.count("fs.inotify.max_user_watches"), 1, "{}", daemon.log());
    assert!(daemon.log().lines().count() < 60);
}

/// How many lines the long pad has.
const LONG: usize = 1_000_000;

fn long_line(number: usize) -> String {
    format!("{},{},{}", 10_000 + number / 10_000, 20_000 + number / 100 % 100, 30_000 + number % 100)
}

fn long_pad(lab: &Lab) -> PathBuf {
    let mut text = String::new();
    for number in 0..LONG {
        writeln!(text, " {}", long_line(number)).expect("writing to a string");
    }
    let path = lab.path("long.pad");
    write_private(&path, &text);
    path
}

/// strace(1) on whatever a daemon does to one file, until it is dropped.
struct Tracer(Child);

impl Tracer {
    fn attach(lab: &Lab, daemon: &Daemon, file: &Path) -> Self {
        let said = File::create(lab.path("strace.err")).expect("a file for what strace says");
        let mut command = Command::new("strace");
        command.arg("-f").arg("-p").arg(daemon.pid().to_string()).arg("-o").arg(lab.path("trace"));
        command
            .arg("-P")
            .arg(file)
            .args(["-e", "trace=read,pread64,readv,preadv,write,pwrite64,writev,pwritev"]);
        let child = command.stdin(Stdio::null()).stderr(said).spawn().expect("strace: install it");
        let tracer = Self(child);
        let attached = || lab.read("strace.err").contains("attached");
        assert!(wait_until(PATIENCE, attached), "strace did not attach: {}", lab.read("strace.err"));
        tracer
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Killed, not terminated: asked to let go while a command is being started, it can wait for ever.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many bytes were read, and written, by the calls in a trace.
fn bytes(trace: &str) -> (u64, u64) {
    let sum = |call: &str| -> u64 {
        let calls = trace.lines().filter(|line| line.contains(call));
        calls.filter_map(|line| line.rsplit_once(" = ")?.1.parse::<u64>().ok()).sum()
    };
    (sum("read"), sum("write"))
}

#[test]
fn a_strike_in_a_pad_of_a_million_lines_costs_no_more_than_in_a_short_one() {
    let test = "a_strike_in_a_pad_of_a_million_lines_costs_no_more_than_in_a_short_one";
    let Some(lab) = Lab::new(test) else { return };
    let path = long_pad(&lab);
    let start = Instant::now();
    let doors = door("ssh", &pad(&path), "syn");
    let daemon = Launch { patience: START, ..Launch::new(&doors) }.start(&lab);
    let started = start.elapsed();
    let started_by = Both::of(&daemon).effort().ticks;
    daemon.settle(&lab);
    let memory = Both::of(&daemon).memory();
    let length = fs::metadata(&path).expect("the pad").len();
    let mut cost = Vec::new();
    for number in 0..3 {
        let tracer = Tracer::attach(&lab, &daemon, &path);
        let line = long_line(number);
        let ports: Vec<_> = line.split(',').collect();
        lab.knock(&[&["-d", "1", SERVER], &ports[..]].concat());
        assert_eq!(daemon.openings(&lab, "ssh"), number + 1);
        // What the hint of the strike leads to comes after it.
        Both::of(&daemon).falls_asleep();
        drop(tracer);
        cost.push(bytes(&lab.read("trace")));
    }
    report(&format!(
        "a pad of {LONG} lines ({length} bytes): start {started:?} ({started_by} ticks), {memory} KiB; bytes read and written by each \
         knock: {cost:?}"
    ));
    for (read, written) in cost {
        assert_eq!(written, 1, "bytes written to the pad");
        assert!(read > 0 && read < 256 * 1024, "{read} bytes were read from the pad");
    }
    assert!(memory < MEMORY, "{memory} KiB of memory");
    assert!(started_by < WORK, "the start took {started_by} ticks");
    assert_eq!(fs::metadata(&path).expect("the pad").len(), length);
    let mut last = vec![0; 24];
    let mut file = File::open(&path).expect("the pad");
    file.seek(SeekFrom::End(-24)).and_then(|_| file.read_exact(&mut last)).expect("the pad's end");
    assert!(last.ends_with(format!(" {}\n", long_line(LONG - 1)).as_bytes()), "{last:?}");
}
