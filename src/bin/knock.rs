//! knock(1).
fn main() {}
