//! What the command line asks for.

use std::path::PathBuf;

#[derive(Default)]
pub(crate) struct Wish {
    /// One round instead of several.
    pub(crate) is_quick: bool,
    /// Nothing but what packets cost.
    pub(crate) only_packets: bool,
    /// Nothing but how long doors take that are sets of nftables.
    pub(crate) only_sets: bool,
    /// Nothing but what doors cost that have keys.
    pub(crate) only_keys: bool,
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
                "--packets" => wish.only_packets = true,
                "--sets" => wish.only_sets = true,
                "--keys" => wish.only_keys = true,
                "--write" => wish.write = Some(args.next().expect("a directory").into()),
                flag if flag.starts_with('-') => panic!("what is {flag}?"),
                _ => wish.others.push(arg),
            }
        }
        wish
    }
}
