//! The manual page and the table of directives name the same.

use std::collections::BTreeSet;

use crate::config::directives::{DOOR, OPTIONS};

const PAGE: &str = include_str!("../../../man/knockd.conf.5");

/// The names that the page explains, in lower case.
fn explained() -> BTreeSet<String> {
    let items = PAGE.lines().filter_map(|line| line.strip_prefix(".It Cm "));
    items.map(|item| item.split(' ').next().unwrap_or_default().to_ascii_lowercase()).collect()
}

#[test]
fn every_directive_is_in_the_page_and_every_name_of_the_page_is_a_directive() {
    let known = OPTIONS.iter().map(|(name, _)| *name).chain(DOOR.iter().map(|(name, _)| *name));
    let usual_names: BTreeSet<String> = known.map(str::to_owned).collect();
    let explained = explained();
    assert!(explained.is_subset(&usual_names), "{:?}", explained.difference(&usual_names));
    for other in usual_names.difference(&explained) {
        let named = PAGE
            .lines()
            .any(|line| line.strip_prefix(".Cm ").is_some_and(|name| name.eq_ignore_ascii_case(other)));
        assert!(named, "`{other}` is missing from the page");
    }
    let aliases = ["command", "command_6", "timeout"];
    assert!(usual_names.difference(&explained).all(|name| aliases.contains(&name.as_str())));
}
