//! The capture process from its start: open the interfaces, give up every privilege, and only then look at packets.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::thread::set_name;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use super::line::{Line, LineError};
use super::live::Feed;
use super::watch::Watch;
use crate::config::Sandbox;
use crate::message::Families;
use crate::packet::Hit;
use crate::sandbox::{Confinement, Identity, confine};
use crate::wire::{Instruction, MOST_WORDS, Setup, Strength};

/// The process's name, to be told from the executor.
const NAME: &std::ffi::CStr = c"knockd-capture";

/// Looks at each hit; for tests of what a capture process can still do when its decoder has been taken over.
pub type Seen = fn(&Hit);

/// Why the capture process ends; nobody may be there any more who could be told.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CaptureError(#[from] Inner);

#[derive(Debug, thiserror::Error)]
enum Inner {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it could not be confined")]
    NotConfined,
}

/// Runs the capture process on the socket that is its standard input, until the executor ends it, or itself.
pub fn run(seen: Option<Seen>) -> Result<(), CaptureError> {
    match captured(seen) {
        Err(Inner::Line(LineError::Ended)) => Ok(()),
        ended => Ok(ended?),
    }
}

fn captured(seen: Option<Seen>) -> Result<(), Inner> {
    let mut line = Line::of_stdin()?;
    // Only for whoever lists processes.
    let _ = set_name(NAME);
    outlive_signals()?;
    let mut feeds = Vec::new();
    let mut families = Families::Both;
    let confinement = loop {
        match line.wait()? {
            Instruction::Ipv4Only => families = Families::Ipv4Only,
            Instruction::Listen { number, name, among } => {
                let among = usize::try_from(among).unwrap_or(usize::MAX);
                let answer = match Feed::open(number, &name, families, among) {
                    Ok(feed) => {
                        let index = feed.index();
                        feeds.push(feed);
                        Setup::Opened { number, index }
                    }
                    Err(error) => Setup::NotOpened {
                        number,
                        lasting: error.is_lasting(),
                        words: beginning(error.to_string()),
                    },
                };
                line.say(&answer)?;
            }
            Instruction::Confine { uid, gid, strength } => {
                let strength = match strength {
                    Strength::Strict => Sandbox::Strict,
                    Strength::Log => Sandbox::Log,
                    Strength::Off => Sandbox::Off,
                };
                break Confinement { identity: Identity { uid, gid }, strength };
            }
            _ => return Err(LineError::from(crate::wire::BadMessage).into()),
        }
    };
    match confine(confinement) {
        Ok(lacking) => {
            for what in lacking {
                line.say(&Setup::Lacking(what.into()))?;
            }
            line.say(&Setup::Confined)?;
        }
        Err(error) => {
            line.say(&Setup::NotConfined { step: error.step.into(), errno: error.errno })?;
            line.flush_all()?;
            return Err(Inner::NotConfined);
        }
    }
    Ok(Watch::new(line, feeds, families, seen).run()?)
}

/// As much of the words as a message holds.
fn beginning(mut words: String) -> String {
    let end = (0..=MOST_WORDS).rev().find(|end| words.is_char_boundary(*end)).unwrap_or(0);
    words.truncate(end);
    words
}

/// The executor alone says when to end; whoever signals a whole group of processes means the executor.
fn outlive_signals() -> io::Result<()> {
    for signal in [SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}
