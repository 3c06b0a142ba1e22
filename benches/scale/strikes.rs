//! What a knock does to a very long pad.

use std::fs;
use std::path::{Path, PathBuf};

use crate::daemon::Launch;
use crate::doors::{door, pad};
use crate::net::{Lab, SERVER};
use crate::tracer::Tracer;
use crate::wait::{PATIENCE, wait_until};
use crate::{Row, nothing, programs};

/// How many bytes are read and written when the first line is used.
fn bytes(lab: &Lab, program: PathBuf, name: &str, path: &Path) -> String {
    let doors = door("ssh", &pad(path), "syn");
    let daemon = Launch { program, name, ..Launch::new(&doors) }.start(lab);
    // So that all that belongs to the start is done.
    daemon.settle(lab);
    let text = fs::read_to_string(path).expect("the pad");
    let line = text.lines().find_map(|line| line.strip_prefix(' ')).expect("a line that is not used");
    let calls = ["-e", "trace=read,pread64,readv,preadv,write,pwrite64,writev,pwritev"];
    let path = path.to_str().expect("a path in UTF-8");
    let tracer = Tracer::attach(lab, &daemon, &[&["-P", path], &calls[..]].concat());
    let before = daemon.openings(lab, "ssh");
    lab.knock(&[&["-d", "1", SERVER], &line.split(',').collect::<Vec<_>>()[..]].concat());
    assert!(wait_until(PATIENCE, || daemon.openings(lab, "ssh") > before), "the door did not open");
    drop(tracer);
    let trace = lab.read("trace");
    let sum = |call: &str| -> u64 {
        let calls = trace.lines().filter(|line| line.contains(call));
        calls.filter_map(|line| line.rsplit_once(" = ")?.1.parse::<u64>().ok()).sum()
    };
    format!("{} / {}", sum("read"), sum("write"))
}

/// What one knock reads of the pad and writes to it.
pub(crate) fn long_pad(lab: &Lab, path: &Path) -> Vec<Row> {
    let ours = bytes(lab, programs::knockd(), "striking", path);
    let classic =
        programs::peer().map_or_else(nothing, |peer| bytes(lab, peer.knockd, "striking.classic", path));
    let what = format!("bytes read / written by a knock, pad of {} lines", crate::LONG);
    vec![Row::new(what, "no full read / 1", ours, classic)]
}
