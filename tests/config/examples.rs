//! The examples.

use std::fs;
use std::path::{Path, PathBuf};

use knockd::config::{Config, Syntax, parse, print};

fn examples(extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// Loads a file about which nothing is to be said, whoever may write to it.
fn loaded(path: &Path) -> Config {
    let (config, report) = parse(&path.display().to_string(), &fs::read(path).unwrap());
    assert_eq!(report.render(false), "");
    let config = config.unwrap();
    assert!(!config.doors.is_empty());
    config
}

#[test]
fn every_example_loads_without_a_warning() {
    assert!(examples("conf").len() >= 3 && examples("toml").len() >= 3);
    for path in examples("conf").into_iter().chain(examples("toml")) {
        loaded(&path);
    }
}

#[test]
fn an_example_in_both_syntaxes_is_the_same_configuration() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in ["static", "timed", "nftables"] {
        let read = |extension| loaded(&folder.join(name).with_extension(extension));
        assert_eq!(read("conf"), read("toml"), "{name}");
    }
}

#[test]
fn every_example_can_be_printed_and_read_again() {
    let directory = tempfile::tempdir().unwrap();
    for path in examples("conf").into_iter().chain(examples("toml")) {
        let config = loaded(&path);
        let copy = directory.path().join("copy.toml");
        fs::write(&copy, print(&config, Syntax::Toml).unwrap()).unwrap();
        assert_eq!(loaded(&copy), config, "{}", path.display());
    }
}
