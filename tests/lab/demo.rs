//! What README.md shows of `examples/demo.sh` is what it prints.

use std::path::Path;
use std::process::Command;

use crate::blocks;
use crate::net::skip;
use crate::programs;

#[test]
fn the_readme_shows_what_the_demo_prints() {
    let test = "the_readme_shows_what_the_demo_prints";
    if !rustix::process::geteuid().is_root() {
        skip::<()>(test, "needs root");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let programs = programs::knock().parent().expect("a directory").to_owned();
    let mut demo = Command::new("examples/demo.sh");
    let output =
        demo.current_dir(root).arg("--built").arg(programs).env("NO_COLOR", "1").output().expect("bash");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");

    let blocks = blocks::of(&root.join("README.md"));
    let shown = blocks.iter().find(|block| block.lines.last().is_some_and(|line| line.starts_with("All ")));
    let shown = shown.expect("a block of what the demo prints");
    assert!(shown.lines.len() > 5, "{shown:?}");
    let mut printed = out.lines().map(without_ports);
    for line in shown.lines.iter().map(|line| without_ports(line)) {
        let is_printed = printed.any(|it| it == line);
        assert!(
            is_printed,
            "{}: the demo does not print `{line}`, or not in this order:\n{out}",
            shown.place()
        );
    }
}

/// A line without how far it is indented, and without the ports of a pad's line, which are others each time.
fn without_ports(line: &str) -> String {
    let is_a_line_of_a_pad = |word: &&str| word.matches(',').count() == 4;
    line.split_whitespace()
        .map(|word| if is_a_line_of_a_pad(&word) { "PORTS" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}
