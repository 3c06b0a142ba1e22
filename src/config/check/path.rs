//! Paths, and pads and keys that are taken.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::config::excerpt::excerpt;
use crate::config::fault::{Fault, Faults};
use crate::config::raw::{Spanned, Text};
use crate::config::values::paths_in;

/// More pads for one door are not read.
const MOST_PADS: usize = 1000;

/// What kind of file is meant.
#[derive(Clone, Copy)]
pub(super) enum What {
    Pad,
    Key,
}

impl What {
    fn noun(self) -> &'static str {
        match self {
            What::Pad => "pad",
            What::Key => "key",
        }
    }

    /// The directory that stands for this file among others: that of a `NAME.pad`, or a `NAME.key`.
    fn directory_of(self, path: &Path) -> Option<&Path> {
        let name = path.file_name()?.to_str()?.strip_suffix(self.noun())?.strip_suffix('.')?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        (!name.is_empty() && name.bytes().all(is_plain)).then(|| path.parent()).flatten()
    }
}

/// Which door has a file already.
pub(super) struct Taken<'a> {
    what: What,
    paths: HashMap<PathBuf, &'a str>,
    /// The directories of pads that a directory would stand for.
    directories: HashMap<PathBuf, &'a str>,
}

impl<'a> Taken<'a> {
    pub(super) fn new(what: What) -> Taken<'a> {
        Taken { what, paths: HashMap::new(), directories: HashMap::new() }
    }

    /// What of this path is taken, and by which door.
    pub(super) fn find(&self, path: &Path) -> Option<(String, &'a str)> {
        let noun = self.what.noun();
        let same = self.paths.get(path).map(|door| (format!("this {noun}"), *door));
        let whole = || {
            let directory = self.what.directory_of(path)?;
            self.paths.get(directory).map(|door| (format!("the whole directory of this {noun}"), *door))
        };
        let within = || self.directories.get(path).map(|door| (format!("a {noun} of this directory"), *door));
        same.or_else(whole).or_else(within)
    }

    pub(super) fn insert(&mut self, path: &Path, door: &'a str) {
        if let Some(directory) = self.what.directory_of(path) {
            self.directories.entry(directory.to_owned()).or_insert(door);
        }
        self.paths.entry(path.to_owned()).or_insert(door);
    }
}

pub(super) fn check(value: &Text, faults: &mut Faults) -> Option<PathBuf> {
    if !is_path(&value.value) {
        faults.push(Fault::error(value.span.clone(), NO_PATH));
        return None;
    }
    Some(PathBuf::from(&value.value))
}

/// The pads of the door with this name; none may be there twice, or another door's.
pub(super) fn pads<'a>(
    texts: &[&Text],
    door: &'a Spanned<String>,
    taken: &mut Taken<'a>,
    faults: &mut Faults,
) -> Vec<PathBuf> {
    let mut own = Taken::new(What::Pad);
    let mut paths = Vec::new();
    for (index, word) in texts.iter().flat_map(|text| paths_in(text)).enumerate() {
        if index == MOST_PADS {
            let fault = word.wrong(format!("more than {MOST_PADS} pads for one door; the rest is not read"));
            faults.push(fault.hint("name the directory that they are in"));
            break;
        }
        if !is_path(word.value) {
            faults.push(word.wrong(NO_PATH));
            continue;
        }
        let path = PathBuf::from(word.value);
        if let Some((what, _)) = own.find(&path) {
            faults.push(word.wrong(format!("this door has {what} already")).hint("name each pad once"));
        } else if let Some((what, other)) = taken.find(&path) {
            let fault = word.wrong(format!("door [{}] has {what} already", excerpt(other)));
            faults.push(fault.hint("a line opens one door; give each door a pad of its own"));
        }
        own.insert(&path, &door.value);
        paths.push(path);
    }
    for path in &paths {
        taken.insert(path, &door.value);
    }
    paths
}

const NO_PATH: &str = "this is no path";

fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}
