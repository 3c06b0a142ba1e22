//! What a confined process is and has, as the kernel tells it.

use std::fs::{self, File};

use libtest_mimic::Trial;

use crate::parent::{Waiting, as_root};
use knockd::sandbox::Identity;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        as_root("it_is_an_unprivileged_user_in_no_other_group", || {
            for strength in ["strict", "log", "off"] {
                it_is_an_unprivileged_user_in_no_other_group(strength);
            }
        }),
        as_root("it_has_no_capability_and_gets_none", || {
            for strength in ["strict", "log", "off"] {
                it_has_no_capability_and_gets_none(strength);
            }
        }),
        as_root("its_calls_are_filtered_unless_the_sandbox_is_off", || {
            for (strength, mode) in [("strict", "2"), ("log", "2"), ("off", "0")] {
                assert_eq!(Waiting::start(&[strength]).status("Seccomp"), mode, "{strength}");
            }
        }),
        as_root("its_root_directory_is_empty_and_deleted", || {
            its_root_directory_is_empty_and_deleted("strict");
            its_root_directory_is_empty_and_deleted("log");
        }),
        as_root("it_makes_no_core_no_process_and_no_file", limits),
    ]
}

fn it_is_an_unprivileged_user_in_no_other_group(strength: &str) {
    let waiting = Waiting::start(&["in-groups", strength]);
    let Identity { uid, gid } = Identity::find(Some("nobody")).unwrap();
    assert_eq!(waiting.status("Uid"), [uid; 4].map(|id| id.to_string()).join("\t"));
    assert_eq!(waiting.status("Gid"), [gid; 4].map(|id| id.to_string()).join("\t"));
    assert_eq!(waiting.status("Groups"), "");
}

fn it_has_no_capability_and_gets_none(strength: &str) {
    let waiting = Waiting::start(&["clinging", strength]);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(waiting.status(set), "0000000000000000", "{set}");
    }
    assert_eq!(waiting.status("NoNewPrivs"), "1");
}

fn its_root_directory_is_empty_and_deleted(strength: &str) {
    let waiting = Waiting::start(&[strength]);
    let root = fs::read_link(waiting.proc("root")).unwrap();
    assert!(root.to_str().unwrap().ends_with(" (deleted)"), "{}", root.display());
    assert_eq!(fs::read_link(waiting.proc("cwd")).unwrap(), root);
    assert_eq!(fs::read_dir(waiting.proc("root")).unwrap().count(), 0);
    assert!(File::create(waiting.proc("root/file")).is_err(), "a file could be made in it");
    let name = root.to_str().unwrap().trim_end_matches(" (deleted)");
    assert!(!fs::exists(name).unwrap(), "{name} is left behind");
}

fn limits() {
    let waiting = Waiting::start(&["strict"]);
    let limits = fs::read_to_string(waiting.proc("limits")).unwrap();
    for name in ["Max core file size", "Max processes", "Max file size"] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let values: Vec<_> = line.split_whitespace().take(2).collect();
        assert_eq!(values, ["0", "0"], "{name}");
    }
}
