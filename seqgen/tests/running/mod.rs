//! Running seqgen, and what comes of it.

use std::process::{Command, Output};

/// Exit code, standard output and standard error.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    outcome(&Command::new(env!("CARGO_BIN_EXE_seqgen")).args(arguments).output().unwrap())
}

pub(crate) fn outcome(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// What it prints if all is well.
pub(crate) fn succeed(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = run(arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    stdout
}

pub(crate) fn refuse(arguments: &[&str], expected_code: i32, expected_message: &str) {
    let (code, stdout, stderr) = run(arguments);
    assert!(stderr.contains(expected_message), "{arguments:?}: {stderr}");
    assert_eq!((code, stdout.as_str()), (expected_code, ""), "{arguments:?}: {stderr}");
}
