//! knockd(8).
fn main() {}
