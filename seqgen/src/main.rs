//! seqgen(1).
fn main() {}
