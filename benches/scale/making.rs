//! Making very many sequences.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::net::Lab;
use crate::{LONG, Row, nothing, programs, spread};

const ROUNDS: usize = 5;

/// How long `seqgen` takes, to its standard output and into a file.
pub(crate) fn many_lines(lab: &Lab) -> Vec<Row> {
    let file = lab.path("made.pad");
    let file = file.to_str().expect("a path in UTF-8");
    let row = |what: &str, args: &[&str]| {
        let round = |_| {
            let mut command = Command::new(programs::seqgen());
            command.args(["-n", &LONG.to_string()]).args(args).stdout(Stdio::null());
            let start = Instant::now();
            assert!(command.status().expect("seqgen").success(), "seqgen failed");
            start.elapsed()
        };
        Row::new(what, "< 1.5 s", spread((0..ROUNDS).map(round).collect()), nothing())
    };
    vec![
        row(&format!("`seqgen -n {LONG}`"), &[]),
        row(&format!("`seqgen -n {LONG} -o FILE`, durably"), &["--force", "-o", file]),
    ]
}
