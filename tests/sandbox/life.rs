//! What a confined process can still do, and how it ends.

use std::process::Command;

use libtest_mimic::Trial;

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
        as_root("it_ends_with_who_started_it", || {
            // The first process has ended when its output has been read to the end, and so has the second one, whose
            // standard input does not end before.
            let mut parent = Command::new(std::env::current_exe().unwrap());
            parent.args([ROLE, "start-another"]).stdin(std::process::Stdio::piped());
            let mut parent = parent
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let input = parent.stdin.take();
            let (mut said, mut errors) = (String::new(), String::new());
            std::io::Read::read_to_string(&mut parent.stdout.take().unwrap(), &mut said).unwrap();
            std::io::Read::read_to_string(&mut parent.stderr.take().unwrap(), &mut errors).unwrap();
            assert!(said.starts_with("another: "), "{said}{errors}");
            drop(input);
            assert!(parent.wait().unwrap().success());
        }),
    ]
}
