//! Syslog that never holds up the daemon.
//!
//! The `syslog` crate blocks while the socket's queue is full and does not reconnect by itself, so it lives in a
//! thread of its own behind a bounded queue.  What does not fit is counted, and the count is logged.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use log::Level;
use syslog::{Facility, Formatter3164, Logger, LoggerBackend};

/// How many lines may wait for a slow syslogd.
const QUEUE: usize = 1024;

/// The sending end of the queue.
pub(super) struct Syslog {
    queue: Option<SyncSender<(Level, String)>>,
    dropped: u64,
}

impl Syslog {
    /// Starts the thread that talks to syslogd.
    pub(super) fn start() -> Syslog {
        let (queue, lines) = sync_channel(QUEUE);
        let started = thread::Builder::new().name("syslog".to_owned()).spawn(move || deliver(&lines));
        Syslog { queue: started.is_ok().then_some(queue), dropped: 0 }
    }

    /// Queues one line, and before it the number of those that found no room.
    pub(super) fn send(&mut self, level: Level, line: String) {
        if self.dropped > 0 {
            let notice = format!("{} log lines were lost: syslogd was too slow", self.dropped);
            if self.try_send(Level::Warn, notice) {
                self.dropped = 0;
            }
        }
        if !self.try_send(level, line) {
            self.dropped += 1;
        }
    }

    fn try_send(&self, level: Level, line: String) -> bool {
        let Some(queue) = &self.queue else { return false };
        !matches!(queue.try_send((level, line)), Err(TrySendError::Full(_) | TrySendError::Disconnected(_)))
    }
}

/// Delivers lines until the daemon lets go of the queue.  When syslogd has gone, each line tries to find it again.
fn deliver(lines: &Receiver<(Level, String)>) {
    let mut logger = None;
    let mut lost = 0;
    for (level, line) in lines {
        if lost > 0 && logger.is_none() {
            logger = connect();
            let notice = format!("{lost} log lines were lost: syslogd was gone");
            if logger.as_mut().is_some_and(|logger| write(logger, Level::Warn, &notice)) {
                lost = 0;
            }
        }
        let delivered = (0..2).any(|_| {
            if logger.is_none() {
                logger = connect();
            }
            let written = logger.as_mut().is_some_and(|logger| write(logger, level, &line));
            if !written {
                logger = None;
            }
            written
        });
        lost += u64::from(!delivered);
    }
}

fn connect() -> Option<Logger<LoggerBackend, Formatter3164>> {
    let formatter = Formatter3164 {
        facility: Facility::LOG_DAEMON,
        hostname: None,
        process: "knockd".to_owned(),
        pid: std::process::id(),
    };
    syslog::unix(formatter).ok()
}

fn write(logger: &mut Logger<LoggerBackend, Formatter3164>, level: Level, line: &str) -> bool {
    let result = match level {
        Level::Error => logger.err(line),
        Level::Warn => logger.warning(line),
        Level::Info => logger.info(line),
        Level::Debug | Level::Trace => logger.debug(line),
    };
    result.is_ok()
}
