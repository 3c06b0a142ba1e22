//! What a confined process can do no more.

use libtest_mimic::Trial;

use crate::parent::{SIGSYS, as_root, confined, traced};

/// What to try, the call that strict kills for, and how it is refused by other means where the sandbox only logs.
const DEEDS: &[(&str, &str, &str)] = &[
    ("read-shadow", "openat", "PermissionDenied"),
    ("make-file", "openat", "PermissionDenied"),
    ("execute", "execve", "PermissionDenied"),
    ("fork", "clone", "WouldBlock"),
    ("tcp", "socket", "PermissionDenied"),
    ("packet-socket", "socket", "Os { code: 1"),
    ("trace", "ptrace", "EPERM"),
    ("signal", "kill", "Os { code: 1"),
    ("become-root", "setuid", "Os { code: 1"),
    ("leave-root-directory", "chroot", "Os { code: 1"),
];

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        as_root("whatever_the_loop_does_not_do_is_deadly", || {
            for (deed, call, _) in DEEDS.iter().chain(&[("udp", "socket", "")]) {
                let (ended, last) = traced(&["strict", deed]);
                assert_eq!(ended.signal(), Some(SIGSYS), "{deed}: {}", ended.whole());
                assert_eq!(ended.said_of("lacking"), Some("[]"), "{deed}");
                assert!(last.starts_with(call), "{deed} ended at {last}");
            }
        }),
        as_root("it_is_refused_where_the_sandbox_only_logs", || {
            for (deed, _, refusal) in DEEDS {
                let ended = confined(&["log", deed]);
                assert_eq!(ended.said_of("lacking"), Some("[]"), "{deed}");
                let said = ended.said_of(deed).unwrap_or_default();
                assert!(said.starts_with("Err(") || *deed == "execute", "{deed}: {}", ended.whole());
                assert!(said.contains(refusal), "{deed}: {}", ended.whole());
            }
        }),
        as_root("without_a_sandbox_it_is_still_an_unprivileged_user", || {
            let ended = confined(&["off", "read-shadow", "become-root", "packet-socket"]);
            assert_eq!(ended.said_of("lacking"), Some("[]"));
            assert!(ended.said_of("read-shadow").unwrap().contains("PermissionDenied"), "{}", ended.whole());
            for deed in ["become-root", "packet-socket"] {
                assert!(ended.said_of(deed).unwrap().starts_with("Err("), "{deed}: {}", ended.whole());
            }
        }),
        as_root("a_capture_handle_sends_no_frames", || {
            let ended = confined(&["open-loopback", "inject", "strict", "inject"]);
            assert_eq!(ended.said_of("inject"), Some("Some(Ok(()))"), "{}", ended.whole());
            assert_eq!(ended.signal(), Some(SIGSYS), "{}", ended.whole());
        }),
    ]
}
