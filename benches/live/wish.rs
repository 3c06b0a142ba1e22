//! What the command line asks for.

use std::path::PathBuf;

/// What can be measured by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What packets cost.
    Packets,
    /// How long doors take that are sets of nftables.
    Sets,
    /// What doors cost that have keys.
    Keys,
}

#[derive(Default)]
pub(crate) struct Wish {
    /// One round instead of several.
    pub(crate) is_quick: bool,
    /// Nothing but this.
    pub(crate) only: Option<Part>,
    /// The directory of `performance.md`.
    pub(crate) write: Option<PathBuf>,
    /// Other builds of the daemon.
    pub(crate) others: Vec<String>,
}

impl Wish {
    pub(crate) fn of(args: Vec<String>) -> Self {
        let mut wish = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // cargo says so.
                "--bench" => {}
                "--quick" => wish.is_quick = true,
                "--packets" => wish.only = Some(Part::Packets),
                "--sets" => wish.only = Some(Part::Sets),
                "--keys" => wish.only = Some(Part::Keys),
                "--write" => wish.write = Some(args.next().expect("a directory").into()),
                flag if flag.starts_with('-') => panic!("what is {flag}?"),
                _ => wish.others.push(arg),
            }
        }
        wish
    }
}
