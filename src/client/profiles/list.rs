//! `--list`: every profile on a line.

use std::path::Path;

use seqgen::pad::{Entry, PadError, ReadPad};

use super::{Profile, Profiles};
use crate::client::console::Console;
use crate::client::key::{self, Sender};
use crate::client::resolve::Family;

/// Prints every profile: its name, its host, where its sequences come from and how many are left, and what is waited for.
///
/// Ports are only counted: whoever sees them can knock.
pub(in crate::client) fn list(profiles: &Profiles, console: &mut Console) {
    let rows: Vec<_> = profiles.all.iter().map(|profile| (profile, address(profile))).collect();
    let name_width = rows.iter().map(|(profile, _)| profile.name.chars().count()).max().unwrap_or(0);
    let address_width = rows.iter().map(|(_, address)| address.chars().count()).max().unwrap_or(0);
    for (profile, address) in &rows {
        let name = &profile.name;
        console.line(format_args!("{name:name_width$}  {address:address_width$}  {}", knock(profile)));
    }
}

fn address(profile: &Profile) -> String {
    match profile.family {
        Some(Family::Both) => format!("{} (IPv4 and IPv6)", profile.address),
        Some(family @ (Family::V4 | Family::V6)) => format!("{} ({family})", profile.address),
        Some(Family::Any) | None => profile.address.clone(),
    }
}

fn knock(profile: &Profile) -> String {
    let source = match (&profile.file, &profile.ports) {
        (Some(path), _) => format!("{} ({})", path.display(), left(path)),
        (None, None) if profile.key.is_some() => derived(profile),
        (None, Some(ports)) if ports.len() == 1 => "1 port".to_owned(),
        (None, Some(ports)) => format!("{} ports", ports.len()),
        (None, None) => "neither file nor key nor ports".to_owned(),
    };
    match profile.wait {
        Some(wait) => format!("{source}, waits for {wait}"),
        None => source,
    }
}

/// Where the key lies, for which label, and what is next; nothing of what follows from it.
fn derived(profile: &Profile) -> String {
    let Profile { key: Some(path), derived, .. } = profile else { return String::new() };
    let mut said = match &derived.label {
        Some(label) => vec![format!("label {label}")],
        None => Vec::new(),
    };
    said.push(match (key::standing(path, derived.label.as_ref(), derived.step.is_none()), derived.step) {
        (Err(error), _) => format!("cannot be used: {error}"),
        (Ok(_), Some(step)) => format!("steps of {step}"),
        (Ok(Some(next)), None) => format!("counter {next}"),
        (Ok(None), None) => "not used yet".to_owned(),
    });
    said.extend(match derived.sender {
        Sender::Ours => None,
        Sender::As(address) => Some(format!("as {address}")),
        Sender::Anybody => Some("unbound".to_owned()),
    });
    format!("{} ({})", path.display(), said.join(", "))
}

fn left(path: &Path) -> String {
    match count(path) {
        Ok(count) => format!("{count} left"),
        Err(error) => format!("cannot be read: {}", error.kind),
    }
}

fn count(path: &Path) -> Result<usize, PadError> {
    let mut pad = ReadPad::open(path)?;
    let mut count = 0;
    for line in pad.lines()? {
        let line = line.map_err(|error| PadError::io(path, error))?;
        count += usize::from(matches!(line.entry, Entry::Live(_)));
    }
    Ok(count)
}
