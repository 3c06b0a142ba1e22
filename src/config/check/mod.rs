//! The one checking step: from raw sections to a configuration, with every problem on the way.

mod commands;
mod door;
mod given;
mod key;
mod nft_sets;
mod options;
mod path;
mod reach;
mod scans;

pub(crate) use options::is_interface_name;

use std::collections::{HashMap, HashSet};

use seqgen::sequence::Sequence;

use super::directives::OPTIONS_SECTION;
use super::excerpt::excerpt;
use super::fault::{Fault, Faults};
use super::nft_set::NftSet;
use super::raw::{Section, Spanned};
use super::schema::{Config, Door, Options, Trigger};
use crate::networks::Networks;

/// Checks everything, and makes a configuration of what is right; what is wrong goes to `faults`, and the
/// configuration holds only if there is no error among them.
pub(super) fn check(sections: &[Section], faults: &mut Faults) -> Config {
    let is_options = |section: &&Section| section.name.value.eq_ignore_ascii_case(OPTIONS_SECTION);
    let (options, doors): (Vec<_>, Vec<_>) = sections.iter().partition(is_options);
    let options = options::check(&options, faults);
    let mut others = Others::default();
    let doors: Vec<Door> =
        doors.into_iter().filter_map(|section| check_door(section, &options, &mut others, faults)).collect();
    if doors.is_empty() && faults.is_empty() {
        let hint = "add a section with a sequence and a command";
        faults.push(Fault::warning(0..0, "there is no door in this file").hint(hint));
    }
    Config { options, doors }
}

/// What the doors before have taken, by the name of the door.
#[derive(Default)]
struct Others<'a> {
    names: HashSet<&'a str>,
    sequences: HashMap<Sequence, (&'a str, Option<Networks>)>,
    sets: HashMap<NftSet, &'a str>,
    sources: Sources<'a>,
}

/// Which files the doors before have taken, and what their sequences look like.
struct Sources<'a> {
    pads: path::Taken<'a>,
    keys: key::Taken<'a>,
}

impl Default for Sources<'_> {
    fn default() -> Self {
        Sources { pads: path::Taken::new(path::What::Pad), keys: key::Taken::default() }
    }
}

fn check_door<'a>(
    section: &'a Section,
    options: &Options,
    others: &mut Others<'a>,
    faults: &mut Faults,
) -> Option<Door> {
    let name = &section.name;
    check_name(name, faults);
    if !others.names.insert(&name.value) {
        let message = format!("a second door is called [{}]", excerpt(&name.value));
        faults.push(
            Fault::warning(name.span.clone(), message).hint("the log numbers them: name, name#2, and so on"),
        );
    }
    let door = door::check(section, options, &mut others.sources, faults)?;
    if let Trigger::Static(sequence) = &door.trigger {
        if let Some((other, allow)) = others.sequences.get(sequence)
            && may_share(allow.as_ref(), door.allow.as_ref())
        {
            let message = format!("door [{}] has the same sequence", excerpt(other));
            faults.push(Fault::warning(name.span.clone(), message).hint("whoever knocks it opens both"));
        }
        others.sequences.entry(sequence.clone()).or_insert_with(|| (&name.value, door.allow.clone()));
    }
    for set in [&door.nft_set.v4, &door.nft_set.v6].into_iter().flatten() {
        if let Some(other) = others.sets.insert(set.clone(), &name.value) {
            let message = format!("door [{}] has the same set {}", excerpt(other), excerpt(&set.to_string()));
            faults.push(Fault::warning(name.span.clone(), message).hint(
                "an address is in it once: who has opened both is shut out when the first one closes; give each \
                 door its own",
            ));
        }
    }
    Some(door)
}

/// Whether one person can be allowed at both doors.
fn may_share(one: Option<&Networks>, other: Option<&Networks>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one.overlap(other))
}

fn check_name(name: &Spanned<String>, faults: &mut Faults) {
    if name.value.is_empty() {
        faults.push(Fault::error(name.span.clone(), "a section needs a name"));
    } else if name.value.contains(char::is_control) {
        faults.push(Fault::error(name.span.clone(), "a section's name cannot hold control characters"));
    }
}
