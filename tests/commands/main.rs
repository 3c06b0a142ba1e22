//! Whatever the documents show to be typed or copied works: each block of code is run, loaded, or known to be shown by
//! another test; one of which nobody knows what it is fails.
//!
//! Command lines run in a shell that finds no program but those of [`desk`]: ours, which are kept from doing anything to
//! this machine, and names of others that are known, which do nothing.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod blocks;
mod desk;
mod kinds;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use blocks::Block;
use desk::Desk;
use kinds::Kind;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything that is read by people, but for the log of changes.
fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<_> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name)).into();
    for (directory, endings) in [
        ("docs", &["md"][..]),
        ("man", &["1", "5", "8"]),
        ("seqgen/man", &["1"]),
        ("examples", &["conf", "toml"]),
    ] {
        let Ok(entries) = fs::read_dir(root().join(directory)) else { continue };
        let paths = entries.map(|entry| entry.expect("an entry").path());
        documents.extend(paths.filter(|path| {
            path.extension().is_some_and(|extension| endings.iter().any(|ending| extension == *ending))
        }));
    }
    documents.sort();
    documents
}

fn blocks() -> Vec<Block> {
    documents().iter().flat_map(|document| blocks::of(document)).collect()
}

#[test]
fn every_block_of_code_in_the_documents_works_or_is_shown_by_another_test() {
    let desk = Desk::new();
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    let mut wrong = Vec::new();
    for block in blocks() {
        let kind = kinds::of(&block);
        if let Err(why) = check(&desk, &block, &kind) {
            wrong.push(format!("{}: {why}\n{}", block.place(), block.text()));
        }
        *seen.entry(kind.name()).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{seen:?}");
    for (kind, least) in
        [("commands", 40), ("configuration", 10), ("profiles", 2), ("ssh's configuration", 3)]
    {
        assert!(seen.get(kind).is_some_and(|count| *count >= least), "too few {kind} were seen: {seen:?}");
    }
}

fn check(desk: &Desk, block: &Block, kind: &Kind) -> Result<(), String> {
    match kind {
        Kind::Commands(lines) | Kind::Ssh(lines) => lines.iter().try_for_each(|line| desk.runs(line)),
        Kind::Configuration => {
            loads(block)?;
            commands_of(&block.text()).try_for_each(|command| desk.runs(command))
        }
        Kind::Profiles => desk.lists(&block.text()),
        Kind::Json => serde_json::from_str::<serde_json::Value>(&block.text())
            .map(drop)
            .map_err(|error| error.to_string()),
        Kind::Log | Kind::Picture | Kind::ShownBy(_) => Ok(()),
        Kind::Unknown => Err("nobody knows what this is: see tests/commands/kinds.rs".to_owned()),
    }
}

/// The commands of a configuration that a shell reads.
fn commands_of(text: &str) -> impl Iterator<Item = &str> {
    let directives = text.lines().filter_map(|line| line.split_once('='));
    let named = directives.filter(|(name, _)| {
        let name = name.trim().to_ascii_lowercase();
        name.trim_end_matches("_6").ends_with("command")
    });
    named.map(|(_, command)| unquoted(command.trim())).filter(|command| !command.starts_with('['))
}

/// A value of TOML without its quotes.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').map_or(value, |quoted| quoted.trim_end_matches('"'))
}

/// Nothing at all is to be said about a configuration.
fn loads(block: &Block) -> Result<(), String> {
    let (config, report) = knockd::config::parse("shown.conf", block.text().as_bytes());
    let said = report.render(false);
    config.filter(|config| said.is_empty() && !config.doors.is_empty()).map(drop).ok_or(said)
}

#[test]
fn what_is_wrong_in_a_document_is_noticed() {
    let desk = Desk::new();
    for line in [
        "knock -v myserver 7000 8000:sctp",
        "knock -f seqs --wiat 22 myserver",
        "knock elsewhere",
        "knockd --check -c ./other.conf",
        "knockd --statsu",
        "knockd -d -j 7",
        "seqgen -n 50 -l 77",
        "seqgen --check other",
        "knock -f seqs myserver && unheard-of",
        "sudo unheard-of",
        "tests/unheard-of.sh",
        "examples/demo.sh --unheard-of",
        "tests/run.sh --test unheard_of",
        "sudo install -m 644 packaging/unheard-of.conf /etc/sysusers.d/",
        "fuzz/run.sh unheard_of 600",
        "seqgen -n 50 > seqs; knock (",
    ] {
        assert!(desk.runs(line).is_err(), "`{line}` is taken for right");
    }
    let is_right = |text: &str| {
        let lines = text.lines().map(str::to_owned).collect();
        let block = Block { file: PathBuf::from("wrong.md"), line: 1, section: String::new(), lines };
        check(&desk, &block, &kinds::of(&block)).is_ok()
    };
    let door = "[ssh]\n    Sequence = 7000,8000,9000\n    TCPFlags = syn\n    Command = /sbin/nft %IP%\n";
    assert!(is_right(door) && is_right("[office]\naddress = \"myserver\"\nports = [7000]\n"));
    for text in [
        &door.replace("Command", "Comand"),
        &door.replace("7000", "70000"),
        &door.replace("/sbin/nft", "/sbin/unheard-of"),
        &door.replace("%IP%", "'"),
        "[office]\naddress = \"myserver\"\nprots = [7000]\n",
        "Match host office exec \"knock --quite office\"\n",
        "{\n  \"version\": 1.0.0\n}\n",
    ] {
        assert!(!is_right(text), "this is taken for right:\n{text}");
    }
}

#[test]
fn whatever_says_that_a_test_shows_it_names_one_that_exists() {
    for (_, _, test) in kinds::SHOWN {
        let (file, name) = test.split_once("::").unwrap_or((test, ""));
        let text = fs::read_to_string(root().join(file)).unwrap_or_else(|_| panic!("there is no {file}"));
        assert!(name.is_empty() || text.contains(&format!("fn {name}()")), "there is no test {test}");
    }
    let blocks = blocks();
    for (file, line, _) in kinds::SHOWN {
        let is_there = |block: &Block| block.file.ends_with(file) && block.lines.iter().any(|it| it == line);
        assert!(blocks.iter().any(is_there), "{file} does not have `{line}` any more");
    }
}

#[test]
fn every_command_line_within_the_text_works() {
    let desk = Desk::new();
    let mut count = 0;
    for document in documents().iter().filter(|document| document.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(document).expect("a document");
        for span in text.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")) {
            let Some((program, rest)) = span.split_once(' ') else { continue };
            // Capitals stand for something else.
            let stands_for =
                |word: &str| word.len() > 2 && word.chars().all(|char| char.is_ascii_uppercase());
            let is_whole = !rest.contains('…')
                && !rest.split_whitespace().any(|word| stands_for(word.trim_end_matches('.')));
            if ["knock", "knockd", "seqgen"].contains(&program) && is_whole {
                count += 1;
                let ran = desk.runs(&span);
                // Some only name an option, without the rest.
                let is_part = |why: &&String| {
                    why.contains("required arguments were not provided")
                        || why.contains("a value is required for")
                };
                if let Some(why) = ran.err().filter(|why| !is_part(&why)) {
                    panic!("{}: `{span}`: {why}", document.display());
                }
            }
        }
    }
    assert!(count > 10, "only {count} command lines were seen");
}

#[test]
fn every_command_of_an_example_works() {
    let desk = Desk::new();
    let mut count = 0;
    for entry in fs::read_dir(root().join("examples")).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "conf" && extension != "toml") {
            continue;
        }
        for command in commands_of(&fs::read_to_string(&path).expect("an example")) {
            count += 1;
            desk.runs(command).unwrap_or_else(|why| panic!("{}: `{command}`: {why}", path.display()));
        }
    }
    assert!(count > 10, "only {count} commands were seen");
}

#[test]
fn the_examples_of_a_help_work() {
    let desk = Desk::new();
    for program in ["knockd", "knock", "seqgen"] {
        let output = Command::new(desk::program(program)).arg("--help").output().expect("the program");
        let help = String::from_utf8(output.stdout).expect("text");
        let (_, examples) =
            help.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{program} has no examples"));
        let lines: Vec<_> = examples.lines().take_while(|line| line.starts_with("  ")).collect();
        assert!(lines.len() > 1, "{help}");
        for line in lines {
            desk.runs(line).unwrap_or_else(|why| panic!("{program}: `{line}`: {why}"));
        }
    }
}
