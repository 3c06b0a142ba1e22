//! From the start of the daemon until it says that it listens.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::daemon::Launch;
use crate::doors::{door, pad, sequence};
use crate::net::Lab;
use crate::pads::write_private;
use crate::tail::Tail;
use crate::{Row, generated, programs, spread};

const DOORS: u32 = 1000;
const LINES_EACH: usize = 50;
/// How often each daemon is started.
const ROUNDS: usize = 5;
/// How long a start is waited for.
const LIMIT: Duration = Duration::from_secs(20);

/// How long one start takes, nothing if it is not over in time; ends the daemon.
fn start(lab: &Lab, launch: &Launch<'_>) -> Option<Duration> {
    let mut command = launch.command(lab);
    let mut log = Tail::new(&lab.path(&format!("{}.log", launch.name)));
    let begun = Instant::now();
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("ip: install iproute2");
    let said = log.awaits_within(LIMIT, "starting up", 1);
    child.kill().and_then(|()| child.wait()).expect("ending our own child");
    Some(said?.duration_since(begun))
}

/// How long starts with these doors take, of our daemon and the classic one in turn.
fn row(lab: &Lab, what: String, name: &str, doors: &str) -> Row {
    let classic_name = format!("{name}.classic");
    let ours = Launch { name, ..Launch::new(doors) };
    let mut classic = programs::peer().map(|peer| Launch {
        program: peer.knockd,
        name: &classic_name,
        args: &["-i", "eth0", "-v"],
        ..Launch::new(doors)
    });
    let (mut times, mut classic_times, mut too_slow) = (Vec::new(), Vec::new(), false);
    for _ in 0..ROUNDS {
        times.push(start(lab, &ours).expect("the daemon did not start"));
        match classic.as_ref().map(|launch| start(lab, launch)) {
            Some(Some(time)) => classic_times.push(time),
            Some(None) => {
                too_slow = true;
                classic = None;
            }
            None => {}
        }
    }
    let classic = if too_slow { format!("more than {} s", LIMIT.as_secs()) } else { spread(classic_times) };
    Row::new(what, "< 1 s", spread(times), classic)
}

/// Starts with very many doors.
pub(crate) fn doors(lab: &Lab) -> Vec<Row> {
    let sequences = |count: u32| -> String {
        let each = |number: u32| {
            let hits = format!("{},{},{}", 10_000 + number, 30_000 + number, 20_000 + number);
            door(&format!("door{number}"), &sequence(&hits), "syn")
        };
        (0..count).map(each).collect()
    };
    let pads: String =
        (0..).zip(pads(lab)).map(|(n, path)| door(&format!("door{n}"), &pad(&path), "syn")).collect();
    vec![
        row(lab, "start, 1 door".to_owned(), "one", &sequences(1)),
        row(lab, format!("start, {DOORS} doors"), "doors", &sequences(DOORS)),
        row(lab, format!("start, {DOORS} doors with a pad of {LINES_EACH} lines each"), "pads", &pads),
    ]
}

/// A pad for each door.
fn pads(lab: &Lab) -> Vec<PathBuf> {
    let lines = u32::try_from(LINES_EACH).expect("a small number") * DOORS;
    let text = fs::read_to_string(generated(lab, "all.pad", lines)).expect("the lines of all pads");
    let lines: Vec<&str> = text.lines().collect();
    let of_one = |(number, lines): (usize, &[&str])| {
        let path = lab.path(&format!("door{number}.pad"));
        write_private(&path, &(lines.join("\n") + "\n"));
        path
    };
    lines.chunks(LINES_EACH).enumerate().map(of_one).collect()
}

/// Starts with a very long pad.
pub(crate) fn long_pad(lab: &Lab, path: &Path) -> Vec<Row> {
    vec![row(
        lab,
        format!("start, 1 door with a pad of {} lines", crate::LONG),
        "long",
        &door("ssh", &pad(path), "syn"),
    )]
}
