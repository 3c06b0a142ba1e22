//! How long each part takes by itself: decoding a frame, judging a hit, reading and striking pads, reading configurations.
//!
//! `cargo bench --bench micro` runs all of it, `cargo bench --bench micro -- decoder` a part.  The times vary with what else
//! the machine does; `benches/instructions.sh` counts what does not.
#![expect(clippy::expect_used, reason = "a measurement that fails has no result")]

mod configuration;
mod decoder;
mod pads;
mod tracker;

fn main() {
    divan::main();
}
