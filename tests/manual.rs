//! The manual pages say what the programs do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "manual/flags.rs"]
mod flags;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_manual_has_every_flag_of_knockd_and_of_knock_and_no_other() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    flags::agree(Path::new(env!("CARGO_BIN_EXE_knockd")), &pages.join("knockd.8"));
    flags::agree(Path::new(env!("CARGO_BIN_EXE_knock")), &pages.join("knock.1"));
}

/// The pages in this directory that end so.
fn pages(directory: &str, ending: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_str().unwrap().ends_with(ending)).collect()
}

/// The flags of a command line, up to what ends it for the shell, or for the program.
fn flags_of(line: &str) -> Vec<String> {
    let words = line.split_whitespace().take_while(|word| !["--", "#", "|", "&&", "||", ";"].contains(word));
    let flags = words.filter(|word| word.len() > 1 && word.starts_with('-'));
    flags.map(|flag| flag.split(['=', '`', '"', ',', ';', '.', ')']).next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_line_in_the_documents_has_flags_that_exist() {
    let programs: [(&str, BTreeSet<String>); 2] = [
        ("knockd", flags::known(Path::new(env!("CARGO_BIN_EXE_knockd")))),
        ("knock", flags::known(Path::new(env!("CARGO_BIN_EXE_knock")))),
    ];
    let mut seen = 0;
    for path in [pages("", "README.md"), pages("docs", ".md"), pages("man", "")].concat() {
        let text = fs::read_to_string(&path).unwrap();
        // Indented code, words in backticks, and mdoc's examples.
        let lines = text.lines().filter_map(|line| {
            line.strip_prefix("    ").or(line.strip_prefix(".Dl ")).or(line.strip_prefix("$ "))
        });
        for line in lines.chain(text.split('`').skip(1).step_by(2)) {
            let line = line.trim().trim_start_matches("$ ").trim_start_matches("sudo ");
            let Some((name, rest)) = line.split_once(' ') else { continue };
            let Some((_, known)) = programs.iter().find(|(program, _)| *program == name) else { continue };
            for flag in flags_of(rest) {
                seen += 1;
                let letters = flag.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
                let is_known = match letters {
                    Some(letters) => letters.chars().all(|letter| known.contains(&format!("-{letter}"))),
                    None => known.contains(&flag),
                };
                assert!(is_known, "{}: `{line}`: {name} has no {flag}", path.display());
            }
        }
    }
    assert!(seen > 20, "only {seen} flags were seen");
}
