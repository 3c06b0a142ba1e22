//! Paths, and pads that are taken.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::config::fault::{Fault, Faults};
use crate::config::raw::Text;

/// Which door has a pad already.
pub(super) type Taken<'a> = HashMap<PathBuf, &'a str>;

pub(super) fn check(value: &Text, faults: &mut Faults) -> Option<PathBuf> {
    if value.value.is_empty() || value.value.contains('\0') {
        faults.push(Fault::error(value.span.clone(), "this is no path"));
        return None;
    }
    Some(PathBuf::from(&value.value))
}
