//! The manual page says what the program does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../tests/manual/flags.rs"]
mod flags;

use std::path::Path;

#[test]
fn the_manual_has_every_flag_of_seqgen_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man/seqgen.1");
    flags::agree(Path::new(env!("CARGO_BIN_EXE_seqgen")), &page);
}
