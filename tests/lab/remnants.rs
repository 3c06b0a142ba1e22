//! What the daemon's processes have in their memory.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use seqgen::derive::Mode;

use crate::daemon::Daemon;
use crate::doors::door;
use crate::keyrings::{Keyring, begins};
use crate::net::{CLIENT, Lab};
use crate::once::reload;
use crate::procfs::Process;

/// How often a process has these bytes in memory that it can write to.
fn copies(process: &Process, bytes: &[u8]) -> usize {
    let memory = File::open(format!("/proc/{}/mem", process.id())).expect("root may look");
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.id())).expect("its map");
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let address = |text: &str| u64::from_str_radix(text, 16).expect("an address");
        let length = usize::try_from(address(to) - address(from)).expect("a length");
        let mut part = vec![0; length];
        // Some cannot be read, such as what belongs to the kernel.
        if memory.read_exact_at(&mut part, address(from)).is_ok() {
            found += count(&part, bytes);
        }
    }
    found
}

fn count(memory: &[u8], bytes: &[u8]) -> usize {
    memory.windows(bytes.len()).filter(|window| window[0] == bytes[0] && *window == bytes).count()
}

#[test]
fn the_process_that_reads_packets_has_no_key_and_forgets_what_is_used_up() {
    let test = "the_process_that_reads_packets_has_no_key_and_forgets_what_is_used_up";
    let Some(lab) = Lab::new(test) else { return };
    let key = Keyring::new(&lab, "ssh").labelled("gate");
    let doors =
        door("ssh", &format!("{}\n    one_time_window = 2\n    one_time_resync = 0", key.trigger()), "syn");
    begins(&lab, &doors, "ssh=0");
    let daemon = Daemon::start(&lab, &doors);
    daemon.arms(&lab);
    let (whole, label) = key.secrets();
    let armed = |counter| key.counter_secret(Mode::Counter, counter);
    let capture = daemon.capture();
    assert_eq!((copies(&capture, &whole), copies(&capture, &label)), (0, 0), "it holds a key");
    assert!(copies(&capture, &armed(1)) > 0, "it should hold what is armed, or this test sees nothing");
    assert_eq!(copies(&capture, &armed(2)), 0, "it holds what is not armed");
    let executor = daemon.process();
    assert!(copies(&executor, &label) > 0, "the executor should hold the label's key");
    assert_eq!(copies(&executor, &whole), 0, "the executor goes on holding the whole key");

    key.knock(&lab.client, CLIENT, 0);
    assert_eq!(daemon.openings(&lab, "ssh"), 1);
    daemon.arms(&lab);
    assert!(copies(&capture, &armed(2)) > 0, "the window should have moved");
    assert_eq!(copies(&capture, &armed(0)), 0, "it holds on to what was used up");

    daemon.rewrite("");
    reload(&lab, &daemon);
    assert_eq!(copies(&executor, &label), 0, "the executor holds on to the key of a door that is gone");
    assert_eq!(copies(&capture, &armed(1)), 0, "it holds on to what belongs to a door that is gone");
}
