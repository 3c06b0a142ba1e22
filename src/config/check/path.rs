//! Paths, and pads that are taken.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::config::excerpt::excerpt;
use crate::config::fault::{Fault, Faults};
use crate::config::raw::{Spanned, Text};
use crate::config::values::paths_in;

/// Which door has a pad already.
pub(super) type Taken<'a> = HashMap<PathBuf, &'a str>;

pub(super) fn check(value: &Text, faults: &mut Faults) -> Option<PathBuf> {
    if !is_path(&value.value) {
        faults.push(Fault::error(value.span.clone(), NO_PATH));
        return None;
    }
    Some(PathBuf::from(&value.value))
}

/// The pads of the door with this name; none may be another door's.
pub(super) fn pads<'a>(
    texts: &[&Text],
    door: &'a Spanned<String>,
    taken: &mut Taken<'a>,
    faults: &mut Faults,
) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for word in texts.iter().flat_map(|text| paths_in(text)) {
        if !is_path(word.value) {
            faults.push(word.wrong(NO_PATH));
            continue;
        }
        let path = PathBuf::from(word.value);
        if paths.contains(&path) {
            faults.push(word.wrong("this pad stands twice").hint("name each pad once"));
            continue;
        }
        if let Some(other) = taken.insert(path.clone(), &door.value) {
            let fault = word.wrong(format!("door [{}] has this pad already", excerpt(other)));
            faults.push(fault.hint("a line opens one door; give each door a pad of its own"));
        }
        paths.push(path);
    }
    paths
}

const NO_PATH: &str = "this is no path";

fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}
