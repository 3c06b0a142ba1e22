//! What a block of code is.

use crate::blocks::Block;

pub(crate) enum Kind {
    /// To be typed into a shell, one after the other.
    Commands(Vec<String>),
    /// For knockd.
    Configuration,
    /// For knock.
    Profiles,
    /// For ssh, which runs these commands.
    Ssh(Vec<String>),
    Json,
    /// Lines of a daemon's log.
    Log,
    /// Boxes and arrows.
    Picture,
    /// Something that another test or script shows to be as it stands there.
    ShownBy(#[expect(dead_code, reason = "for whoever looks at it")] &'static str),
    Unknown,
}

/// Blocks that no shell runs and no configuration holds: a file, one line of the block, and the test or script that shows
/// that it is right.
pub(crate) const SHOWN: &[(&str, &str, &str)] = &[
    // A pattern, not a configuration.
    ("knockd.conf.5", "[section]", "tests/config/main.rs"),
    (
        "knockd.conf.5",
        "table inet filter {",
        "tests/lab/manual.rs::the_door_for_nftables_is_as_the_manual_says",
    ),
    // Two rules of the table in the manual.
    (
        "nftables.conf",
        "tcp dport 22 ip saddr @knockers accept",
        "tests/lab/manual.rs::the_door_that_is_a_set_is_as_the_manual_says",
    ),
    (
        "nftables.toml",
        "tcp dport 22 ip saddr @knockers accept",
        "tests/lab/manual.rs::the_door_that_is_a_set_is_as_the_manual_says",
    ),
    (
        "knockd.conf.5",
        "    set knockers  { type ipv4_addr; flags timeout; }",
        "tests/lab/manual.rs::the_door_that_is_a_set_is_as_the_manual_says",
    ),
    // Nothing that the tests run on has pf; the door beside it is checked as all others are.
    ("knockd.conf.5", "table <knockers> persist", "tests/commands/main.rs"),
    (
        "seqgen.1",
        "log2(m^L * P * (P-1) * ... * (P-L+1) * (1 - 2/L!))",
        "seqgen/src/generate/shape.rs::counts_what_there_is",
    ),
    // Formulas and a key file: what follows from them is compared.
    (
        "derivation.md",
        "TAG            = \"knockd-sequence-v1\"",
        "seqgen/tests/derivation.rs::the_library_agrees_with_the_vectors",
    ),
    (
        "derivation.md",
        "below(n)        = the next word w for which w < floor(2^32 / n) · n, modulo n; other words are skipped",
        "seqgen/tests/derivation.rs::the_library_agrees_with_the_vectors",
    ),
    ("derivation.md", "# knock key v1", "seqgen/tests/derivation.rs::the_document_has_vectors_of_the_file"),
    (
        "derivation.md",
        "# knock label key v1: gate",
        "seqgen/tests/derivation.rs::the_document_has_vectors_of_the_file",
    ),
    // Rules as they stand in a ruleset.
    (
        "nftables.conf",
        "tcp dport 22 ip saddr @knockers accept",
        "tests/lab/nft_set.rs::a_knock_lets_its_sender_in_until_the_time_is_up",
    ),
    (
        "nftables.toml",
        "tcp dport 22 ip saddr @knockers accept",
        "tests/lab/nft_set.rs::a_knock_lets_its_sender_in_until_the_time_is_up",
    ),
    ("README.md", "All 8 steps happened.", "tests/lab/demo.rs::the_readme_shows_what_the_demo_prints"),
];

impl Kind {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Commands(_) => "commands",
            Kind::Configuration => "configuration",
            Kind::Profiles => "profiles",
            Kind::Ssh(_) => "ssh's configuration",
            Kind::Json => "JSON",
            Kind::Log => "log",
            Kind::Picture => "picture",
            Kind::ShownBy(_) => "shown by another test",
            Kind::Unknown => "unknown",
        }
    }
}

pub(crate) fn of(block: &Block) -> Kind {
    let has = |what: fn(&str) -> bool| block.lines.iter().any(|line| what(line));
    let shown = SHOWN
        .iter()
        .find(|(file, line, _)| block.file.ends_with(file) && block.lines.iter().any(|it| it == line));
    if let Some((_, _, test)) = shown {
        return Kind::ShownBy(test);
    }
    if block.lines.first().is_some_and(|line| line == "{") {
        return Kind::Json;
    }
    if has(|line| line.contains('│') || line.contains('▶')) {
        return Kind::Picture;
    }
    if block.lines.iter().all(|line| line.starts_with("[20")) {
        return Kind::Log;
    }
    if has(|line| line.starts_with('[')) {
        return if has(|line| line.starts_with("address =")) { Kind::Profiles } else { Kind::Configuration };
    }
    if let Some(commands) = of_ssh(block) {
        return Kind::Ssh(commands);
    }
    commands(block).map_or(Kind::Unknown, Kind::Commands)
}

/// The command lines of a block, if it has any.
fn commands(block: &Block) -> Option<Vec<String>> {
    // Where there is a prompt, the other lines are what was printed.
    let prompted = block.lines.iter().any(|line| line.starts_with("$ "));
    let mut commands: Vec<String> = Vec::new();
    for line in block.lines.iter().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("$ "), prompted) {
            (Some(line), _) => commands.push(line.to_owned()),
            (None, true) => {}
            (None, false) => commands.push(of_a_crontab(line)),
        }
    }
    (!commands.is_empty()).then_some(commands)
}

/// The command in a line of a crontab; any other line as it is.
fn of_a_crontab(line: &str) -> String {
    line.split_once(" * * * * root ").map_or(line, |(_, command)| command).to_owned()
}

/// The commands of a configuration for ssh, where all lines are such.
fn of_ssh(block: &Block) -> Option<Vec<String>> {
    let mut commands = Vec::new();
    for line in block.lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()) {
        let (keyword, rest) = line.split_once(' ')?;
        match keyword {
            "Match" => commands.push(rest.split_once(" exec \"")?.1.strip_suffix('"')?.to_owned()),
            // What ssh puts in place of a letter.
            "ProxyCommand" => commands.push(rest.replace("%h", "127.0.0.1").replace("%p", "22")),
            "Host" | "HostName" | "User" => {}
            _ => return None,
        }
    }
    (!commands.is_empty()).then_some(commands)
}
