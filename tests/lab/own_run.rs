//! A `/run` of the lab's own, in place of the machine's, for whatever makes files there.
//!
//! So labs that run at the same time never disturb each other, nor a daemon of this machine, and none leaves anything.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::net::Lab;

/// The directory that is `/run` for programs of this lab.
pub(crate) fn directory(lab: &Lab) -> PathBuf {
    let path = lab.path("run");
    fs::create_dir_all(&path).expect("a directory");
    path
}

/// Shell commands that put it there; they are for a mount namespace, such as `ip netns exec` makes.
pub(crate) fn commands(lab: &Lab) -> String {
    // With -n, as mount(8) otherwise makes a directory in the machine's /run first.
    format!("mount -n --bind {} /run || exit", directory(lab).display())
}

/// The same command, to be run on a host of this lab.
pub(crate) fn seen_by(lab: &Lab, command: &Command) -> Command {
    let mut wrapped = Command::new("sh");
    wrapped.arg("-c").arg(format!("{}\nexec \"$@\"", commands(lab))).arg("sh");
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped
}
