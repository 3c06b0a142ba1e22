//! How a lease is written down: a checksum, and a few lines of TOML that an admin can read.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::lease::{Lease, LeaseKey};
use crate::config::{Argv, Command};
use crate::moment::Moment;

/// How long a record may be, in bytes.
pub(super) const SLOT: usize = 4096;

/// What a free slot begins with.
pub(super) const EMPTY: [u8; MAGIC.len()] = [0; MAGIC.len()];

const MAGIC: &[u8; 16] = b"knockd lease 1\n\n";
const CHECK: usize = 16;
const HEADER: usize = MAGIC.len() + CHECK;

/// What is in a slot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Free,
    Damaged,
    Taken { version: u64, boot: String, lease: Box<Lease> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    lease: String,
    version: u64,
    boot: String,
    /// Nanoseconds since the boot.
    deadline: u64,
    door: String,
    address: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pad: Option<String>,
    stop: WrittenCommand,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenCommand {
    Shell(String),
    Argv(Vec<String>),
}

/// The bytes of a slot with this lease; an error if it is too long for one.
pub(super) fn encode(lease: &Lease, version: u64, boot: &str) -> io::Result<Vec<u8>> {
    let written = Written {
        lease: lease.id.to_string(),
        version,
        boot: boot.to_owned(),
        deadline: u64::try_from(lease.deadline.since_start().as_nanos()).unwrap_or(u64::MAX),
        door: lease.key.door.to_string(),
        address: lease.key.source,
        pad: lease.pad.as_deref().map(str::to_owned),
        stop: match &lease.stop {
            Command::Shell(text) => WrittenCommand::Shell(text.clone()),
            Command::Argv(argv) => WrittenCommand::Argv(argv.words().to_vec()),
        },
    };
    let mut text = toml::to_string(&written).map_err(io::Error::other)?.into_bytes();
    // A record ends with an empty line, whatever was in its slot before.
    text.extend_from_slice(b"\n\0");
    if HEADER + text.len() > SLOT {
        let message = format!("a record of {} bytes; the stop command is too long", text.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok([MAGIC.as_slice(), &check(&text), &text].concat())
}

/// What these bytes of a slot say.
pub(super) fn parse(bytes: &[u8]) -> Slot {
    if bytes.iter().take(EMPTY.len()).all(|byte| *byte == 0) {
        return Slot::Free;
    }
    read(bytes).unwrap_or(Slot::Damaged)
}

fn read(bytes: &[u8]) -> Option<Slot> {
    let (magic, rest) = bytes.split_at_checked(MAGIC.len())?;
    let (sum, rest) = rest.split_at_checked(CHECK)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let text = &rest[..=end];
    if magic != MAGIC || sum != check(text) {
        return None;
    }
    let written: Written = toml::from_str(std::str::from_utf8(&rest[..end]).ok()?).ok()?;
    let stop = match written.stop {
        WrittenCommand::Shell(text) => Command::Shell(text),
        WrittenCommand::Argv(words) => Command::Argv(Argv::new(words)?),
    };
    let lease = Lease {
        id: written.lease.parse().ok()?,
        key: LeaseKey { door: written.door.into(), source: written.address },
        pad: written.pad.map(Into::into),
        stop,
        deadline: Moment::after_start(Duration::from_nanos(written.deadline)),
    };
    Some(Slot::Taken { version: written.version, boot: written.boot, lease: Box::new(lease) })
}

fn check(text: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.copy_from_slice(&Sha256::digest(text)[..CHECK]);
    check
}
