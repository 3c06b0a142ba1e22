//! Start, events, reload, end.

use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use log::{error, info, warn};

use super::args::Args;
use super::events::{Event, Threads, start_watch, watch_signals};
use crate::capture::{Control, Feed, OpenError, OrderSender, Watch, local_addresses};
use crate::clock::Clock;
use crate::config::{self, Config, Report};
use crate::logging::{Destinations, LogError, log_to};
use crate::message::Traffic;
use crate::open::Executor;
use crate::track::{Here, Tracker};

/// The interface of a configuration that names none, as with knockd 0.8.
const DEFAULT_INTERFACE: &str = "eth0";

/// How long an orderly end may take to close the doors that are open.
const CLOSING: Duration = Duration::from_millis(1500);

/// Why the daemon could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration cannot be read.
    #[error("the configuration {path} cannot be read: {error}")]
    Unreadable {
        /// Its path.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The configuration has errors.
    #[error("the configuration {path} is refused")]
    Refused {
        /// Its path.
        path: String,
        /// Every error, and the warnings.
        report: Report,
    },
    /// An interface cannot be captured from.
    #[error(transparent)]
    Capture(#[from] OpenError),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The operating system refuses something else.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: io::Error,
    },
    /// Capturing has ended by itself.
    #[error("no interface is left to listen on")]
    CaptureEnded,
}

impl Failure {
    /// The exit code, as knockd(8) lists them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Unreadable { .. } | Failure::Refused { .. } => 3,
            _ => 1,
        }
    }
}

/// Runs the daemon until it is told to end.
pub fn run(args: &Args) -> Result<(), Failure> {
    let (config, report) = read_config(&args.config)?;
    log_to(&destinations(args, &config))?;
    log_warnings(&report);
    let clock = Clock::new();
    let (events, happened) = mpsc::channel();
    watch_signals(events.clone()).map_err(system("signals cannot be watched"))?;

    let mut interfaces = interfaces(args, &config);
    let feeds = open_feeds(&interfaces)?;
    let tracker = Tracker::new(here()?);
    let (watch, orders) =
        Watch::new(feeds, tracker, clock).map_err(system("the capture cannot be set up"))?;
    let mut executor = Executor::new(Threads { orders: orders.clone(), events: events.clone() });
    executor.adopt(config, clock.now());
    start_watch(watch, events).map_err(system("the capture thread cannot be started"))?;
    info!("starting up, listening on {}", interfaces.join(", "));

    loop {
        match next_event(&happened, &executor, clock) {
            Some(Event::Report(report)) => executor.report(report, clock.now()),
            Some(Event::CommandEnded(end)) => executor.command_ended(&end, clock.now()),
            Some(Event::Reload) => reload(args, &mut executor, &orders, &mut interfaces, clock),
            Some(Event::Terminate) => {
                close(&mut executor, &happened, clock);
                return Ok(());
            }
            Some(Event::WatchEnded) => {
                close(&mut executor, &happened, clock);
                return Err(Failure::CaptureEnded);
            }
            None => {}
        }
        executor.tick(clock.now());
    }
}

/// Waits for something to happen, or for the executor's next deadline.
fn next_event(happened: &Receiver<Event>, executor: &Executor<Threads>, clock: Clock) -> Option<Event> {
    let Some(deadline) = executor.next_deadline() else { return happened.recv().ok() };
    happened.recv_timeout(deadline.wait_from(clock.now())).ok()
}

/// Closes the open doors, for as long as an orderly end may take.
fn close(executor: &mut Executor<Threads>, happened: &Receiver<Event>, clock: Clock) {
    info!("shutting down");
    executor.close_all(clock.now());
    let end = clock.now() + CLOSING;
    while !executor.is_idle() {
        match happened.recv_timeout(end.wait_from(clock.now())) {
            Ok(Event::CommandEnded(ended)) => executor.command_ended(&ended, clock.now()),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                error!("a door could not be closed in time; see which commands are still running");
                return;
            }
        }
    }
}

/// Reads the configuration again; whatever is wrong with it, what runs goes on.
fn reload(
    args: &Args,
    executor: &mut Executor<Threads>,
    orders: &OrderSender,
    interfaces: &mut Vec<String>,
    clock: Clock,
) {
    info!("re-reading config file: {}", args.config.display());
    match try_reload(args, orders, interfaces) {
        Ok(config) => executor.adopt(config, clock.now()),
        Err(failure) => {
            if let Failure::Refused { report, .. } = &failure {
                report.problems().iter().for_each(|problem| error!("{}", report.line(problem)));
            }
            error!("{failure}; the daemon goes on as before");
        }
    }
}

fn try_reload(args: &Args, orders: &OrderSender, interfaces: &mut Vec<String>) -> Result<Config, Failure> {
    let (config, report) = read_config(&args.config)?;
    let wanted = self::interfaces(args, &config);
    let feeds = if wanted == *interfaces { None } else { Some(open_feeds(&wanted)?) };
    let here = here()?;
    log_to(&destinations(args, &config))?;
    log_warnings(&report);
    if let Some(feeds) = feeds {
        info!("listening on {}", wanted.join(", "));
        orders.send(Control::Listen(feeds));
        *interfaces = wanted;
    }
    orders.send(Control::Here(here));
    Ok(config)
}

fn read_config(path: &Path) -> Result<(Config, Report), Failure> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Failure::Unreadable { path: name.clone(), error })?;
    match config::parse(&name, &bytes) {
        (Some(config), report) => Ok((config, report)),
        (None, report) => Err(Failure::Refused { path: name, report }),
    }
}

fn log_warnings(report: &Report) {
    report.problems().iter().for_each(|problem| warn!("{}", report.line(problem)));
}

fn destinations(args: &Args, config: &Config) -> Destinations {
    Destinations {
        file: args.logfile.clone().or_else(|| config.options.log_file.clone()),
        syslog: config.options.use_syslog,
        verbose: args.verbose || args.debug,
        debug: args.debug,
    }
}

fn interfaces(args: &Args, config: &Config) -> Vec<String> {
    match (&args.interface, &config.options.interfaces) {
        (Some(name), _) => vec![name.clone()],
        (None, Some(names)) => names.clone(),
        (None, None) => vec![DEFAULT_INTERFACE.to_owned()],
    }
}

/// Opens every interface.  They see nothing until the first plan says what there is to see.
fn open_feeds(names: &[String]) -> Result<Vec<Feed>, OpenError> {
    names.iter().map(|name| Feed::open(name, &Traffic::default())).collect()
}

fn here() -> Result<Here, Failure> {
    Ok(Here::Addresses(local_addresses().map_err(system("the host's addresses cannot be read"))?))
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::System { what, error }
}
