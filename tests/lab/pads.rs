//! A pad in two copies, the daemon's and the person's.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::net::Lab;
use crate::programs;

pub(crate) struct Pads {
    /// The daemon's copy.
    pub(crate) server: PathBuf,
    /// The copy of the person who knocks.
    pub(crate) client: PathBuf,
    text: String,
}

impl Pads {
    /// `seqgen -n COUNT ARGS`, for one door.
    pub(crate) fn generate(lab: &Lab, door: &str, count: usize, args: &[&str]) -> Self {
        let command = &mut Command::new(programs::seqgen());
        let text = lab.client.succeeds(command.args(["-n", &count.to_string()]).args(args));
        assert_eq!(text.lines().count(), count, "seqgen printed:\n{text}");
        let (server, client) = (lab.path(&format!("{door}.server")), lab.path(&format!("{door}.client")));
        for path in [&server, &client] {
            write_private(path, &text);
        }
        Self { server, client, text }
    }

    /// Moves the daemon's copy to where it belongs.
    pub(crate) fn served_at(mut self, path: PathBuf) -> Self {
        fs::rename(&self.server, &path).expect("a rename");
        self.server = path;
        self
    }

    /// A line as `seqgen` wrote it.
    pub(crate) fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number).expect("a line of the pad")
    }

    /// A line as arguments for the client.
    pub(crate) fn ports(&self, number: usize) -> Vec<&str> {
        self.line(number).trim().split(',').collect()
    }

    /// The ports of a line that is all TCP.
    pub(crate) fn tcp_ports(&self, number: usize) -> Vec<u16> {
        self.ports(number).iter().map(|port| port.parse().expect("a TCP port")).collect()
    }

    /// Strikes the person's first lines, as their client did for knocks that never arrived.
    pub(crate) fn lose(&self, lines: usize) {
        let mut text = fs::read(&self.client).expect("the client's pad");
        let mut at = 0;
        for line in self.text.lines().take(lines) {
            text[at] = b'#';
            at += line.len() + 1;
        }
        fs::write(&self.client, text).expect("the client's pad");
    }

    /// Checks that the daemon has struck the first `struck` lines and has changed nothing else.
    #[track_caller]
    pub(crate) fn server_has_struck(&self, struck: usize) {
        assert_eq!(read(&self.server), self.after(struck), "the daemon's copy, {struck} lines struck");
    }

    /// Whether the daemon has struck so many lines, and has changed nothing else.
    pub(crate) fn is_struck_by_server(&self, struck: usize) -> bool {
        read(&self.server) == self.after(struck)
    }

    /// Checks that the daemon has struck these lines and has changed nothing else.
    #[track_caller]
    pub(crate) fn server_has_struck_only(&self, struck: &[usize]) {
        let expected = self.with_struck(|number| struck.contains(&number));
        assert_eq!(read(&self.server), expected, "the daemon's copy, lines {struck:?} struck");
    }

    /// Checks the same of the client.
    #[track_caller]
    pub(crate) fn client_has_struck(&self, struck: usize) {
        assert_eq!(read(&self.client), self.after(struck), "the client's copy, {struck} lines struck");
    }

    fn after(&self, struck: usize) -> String {
        self.with_struck(|number| number < struck)
    }

    /// The pad as it is when these lines are struck.
    fn with_struck(&self, is_struck: impl Fn(usize) -> bool) -> String {
        let line = |(number, line): (usize, &str)| {
            let rest = line.strip_prefix(' ').expect("seqgen begins each line with a blank");
            format!("{}{rest}\n", if is_struck(number) { '#' } else { ' ' })
        };
        self.text.lines().enumerate().map(line).collect()
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a pad")
}

pub(crate) fn write_private(path: &Path, text: &str) {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("a new pad");
    fs::write(path, text).expect("the pad's lines");
    assert_eq!(fs::metadata(path).expect("the pad").permissions().mode() & 0o777, 0o600);
}
