//! What the daemon keeps of root's power, and the commands that it runs.

use libtest_mimic::Trial;

use crate::child::KEPT;
use crate::parent::{Ended, as_root, confined};

/// Of starting a capture process: to signal, to become another user, to empty the bounding set, raw sockets, chroot.
const STARTING: [u8; 6] = [5, 6, 7, 8, 13, 18];

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        as_root("a_command_has_what_is_kept_and_no_more", || {
            let ended = confined(&["keep", "run"]);
            for set in ["Eff", "Prm", "Bnd"] {
                has(&ended, "command", set, &KEPT);
            }
            has(&ended, "command", "Inh", &[]);
            has(&ended, "command", "Amb", &[]);
        }),
        as_root("a_command_has_it_without_root_as_well", || {
            let ended = confined(&["as-stranger-with-capabilities", "run"]);
            has(&ended, "command", "Eff", &[]);
            let ended = confined(&["as-stranger-with-capabilities", "keep", "run"]);
            for set in ["Eff", "Prm", "Bnd", "Amb"] {
                has(&ended, "command", set, &KEPT);
            }
        }),
        as_root("what_is_kept_but_was_not_there_is_not_gained", || {
            let ended = confined(&["as-stranger", "keep", "run"]);
            for set in ["Eff", "Prm", "Amb", "Inh"] {
                has(&ended, "command", set, &[]);
            }
        }),
        as_root("threads_have_what_the_one_has_that_starts_them", || {
            has(&confined(&["keep", "run-in-a-thread"]), "thread", "Eff", &KEPT);
            let ended = confined(&["keep-in-another-thread", "run"]);
            assert!(value(&ended, "command", "Eff") > bits(&KEPT), "{}", ended.whole());
        }),
        as_root("who_starts_capture_processes_keeps_what_that_takes", || {
            let ended = confined(&["keep-for-captures", "run", "start-confined"]);
            let all = [&KEPT[..], &STARTING].concat();
            for set in ["Eff", "Prm", "Bnd"] {
                has(&ended, "command", set, &all);
            }
            // Of the process that it started.
            assert_eq!(ended.said_of("lacking"), Some("[]"), "{}", ended.whole());
            assert_eq!(ended.said_of("ended"), Some("Some(0)"), "{}", ended.whole());
        }),
        as_root("a_capture_process_without_what_it_takes_says_so", || {
            let ended = confined(&["keep", "start-confined"]);
            let lacking = ended.said_of("lacking").unwrap_or_default();
            assert_eq!(lacking, "[Chroot, BoundingSet, User]", "{}", ended.whole());
        }),
    ]
}

fn bits(numbers: &[u8]) -> u64 {
    numbers.iter().fold(0, |bits, number| bits | 1 << number)
}

fn value(ended: &Ended, whose: &str, set: &str) -> u64 {
    let said = ended.said_of(&format!("{whose}-{set}"));
    said.unwrap_or_else(|| panic!("{}", ended.whole())).parse().unwrap()
}

#[track_caller]
fn has(ended: &Ended, whose: &str, set: &str, numbers: &[u8]) {
    let (found, expected) = (value(ended, whose, set), bits(numbers));
    assert_eq!(found, expected, "{set}: {found:#x} in place of {expected:#x}\n{}", ended.whole());
}
