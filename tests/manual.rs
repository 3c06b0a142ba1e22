//! The manual pages say what the programs do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "manual/flags.rs"]
mod flags;

use std::path::Path;

#[test]
fn the_manual_has_every_flag_of_knockd_and_of_knock_and_no_other() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    flags::agree(Path::new(env!("CARGO_BIN_EXE_knockd")), &pages.join("knockd.8"));
    flags::agree(Path::new(env!("CARGO_BIN_EXE_knock")), &pages.join("knock.1"));
}
