//! The part of `docs/performance.md` that is written by the benchmark.

use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- written by benches/lab.sh --write -->\n";
const END: &str = "<!-- until here -->\n";

/// Puts this text between the marks.
pub(crate) fn rewrite(page: &Path, text: &str) {
    let old = fs::read_to_string(page).expect("the page");
    let (before, rest) = old.split_once(BEGIN).expect("the mark where the benchmark's part begins");
    let (_, after) = rest.split_once(END).expect("the mark where it ends");
    fs::write(page, format!("{before}{BEGIN}\n{text}\n{END}{after}")).expect("the page");
}
