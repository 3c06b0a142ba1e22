//! What a confined process can still do, and how it ends.

use std::io::Read;
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::child::ROLE;
use crate::parent::{as_root, confined};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        as_root("it_has_memory_hash_tables_and_clocks", || {
            let ended = confined(&["strict", "large-memory", "small-memory", "hash-table", "clocks"]);
            assert_eq!(ended.said_of("large-memory"), Some("209715200"), "{}", ended.whole());
            assert_eq!(ended.said_of("small-memory"), Some("50000"), "{}", ended.whole());
            assert_eq!(ended.said_of("hash-table"), Some("1000"), "{}", ended.whole());
            assert_eq!(ended.said_of("clocks"), Some("true"), "{}", ended.whole());
            assert_eq!(ended.code(), Some(0), "{}", ended.whole());
        }),
        as_root("a_panic_ends_it_as_a_panic_does_even_where_backtraces_are_asked_for", || {
            let ended = confined(&["strict", "panic"]);
            assert_eq!(ended.code(), Some(101), "{}", ended.whole());
            assert!(ended.complained().contains("on purpose"), "{}", ended.whole());
        }),
        as_root("it_exits_and_aborts", || {
            assert_eq!(confined(&["strict", "exit"]).code(), Some(7));
            let sigabrt = 6;
            assert_eq!(confined(&["strict", "abort"]).signal(), Some(sigabrt));
        }),
        as_root("it_ends_with_who_started_it", it_ends_with_who_started_it),
    ]
}

fn it_ends_with_who_started_it() {
    let mut parent = Command::new(std::env::current_exe().unwrap());
    parent.args([ROLE, "start-another"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut parent = parent.spawn().unwrap();
    // Both wait for the end of this.
    let input = parent.stdin.take();
    let mut said = String::new();
    parent.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(parent.wait().unwrap().success());
    let pid = said.trim().strip_prefix("another: ").unwrap().parse().unwrap();
    let ended = match pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) {
        Ok(process) => {
            let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
            poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)).unwrap() > 0
        }
        Err(error) => error == Errno::SRCH,
    };
    drop(input);
    assert!(ended, "it goes on");
}
