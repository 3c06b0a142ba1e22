//! How long a door takes to open.

use std::time::Duration;

use crate::hits::{Hit, send};
use crate::net::{CLIENT, Lab, SERVER};
use crate::tail::Tail;

/// What nobody notices.  On a machine that does other things at the same time any opening may have to wait for longer
/// now and then, so tests ask this of one round out of several.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(100);

/// Knocks, and how long it took from the last hit until the door's command had added its word to the file.
#[track_caller]
pub(crate) fn opening(lab: &Lab, file: &mut Tail, word: &str, ports: &[u16]) -> Duration {
    let hits: Vec<_> = ports.iter().map(|port| Hit::Tcp(*port)).collect();
    let (last, before) = hits.split_last().expect("a sequence");
    send(&lab.client, CLIENT, SERVER, before);
    let start = std::time::Instant::now();
    send(&lab.client, CLIENT, SERVER, &[*last]);
    file.awaits(&format!("{word}\n"), 1).duration_since(start)
}
