//! Keys, and putting them where only their owner finds them.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use seqgen::derive::{Key, KeyFile, KeyMaterial, Label, LabelKey};
use seqgen::pad::{LockedPad, PadError, PadErrorKind, create, readable_by_others};

use super::make::PATIENCE;
use super::{Failure, say, warn_if_exposed};

/// Makes a new key.
pub(super) fn new_key(output: Option<&Path>, force: bool) -> Result<(), Failure> {
    put(&KeyMaterial::Key(Key::generate()?), output, force)
}

/// Derives the key for one label from the file at `path`.
pub(super) fn label_key(
    path: &Path,
    label: Option<&Label>,
    output: Option<&Path>,
    force: bool,
) -> Result<(), Failure> {
    let file = KeyFile::open(path)?;
    warn_if_exposed(path, file.file());
    let key = for_label(path, file.material(), label)?;
    put(&KeyMaterial::Label { label: label.cloned().unwrap_or_default(), key }, output, force)
}

/// The key for `label` of what was read from `path`.
pub(super) fn for_label(
    path: &Path,
    material: &KeyMaterial,
    label: Option<&Label>,
) -> Result<LabelKey, Failure> {
    material.label_key(label).map_err(|mismatch| Failure::Label { path: path.to_owned(), mismatch })
}

fn put(material: &KeyMaterial, output: Option<&Path>, force: bool) -> Result<(), Failure> {
    let text = material.to_text();
    match output {
        None => print(text.as_bytes()),
        Some(path) => match create(path, text.as_bytes()) {
            Err(PadError { kind: PadErrorKind::Exists, .. }) if force => replace(path, text.as_bytes()),
            Err(PadError { kind: PadErrorKind::Exists, path }) => Err(Failure::KeyExists(path)),
            result => Ok(result?),
        },
    }
}

/// Puts a key in the place of all that the file at `path` held, once nobody but its owner can read it.
fn replace(path: &Path, text: &[u8]) -> Result<(), Failure> {
    let mut held = LockedPad::open_within(path, PATIENCE)?;
    make_private(held.file()).map_err(|error| PadError::io(path, error))?;
    held.replace(text).map_err(|error| match error {
        PadError { path, kind: PadErrorKind::Torn(error) } => Failure::KeyTorn { path, error },
        error => Failure::Pad(error),
    })
}

/// Prints a key: to a file that only its owner can read from now on, if it is one.
fn print(text: &[u8]) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        say(
            "seqgen: whoever sees this key, or scrolls back to it, has it; `-o FILE` puts one into a file that only you \
             can read",
        );
    }
    write_out(text)?;
    Ok(())
}

/// Past the buffer of standard output, which is not overwritten when it is done with.
#[cfg(unix)]
fn write_out(text: &[u8]) -> io::Result<()> {
    use std::os::fd::AsFd as _;
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let metadata = output.metadata()?;
    if metadata.is_file()
        && let Err(error) = make_private(&output)
        && let Some(mode) = readable_by_others(&metadata)
    {
        say(&format!(
            "seqgen: others can read what this key is written to (mode {mode:04o}), which cannot be changed ({error}); \
             take it for known, and make another one with `-o FILE`"
        ));
    }
    output.write_all(text)
}

#[cfg(not(unix))]
fn write_out(text: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text)?;
    output.flush()
}

/// Takes from everybody but the owner what they can do with a file.
#[cfg(unix)]
fn make_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    const OWNERS: u32 = 0o600;
    if file.metadata()?.permissions().mode() & 0o7777 == OWNERS {
        return Ok(());
    }
    file.set_permissions(std::fs::Permissions::from_mode(OWNERS))
}

#[cfg(not(unix))]
fn make_private(_file: &File) -> io::Result<()> {
    Ok(())
}
