//! Asking nft(8) whether the sets of doors are there, within bounds of time and room.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::NFT;
use super::answer::{SetTrouble, has_table, is_absence, judge};
use crate::config::{Argv, Command, Door, Ip, NftSet};
use crate::open::command;
use crate::open::executor::unique_label;
use crate::open::job::{Ended, mishap};
use crate::open::output::Room;

/// How long all questions of one look may take together.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much an answer may say: one of an old nft shows all elements.
const ROOM: Room = Room { lines: 1000, bytes: 1 << 24 };

/// What there is to say of a door's set.
#[derive(Debug)]
pub struct SetWord {
    /// The door's name in the log.
    pub door: Arc<str>,
    /// The set, as the configuration names it.
    pub set: String,
    /// Why nobody can be added to it, if that is so.
    pub trouble: Option<String>,
}

/// Looks at the sets of these doors; of none, if none has any.
pub fn look_at_sets(doors: &[Door]) -> Vec<SetWord> {
    let deadline = Instant::now() + PATIENCE;
    let mut labels = HashSet::new();
    let mut words = Vec::new();
    for door in doors {
        let label = unique_label(&door.name, &mut labels);
        for (set, ip) in [(&door.nft_set.v4, Ip::V4), (&door.nft_set.v6, Ip::V6)] {
            let Some(set) = set else { continue };
            let trouble = look(set, ip, deadline).err().map(|trouble| trouble.to_string());
            words.push(SetWord { door: Arc::clone(&label), set: set.to_string(), trouble });
        }
    }
    words
}

fn look(set: &NftSet, ip: Ip, deadline: Instant) -> Result<(), SetTrouble> {
    match ask(&["-t", "list", "set", set.family_name(), set.table(), set.name()], deadline)? {
        Ok(printed) => judge(&printed, set, ip),
        Err(complaint) if is_absence(&complaint) => {
            let tables = ask(&["list", "tables"], deadline)?.map_err(SetTrouble::Unknown)?;
            let place = (set.clone(), ip);
            Err(if has_table(&tables, set) {
                SetTrouble::NoSet(place.0, place.1)
            } else {
                SetTrouble::NoTable(place.0, place.1)
            })
        }
        Err(complaint) => Err(SetTrouble::Unknown(complaint)),
    }
}

/// What nft prints, or what it complains of.
fn ask(words: &[&str], deadline: Instant) -> Result<Result<String, String>, SetTrouble> {
    let words = [&[NFT, "-j"], words].concat().into_iter().map(str::to_owned).collect();
    let Some(argv) = Argv::new(words) else { return Err(SetTrouble::NoProgram) };
    let limit = deadline.saturating_duration_since(Instant::now());
    let (outcome, said) = command::ask(&Command::Argv(argv), limit, ROOM);
    match outcome {
        Ok(Ended::Exit(0)) => Ok(Ok(said)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SetTrouble::NoProgram),
        outcome if said.is_empty() => Ok(Err(mishap(&outcome).unwrap_or_default())),
        // A caret below a line that is not shown says nothing.
        _ => Ok(Err(said.lines().next().unwrap_or_default().to_owned())),
    }
}
