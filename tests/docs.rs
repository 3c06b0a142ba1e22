//! The documents promise nothing that no test shows: every test that they name exists.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// The tests of all files below `directory`, as `file::test`.
fn tests_below(directory: &Path, tests: &mut HashSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, tests);
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let file = match stem(&path) {
            module if module == "mod" || module == "main" => stem(path.parent().unwrap()),
            file => file,
        };
        let mut is_test = false;
        for line in fs::read_to_string(&path).unwrap().lines().map(str::trim) {
            if line == "#[test]" {
                is_test = true;
            } else if let Some(name) = line.strip_prefix("fn ").filter(|_| is_test) {
                tests.insert(format!("{file}::{}", name.split('(').next().unwrap()));
                is_test = false;
            }
        }
    }
}

#[test]
fn every_test_that_a_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = HashSet::new();
    for directory in ["src", "tests", "seqgen"] {
        tests_below(&root.join(directory), &mut tests);
    }
    let mut named = 0;
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        // Beside the pages are their pictures.
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for name in text.split('`').skip(1).step_by(2).filter(|code| is_test_name(code)) {
            named += 1;
            assert!(tests.contains(name), "{}: there is no test {name}", path.display());
        }
    }
    assert!(named > 30, "only {named} tests are named");
}

/// Whether it is a file's name and a test's, which is a sentence.
fn is_test_name(code: &str) -> bool {
    code.split_once("::").is_some_and(|(file, test)| {
        let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        word(file) && word(test) && test.matches('_').count() > 1
    })
}

#[test]
fn every_link_in_the_documents_leads_somewhere_and_the_index_has_every_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<_> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(|name| root.join(name)).into();
    pages.extend(fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    let index = fs::read_to_string(root.join("docs/README.md")).unwrap();
    let mut links = 0;
    for path in &pages {
        let text = fs::read_to_string(path).unwrap();
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            links += 1;
            assert!(path.parent().unwrap().join(file).exists(), "{}: {target} leads nowhere", path.display());
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_listed = name == "README.md" || index.contains(&format!("{name})"));
        assert!(is_listed, "docs/README.md does not list {name}");
    }
    assert!(links > 30, "only {links} links");
}
