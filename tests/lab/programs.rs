//! Where the programs under test are.
//!
//! `KNOCK_LAB_BIN=DIR` tests the `knockd`, `knock` and `seqgen` of another directory (an installed package, a
//! release build) instead of those that cargo has just built.

use std::env;
use std::path::{Path, PathBuf};

pub(crate) fn knockd() -> PathBuf {
    chosen("knockd", Path::new(env!("CARGO_BIN_EXE_knockd")))
}

pub(crate) fn knock() -> PathBuf {
    chosen("knock", Path::new(env!("CARGO_BIN_EXE_knock")))
}

/// `seqgen` is a package of its own, so cargo does not tell its path: it lies beside `knock`.
pub(crate) fn seqgen() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_knock")).with_file_name("seqgen");
    let path = chosen("seqgen", &beside);
    assert!(path.exists(), "no {}: build it first (cargo build --workspace)", path.display());
    path
}

/// The daemon whose capture process misbehaves, which is none of the programs under test.
pub(crate) fn rogue() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_knock")).with_file_name("examples").join("rogue");
    assert!(path.exists(), "no {}: build it first (cargo build --example rogue)", path.display());
    path
}

/// Whether a program takes the options that the classic one does not know.
pub(crate) fn is_ours(program: &Path) -> bool {
    program == knockd() || program.ends_with("examples/rogue")
}

/// The classic programs out of Debian's package, which `tests/run.sh` unpacks.
pub(crate) struct Peer {
    pub(crate) knockd: PathBuf,
    pub(crate) knock: PathBuf,
}

/// Nothing when the package has not been unpacked.
pub(crate) fn peer() -> Option<Peer> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peer");
    let peer = Peer { knockd: root.join("usr/sbin/knockd"), knock: root.join("usr/bin/knock") };
    (peer.knockd.exists() && peer.knock.exists()).then_some(peer)
}

fn chosen(name: &str, built: &Path) -> PathBuf {
    env::var_os("KNOCK_LAB_BIN").map_or_else(|| built.to_owned(), |dir| Path::new(&dir).join(name))
}
