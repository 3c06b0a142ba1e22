//! What a kernel or a start without root does not have is said, and no more.

use std::fs;
use std::os::unix::fs::MetadataExt;

use libtest_mimic::Trial;

use crate::child::STRANGER;
use crate::parent::{SIGSYS, Waiting, as_root, confined};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        as_root("a_start_without_root_keeps_its_user_and_is_confined_all_the_same", || {
            let ended = confined(&["as-stranger", "strict", "read-shadow"]);
            assert_eq!(ended.said_of("lacking"), Some("[Chroot, BoundingSet, User]"), "{}", ended.whole());
            assert_eq!(ended.signal(), Some(SIGSYS), "{}", ended.whole());
            let waiting = Waiting::start(&["as-stranger", "strict"]);
            assert_eq!(waiting.status("Uid"), [STRANGER; 4].map(|id| id.to_string()).join("\t"));
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(waiting.status(set), "0000000000000000", "{set}");
            }
            // The files of a process that cannot be dumped are root's.
            let owner = MetadataExt::uid(&fs::metadata(waiting.proc("environ")).unwrap());
            assert_eq!(owner, 0);
            assert_eq!((waiting.status("NoNewPrivs"), waiting.status("Seccomp")), ("1".into(), "2".into()));
        }),
        as_root("a_start_without_root_is_kept_from_files_by_landlock", || {
            let ended = confined(&["as-stranger", "log", "make-file", "read-shadow", "tcp"]);
            for deed in ["make-file", "read-shadow", "tcp"] {
                let said = ended.said_of(deed).unwrap();
                assert!(said.contains("PermissionDenied"), "{deed}: {}", ended.whole());
            }
        }),
        as_root("who_is_the_wanted_user_already_does_not_lack_it", || {
            let ended = confined(&["as-nobody", "strict"]);
            assert_eq!(ended.said_of("lacking"), Some("[Chroot, BoundingSet]"), "{}", ended.whole());
        }),
        as_root("what_is_missing_is_named", || {
            for (missing, name) in [
                ("without-chroot-right", "[Chroot]"),
                ("kernel-without-landlock", "[Landlock]"),
                ("kernel-without-seccomp", "[Seccomp]"),
            ] {
                let ended = confined(&[missing, "strict"]);
                assert_eq!(ended.said_of("lacking"), Some(name), "{missing}: {}", ended.whole());
            }
        }),
        as_root("what_fails_though_it_could_be_had_is_an_error", || {
            let ended = confined(&["kernel-that-keeps-users", "strict"]);
            let error = ended.said_of("error").unwrap_or_else(|| panic!("{}", ended.whole()));
            assert!(error.contains("becoming the unprivileged user failed"), "{error}");
        }),
        as_root("another_thread_is_an_error_since_it_would_keep_everything", || {
            let ended = confined(&["with-a-thread", "strict"]);
            let error = ended.said_of("error").unwrap_or_else(|| panic!("{}", ended.whole()));
            assert!(error.contains("being its only thread failed"), "{error}");
        }),
    ]
}
