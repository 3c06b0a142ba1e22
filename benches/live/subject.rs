//! What is measured: daemons and bare loops, on the lab's server.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::bare::Style;
use crate::daemon::{Daemon, Launch};
use crate::doors::{door_with, pad, sequence};
use crate::meter::Meter;
use crate::net::Lab;
use crate::procfs::Process;
use crate::programs;

/// The static door's sequence.
pub(crate) const PORTS: [u16; 3] = [7000, 8000, 9000];

#[derive(Clone)]
pub(crate) enum Kind {
    Ours(PathBuf),
    Classic(PathBuf),
    Bare(Style),
}

#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What it is to wait for.
pub(crate) enum Door<'a> {
    /// [`PORTS`].
    Static,
    /// A line of this pad.
    Once(&'a Path),
}

impl Subject {
    /// This build, others whose paths are given, Debian's knockd if it is there, and the bare loops.
    pub(crate) fn all(others: &[String]) -> Vec<Subject> {
        let subject = |name: &str, kind| Subject { name: name.to_owned(), kind };
        let mut all = vec![subject("knockd", Kind::Ours(programs::knockd()))];
        all.extend(others.iter().map(|path| subject(path, Kind::Ours(path.into()))));
        match programs::peer() {
            Some(peer) => all.push(subject("knockd 0.8", Kind::Classic(peer.knockd))),
            None => eprintln!("SKIPPED: knockd 0.8, which is not in target/peer"),
        }
        all.push(subject("bare loop, same settings", Kind::Bare(Style::Same)));
        all.push(subject("bare loop, timeout 1 ms", Kind::Bare(Style::Millisecond)));
        all
    }

    pub(crate) fn is_daemon(&self) -> bool {
        !matches!(self.kind, Kind::Bare(_))
    }

    /// Its name, as a part of file names.
    pub(crate) fn file_name(&self) -> String {
        self.name.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect()
    }

    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Ours(_))
    }

    /// Starts it with a door that runs this command, or without one; it listens when this returns.
    pub(crate) fn start(&self, lab: &Lab, door: &Door<'_>, command: Option<&str>) -> Running {
        let program = match &self.kind {
            Kind::Bare(style) => return Running::Bare(Loop::start(lab, *style, command)),
            Kind::Ours(program) | Kind::Classic(program) => program.clone(),
        };
        let trigger = match door {
            Door::Static => sequence(&PORTS.map(|port| port.to_string()).join(",")),
            Door::Once(path) => pad(path),
        };
        let doors = door_with("measured", &trigger, "syn", command.unwrap_or("true"));
        let name = &self.file_name();
        // Of this build the lab knows that it needs a directory.
        let options = if self.is_ours() && !programs::is_ours(&program) {
            format!("    state_dir = {}\n", lab.path(&format!("{name}.state")).display())
        } else {
            String::new()
        };
        let args = &["-i", "eth0"];
        Running::Daemon(Launch { program, name, options: &options, args, ..Launch::new(&doors) }.start(lab))
    }
}

/// Ends when it is dropped.
pub(crate) enum Running {
    Daemon(Daemon),
    Bare(Loop),
}

impl Running {
    pub(crate) fn meter(&self) -> Meter {
        Meter::on(match self {
            Running::Daemon(daemon) => {
                let mut processes = vec![daemon.process()];
                processes.extend(daemon.process().captures());
                processes
            }
            Running::Bare(bare) => vec![Process::of(bare.0.id())],
        })
    }
}

/// The process of a bare loop.
pub(crate) struct Loop(Child);

impl Loop {
    fn start(lab: &Lab, style: Style, command: Option<&str>) -> Self {
        let mut bare = Command::new(env::current_exe().expect("our own path"));
        bare.args(["bare", style.word(), "eth0"]);
        if let Some(command) = command {
            bare.args([&PORTS[2].to_string(), command]);
        }
        let mut command = lab.server.command(&bare);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("ip: install iproute2");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
