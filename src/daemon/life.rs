//! Start, events, reload, end.

use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use log::{error, info, warn};

use super::args::Args;
use super::capture_thread::{Beginning, CaptureThread};
use super::changes::changes;
use super::detach;
use super::events::{Event, Hinted, Threads, start_commands, watch_pads, watch_signals};
use super::failure::Failure;
use super::inherited;
use super::names::Names;
use super::nft_sets::SetWatch;
use super::notify::Manager;
use super::pidfile::PidFile;
use super::setup::{Setup, log_warnings, summary};
use super::status::{Facts, Place, StatusServer};
use crate::clock::Clock;
use crate::config::{Config, Trigger};
use crate::logging::{for_terminal, log_to};
use crate::message::Sighting;
use crate::open::{Commands, Executor, Mode, end_orphans};
use crate::sandbox::{Confinement, Identity};
use crate::state::{Left, State, StateError, prepare_counters};
use crate::supervisor::{KeeperSender, Wish};

/// Tells this boot of the machine from others (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// How long to sleep at most while a door is open: the time in which the machine itself sleeps counts for its deadline, but
/// not for how long we wait.
const NAP: Duration = Duration::from_secs(30);

/// How long an orderly end may take to close the doors that are open.
const CLOSING: Duration = Duration::from_secs(1);

/// Runs the daemon until it is told to end.
pub(super) fn live(args: &Args) -> Result<(), Failure> {
    inherited::keep_to_ourselves();
    let setup = Setup::new(args)?;
    if args.detached {
        detach::leave_session().map_err(Failure::system("the daemon cannot leave its session"))?;
    }
    let (config, report) = setup.read_config()?;
    let clock = Clock;
    let started = clock.now();
    let (events, happened) = mpsc::channel();
    let interfaces = setup.interfaces(&config);
    let identity = Identity::find(config.options.user.as_deref())?;
    let beginning = Beginning {
        interfaces: interfaces.clone(),
        families: setup.families(),
        confinement: Confinement { identity, strength: config.options.sandbox },
        capabilities: config.options.capabilities,
    };
    // Before any other thread there is, since each has the capabilities of the one that starts it.
    let captures = CaptureThread::new(beginning, events.clone())?;
    let capture = captures.keeper.clone();
    log_to(&setup.destinations(&config))?;
    log_warnings(&report);
    watch_signals(events.clone()).map_err(Failure::system("signals cannot be watched"))?;
    captures.start()?;
    let _pidfile = setup.pidfile(&config).map(|path| PidFile::create(&path)).transpose()?;
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Earnest };
    let names = if args.lookup { Some(Names::start()) } else { None };
    let names = names.transpose().map_err(Failure::system("names cannot be looked up"))?;
    let hinted = Hinted::default();
    let pads = watch_pads(events.clone(), hinted.clone());
    let commands = start_commands(config.options.command_timeout.0, events.clone());
    let threads = Threads {
        capture: capture.clone(),
        events: events.clone(),
        commands: commands.clone(),
        names,
        pads,
        mode,
    };
    let state_dir = state_dir_for(&config, mode);
    let kept = state_dir.as_deref().map(keep_in).transpose()?;
    let (state, left) = kept.unwrap_or_else(|| (State::in_memory(), Left::default()));
    counters_for(&config, mode)?;
    let mut executor = Executor::new(threads, mode, state);
    executor.take_up(left, clock.now());
    executor.keep_looking(clock.now());
    executor.adopt(config.clone(), clock.now());
    let mut sets = SetWatch::default();
    sets.look(&config, clock.now());
    let facts = Facts { config: setup.config_path().display().to_string(), dry_run: args.dry_run, started };
    let status = answer_for(&setup, facts, events, capture.clone());
    // Before the log says so: whoever reads that line may knock at once.
    let open = captures.begin()?;
    if open.is_empty() {
        info!("starting up, with no interface there yet");
    } else {
        info!("starting up, listening on {}", open.join(", "));
    }
    if args.detached {
        detach::let_go().map_err(Failure::system("the daemon cannot let go of the terminal"))?;
    }
    let mut manager = Manager::from_environment();
    manager.ready(summary(&config, &interfaces));
    Life {
        setup,
        config,
        executor,
        commands,
        mode,
        state_dir,
        happened,
        hinted,
        capture,
        interfaces,
        clock,
        manager,
        status,
        sets,
    }
    .run()
}

/// Lets whoever may ask how the daemon is; one that cannot be asked serves all the same.
fn answer_for(
    setup: &Setup,
    facts: Facts,
    events: Sender<Event>,
    capture: KeeperSender,
) -> Option<StatusServer> {
    let place = Place::of(&setup.config_path());
    let unheard = |error| warn!("nobody can ask how this daemon is (knockd --status): {error}");
    StatusServer::start(&place, facts, events, capture).map_err(unheard).ok()
}

/// Says why a reload, or a part of it, has failed.
fn go_on_after(failure: &Failure) {
    error!("{failure}; the daemon goes on as before");
    if let Failure::Log(_) = failure {
        // The log that this went to may be one that nobody finds any more.
        let _ = writeln!(
            stderr(),
            "knockd: {}; the daemon goes on as before",
            for_terminal(&failure.to_string())
        );
    }
}

/// The state directory, if this configuration needs one: for used lines, or for doors that are to be closed.
fn state_dir_for(config: &Config, mode: Mode) -> Option<PathBuf> {
    let remembers =
        config.doors.iter().any(|door| !matches!(door.trigger, Trigger::Static(_)) || door.stop.is_some());
    (remembers && mode == Mode::Earnest).then(|| config.options.state_dir().to_owned())
}

/// Makes the directory for the counters of keys, if this configuration needs one and there is none.
fn counters_for(config: &Config, mode: Mode) -> Result<(), StateError> {
    let counts = config.doors.iter().any(|door| matches!(door.trigger, Trigger::Key(_)));
    if counts && mode == Mode::Earnest { prepare_counters(&config.options).map(drop) } else { Ok(()) }
}

/// Starts the daemon as a process of its own, and returns when it listens.
pub(super) fn detached() -> Result<(), Failure> {
    let failed = detach::start_daemon().map_err(Failure::system("the daemon cannot be started"))?;
    let code = failed.map(|status| status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1));
    code.map_or(Ok(()), |code| Err(Failure::Detached { code }))
}

/// Opens the state directory, and ends what an earlier daemon left running for the doors that it left open.
fn keep_in(path: &Path) -> Result<(State, Left), Failure> {
    let boot = std::fs::read_to_string(BOOT_ID).map_err(Failure::system("this boot's id cannot be read"))?;
    let (state, left) = State::open(path, boot.trim())?;
    end_orphans(&left.leases).map_err(Failure::system("running processes cannot be looked at"))?;
    Ok((state, left))
}

/// A running daemon.
struct Life {
    setup: Setup,
    /// What it goes by.
    config: Config,
    executor: Executor<Threads>,
    commands: Commands,
    mode: Mode,
    /// The state directory, if it is in use.
    state_dir: Option<PathBuf>,
    happened: Receiver<Event>,
    /// What has happened to pads since they were looked at.
    hinted: Hinted,
    capture: KeeperSender,
    interfaces: Vec<String>,
    clock: Clock,
    /// Whom to tell how we are.
    manager: Manager,
    /// Who tells whoever asks, for as long as there is somebody to answer.
    status: Option<StatusServer>,
    /// Looks at sets of nftables.
    sets: SetWatch,
}

impl Life {
    fn run(mut self) -> Result<(), Failure> {
        loop {
            match self.next_event() {
                Some(Event::Seen(sightings)) => {
                    self.act_on(sightings);
                    self.capture.send(Wish::Next);
                }
                Some(Event::PlanWanted) => self.capture.send(Wish::Plan(self.executor.plan())),
                Some(Event::CommandEnded(end)) => {
                    self.sets.look_after(&end, &self.config, self.clock.now());
                    self.executor.command_ended(&end, self.clock.now());
                }
                Some(Event::Pads) => {
                    if let Some(hint) = self.hinted.take() {
                        self.executor.look(&hint, self.clock.now());
                    }
                }
                Some(Event::StatusWanted(ask)) => ask.answer(self.executor.standing(self.clock.now())),
                Some(Event::Reload) => self.reload(),
                Some(Event::Terminate) => {
                    self.close();
                    return Ok(());
                }
                Some(Event::Leave) => {
                    self.leave();
                    return Ok(());
                }
                Some(Event::KeeperEnded) => {
                    self.close();
                    return Err(Failure::CaptureEnded);
                }
                None => {}
            }
            self.executor.tick(self.clock.now());
            if self.manager.alive(self.clock.now()) {
                // We are of no use without it, and awake anyway.
                self.capture.send(Wish::Check);
            }
        }
    }

    /// Waits for something to happen, or for the next deadline.
    fn next_event(&self) -> Option<Event> {
        let deadlines = [self.executor.next_deadline(), self.manager.next_pulse()];
        let deadlines = deadlines.into_iter().chain([self.executor.next_step()]);
        let Some(deadline) = deadlines.flatten().min() else { return self.happened.recv().ok() };
        let wait = deadline.wait_from(self.clock.now());
        let longest = if self.executor.is_idle() { Duration::MAX } else { NAP };
        self.happened.recv_timeout(wait.min(longest)).ok()
    }

    /// Closes the open doors, for as long as an orderly end may take.
    fn close(&mut self) {
        info!("shutting down");
        self.status = None;
        self.manager.stopping();
        self.end_capture();
        self.executor.close_all(self.clock.now());
        if !self.await_commands() {
            error!("a door could not be closed in time; the next start closes it");
            self.executor.leave_due();
        }
    }

    /// Leaves the open doors to the next start.
    fn leave(&mut self) {
        info!("shutting down; doors that are open stay open until the next start");
        self.status = None;
        self.manager.stopping();
        self.end_capture();
        self.executor.leave_all();
        if !self.await_commands() {
            warn!("a command is still running; the next start ends it");
        }
    }

    /// Ends the capture process, and acts on what it has seen until now: a line that was on the wire is used up before we
    /// go.
    fn end_capture(&mut self) {
        let (done, ended) = mpsc::channel();
        self.capture.send(Wish::End(done));
        // One that does not end now ends when we do.
        let _ = ended.recv_timeout(CLOSING);
        while let Ok(event) = self.happened.try_recv() {
            match event {
                Event::Seen(sightings) => self.act_on(sightings),
                Event::CommandEnded(end) => self.executor.command_ended(&end, self.clock.now()),
                _ => {}
            }
        }
    }

    fn act_on(&mut self, sightings: Vec<Sighting>) {
        for sighting in sightings {
            self.executor.report(sighting, self.clock.now());
        }
    }

    /// Waits until no command is left to run, for as long as an orderly end may take.
    fn await_commands(&mut self) -> bool {
        let end = self.clock.now() + CLOSING;
        while !self.executor.is_idle() {
            match self.happened.recv_timeout(end.wait_from(self.clock.now())) {
                Ok(Event::CommandEnded(ended)) => self.executor.command_ended(&ended, self.clock.now()),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    /// Reads the configuration again; whatever is wrong with it, what runs goes on.
    fn reload(&mut self) {
        self.manager.reloading();
        info!("re-reading config file: {}", self.setup.args().config.display());
        match self.try_reload() {
            Ok(config) => {
                for line in changes(&self.config, &config) {
                    info!("reloaded: {line}");
                }
                self.commands.limit_to(config.options.command_timeout.0);
                self.executor.adopt(config.clone(), self.clock.now());
                self.sets.look(&config, self.clock.now());
                self.config = config;
                self.manager.ready(summary(&self.config, &self.interfaces));
            }
            Err(failure) => {
                // Whoever rotates the log has it reopened like this, whatever somebody is writing just then.
                if !matches!(failure, Failure::Log(_))
                    && let Err(error) = log_to(&self.setup.destinations(&self.config))
                {
                    go_on_after(&error.into());
                }
                if let Some(report) = failure.report() {
                    report.problems().iter().for_each(|problem| error!("{}", report.line(problem)));
                    report.summary().iter().for_each(|summary| error!("{summary}"));
                }
                go_on_after(&failure);
                let status = summary(&self.config, &self.interfaces);
                self.manager.ready(format_args!("{status}; the last reload failed, and the log says why"));
            }
        }
    }

    /// Opens the state directory when the first door that needs it comes with a reload.
    fn use_state_dir(&mut self, config: &Config) -> Result<(), Failure> {
        let wanted = state_dir_for(config, self.mode);
        match (&self.state_dir, wanted) {
            (None, Some(path)) => {
                let (state, left) = keep_in(&path)?;
                self.executor.keep_in(state);
                self.executor.take_up(left, self.clock.now());
                self.state_dir = Some(path);
            }
            (Some(used), Some(path)) if *used != path => {
                warn!("{} becomes the state directory with the next start", path.display());
            }
            _ => {}
        }
        Ok(())
    }

    fn try_reload(&mut self) -> Result<Config, Failure> {
        let (config, report) = self.setup.read_config()?;
        let wanted = self.setup.interfaces(&config);
        // It counts for the next start only, which must not fail for it.
        Identity::find(config.options.user.as_deref())?;
        self.use_state_dir(&config)?;
        counters_for(&config, self.mode)?;
        log_to(&self.setup.destinations(&config))?;
        log_warnings(&report);
        if wanted != self.interfaces {
            self.capture.send(Wish::Interfaces(wanted.clone()));
            self.interfaces = wanted;
        }
        Ok(config)
    }
}
