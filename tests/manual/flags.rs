//! Compares the flags that a program knows with those that its manual page explains.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The flags in a program's own help: `-x` and `--long`.
pub(crate) fn known(program: &Path) -> BTreeSet<String> {
    let output = Command::new(program).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let words = help.lines().filter(|line| line.trim_start().starts_with('-')).flat_map(|line| {
        // A flag, perhaps another one, and then what follows or what it is about.
        line.split_whitespace().take(2).map(|word| word.trim_end_matches(','))
    });
    words.filter(|word| word.starts_with('-') && word.len() > 1).map(str::to_owned).collect()
}

/// The flags that a page in mdoc(7) has an entry for.
fn explained(page: &Path) -> BTreeSet<String> {
    let page = std::fs::read_to_string(page).unwrap();
    let entries = page.lines().filter_map(|line| line.strip_prefix(".It Fl "));
    let flags = entries.flat_map(|entry| entry.split(" , Fl ")).map(|flag| flag.split(' ').next().unwrap());
    flags.map(|flag| format!("-{flag}")).collect()
}

/// Checks that each flag of the program is in its page, and that the page has no other.
#[track_caller]
pub(crate) fn agree(program: &Path, page: &Path) {
    let known = known(program);
    assert!(known.len() > 5, "{known:?}");
    assert_eq!(known, explained(page), "{} and {}", program.display(), page.display());
}
