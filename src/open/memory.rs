//! How a pad's lines are remembered once they are used up.

use std::path::Path;

use seqgen::pad::Line;

use crate::state::{Mark, Marker, Scope, Spent};

/// What the lines of one pad are remembered for: the door, whatever its pads are called then, and the pad's path,
/// whatever door it belongs to then.
#[derive(Clone)]
pub(super) struct PadMemory {
    scopes: [Marker; 2],
}

impl PadMemory {
    pub(super) fn new(door: &str, path: &Path, spent: &Spent) -> PadMemory {
        PadMemory { scopes: [spent.marker(Scope::Door(door)), spent.marker(Scope::Pad(path))] }
    }

    /// What to remember of a line, used up or found struck, and to look for before it is armed.
    pub(super) fn marks(&self, line: &Line) -> impl Iterator<Item = Mark> {
        let contents = contents(line);
        self.scopes
            .iter()
            .flat_map(move |scope| contents.iter().map(|content| scope.mark(content)).collect::<Vec<_>>())
    }
}

/// What tells a line from others: its sequence, and, where a strike costs it its first digit, what a strike leaves.
fn contents(line: &Line) -> Vec<Vec<u8>> {
    let mut contents: Vec<Vec<u8>> =
        line.sequence().map(|sequence| sequence.to_string().into_bytes()).into_iter().collect();
    let struck = matches!(line.entry, seqgen::pad::Entry::Struck(_));
    if let Some((_, rest)) = line.text.split_first()
        && (struck || line.strike_loses_digit())
    {
        contents.push([b"#", rest.trim_ascii_end()].concat());
    }
    contents
}
