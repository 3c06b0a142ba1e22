//! Commands on their way: each has a thread while it runs, and no more run than may at once.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use log::{error, info, warn};

use super::command;
use super::job::{CommandEnd, Errand, Job, mishap};
use super::leftovers::Leftovers;
use super::queue::{AT_ONCE, Queue, Turn};
use crate::state::LeaseKey;

/// How many errands may wait.
const ERRANDS: usize = 1024;

/// How often it may be said that commands have to wait.
const QUIET: Duration = Duration::from_secs(60);

/// Runs commands in their order, a bounded number at once.
#[derive(Clone)]
pub struct Commands {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    leftovers: Leftovers,
    after_end: Box<dyn Fn(CommandEnd) + Send + Sync>,
}

struct State {
    queue: Queue,
    /// Those that wait; nothing while none runs.
    errands: Option<VecDeque<Errand>>,
    limit: Duration,
    /// When it was last said that commands have to wait.
    said: Option<Instant>,
}

impl Commands {
    /// Calls `after_end` once for each command, from whatever thread; ends one that runs for longer than `limit`.
    pub fn new(limit: Duration, after_end: impl Fn(CommandEnd) + Send + Sync + 'static) -> Commands {
        let state = Mutex::new(State { queue: Queue::default(), errands: None, limit, said: None });
        let leftovers = Leftovers::new();
        Commands { shared: Arc::new(Shared { state, leftovers, after_end: Box::new(after_end) }) }
    }

    /// Ends commands that run for longer than this from now on; those that run already keep their limit.
    pub fn limit_to(&self, limit: Duration) {
        self.shared.state().limit = limit;
    }

    /// Runs a command as soon as it is its turn, without waiting for it.
    pub fn run(&self, job: Job) {
        let turn = self.shared.state().queue.push(job);
        match turn {
            Turn::Now(job) => self.start(job),
            Turn::First => self.say_that_some_wait(),
            Turn::Later => {}
            Turn::Refused(job) => {
                self.shared.fail(job.key, io::Error::other("too many others wait for their turn"));
            }
        }
    }

    /// Runs no command that opens a door and has not begun.
    pub fn open_no_more(&self) {
        let dropped = self.shared.state().queue.drop_openings();
        for job in dropped {
            self.shared.fail(job.key, io::Error::other("the daemon ends"));
        }
    }

    fn start(&self, job: Job) {
        let shared = Arc::clone(&self.shared);
        let key = job.key.clone();
        let started = thread::Builder::new().name("command".to_owned()).spawn(move || shared.work(job));
        if let Err(error) = started {
            error!("{}: no thread for the command: {error}", key.door);
            self.shared.fail(key, error);
            // Another one would fare no better now; those that wait have threads that will come to them.
            self.shared.state().queue.give_up();
        }
    }

    /// Runs an errand after those before it, without waiting for it: one at a time, so that they take nothing from the
    /// commands of doors.
    pub fn run_errand(&self, errand: Errand) {
        let mut state = self.shared.state();
        match &mut state.errands {
            Some(waiting) if waiting.len() < ERRANDS => waiting.push_back(errand),
            Some(_) => warn!("{}: too many commands for low pads wait for their turn", errand.door),
            none => {
                *none = Some(VecDeque::new());
                drop(state);
                let (shared, door) = (Arc::clone(&self.shared), Arc::clone(&errand.door));
                let work = move || shared.work_on_errands(errand);
                if let Err(error) = thread::Builder::new().name("errand".to_owned()).spawn(work) {
                    error!("{door}: no thread for the command: {error}");
                    self.shared.state().errands = None;
                }
            }
        }
    }

    fn say_that_some_wait(&self) {
        let mut state = self.shared.state();
        if state.said.is_none_or(|said| said.elapsed() >= QUIET) {
            state.said = Some(Instant::now());
            warn!("{AT_ONCE} commands are running; others have to wait for their turn");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs this command, and then others for as long as any wait.
    fn work(&self, job: Job) {
        let mut next = Some(job);
        while let Some(job) = next {
            let limit = self.state().limit;
            let (end, pipe) = command::run(&job, limit);
            // First of all, since the end of one command may be the reason for another.
            next = self.state().queue.next();
            (self.after_end)(end);
            if let Some(Err(error)) = pipe.map(|pipe| self.leftovers.add(pipe)) {
                warn!(
                    "{}: the output of what the command has left running is not read: {error}",
                    job.key.door
                );
            }
        }
    }

    /// Runs this errand, and then others for as long as any wait.
    fn work_on_errands(&self, errand: Errand) {
        let mut next = Some(errand);
        while let Some(errand) = next {
            let door = &errand.door;
            let limit = self.state().limit;
            let (outcome, said, pipe) = command::run_errand(&errand, limit);
            for line in said.lines().filter(|line| !line.trim().is_empty()) {
                info!("{door}: one_time_low_command says: {line}");
            }
            if let Some(words) = mishap(&outcome) {
                warn!("{door}: one_time_low_command: {words}");
            }
            if let Some(Err(error)) = pipe.map(|pipe| self.leftovers.add(pipe)) {
                warn!("{door}: the output of what the command has left running is not read: {error}");
            }
            let mut state = self.state();
            next = state.errands.as_mut().and_then(VecDeque::pop_front);
            if next.is_none() {
                state.errands = None;
            }
        }
    }

    fn fail(&self, key: LeaseKey, error: io::Error) {
        (self.after_end)(CommandEnd { key, outcome: Err(error), complaint: String::new() });
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::fd::AsRawFd;
    use std::sync::mpsc::{self, Receiver};

    use super::*;
    use crate::config::Command;
    use crate::open::{Ended, Phase};

    const LONG: Duration = Duration::from_secs(60);

    fn commands(limit: Duration) -> (Commands, Receiver<CommandEnd>) {
        let (sender, ends) = mpsc::channel();
        let after_end = move |end| drop(sender.send(end));
        (Commands::new(limit, after_end), ends)
    }

    fn job(number: usize, phase: Phase, text: &str) -> Job {
        let source = Ipv4Addr::from(u32::try_from(number).unwrap()).into();
        let key = LeaseKey { door: "d".into(), source };
        Job { key, lease: None, pad: None, phase, command: Command::Shell(text.to_owned()) }
    }

    /// A command that runs until the writer has gone.
    fn held() -> (String, io::PipeReader, io::PipeWriter) {
        let (release, hold) = io::pipe().unwrap();
        let path = format!("/proc/{}/fd/{}", std::process::id(), release.as_raw_fd());
        (format!("cat {path}"), release, hold)
    }

    #[test]
    fn every_command_has_its_turn_and_openings_are_given_up_at_the_end() {
        let (commands, ends) = commands(LONG);
        let (text, _release, hold) = held();
        for number in 0..AT_ONCE + 3 {
            commands.run(job(number, Phase::Start, &text));
        }
        commands.run(job(9000, Phase::Stop, "echo closed"));
        commands.open_no_more();
        for number in AT_ONCE..AT_ONCE + 3 {
            let end = ends.recv_timeout(LONG).unwrap();
            assert_eq!(end.key, job(number, Phase::Start, "").key);
            assert_eq!(end.outcome.unwrap_err().to_string(), "the daemon ends");
        }
        assert!(ends.try_recv().is_err(), "a command has ended that is held");
        drop(hold);
        let all: Vec<_> = (0..=AT_ONCE).map(|_| ends.recv_timeout(LONG).unwrap()).collect();
        assert!(all.iter().all(|end| matches!(end.outcome, Ok(Ended::Exit(0)))), "{all:?}");
        assert!(all.iter().any(|end| end.complaint == "closed"));
    }

    #[test]
    fn a_new_limit_holds_for_the_next_command() {
        let (commands, ends) = commands(LONG);
        commands.limit_to(Duration::from_millis(200));
        commands.run(job(1, Phase::Start, "exec sleep 600"));
        let end = ends.recv_timeout(LONG).unwrap();
        assert!(matches!(end.outcome, Ok(Ended::TimedOut)), "{end:?}");
    }

    #[test]
    fn what_a_command_has_left_running_can_write_as_much_as_it_likes() {
        let (commands, ends) = commands(LONG);
        let directory = tempfile::TempDir::new().unwrap();
        let fifo = directory.path().join("fifo");
        let fifo = fifo.display();
        // More than a pipe holds, and only then the sign that it went well.
        let text = format!(
            "mkfifo {fifo}; {{ head -c 1000000 /dev/zero; exec >{fifo}; echo well; }} & echo started"
        );
        commands.run(job(1, Phase::Start, &text));
        let end = ends.recv_timeout(LONG).unwrap();
        assert!(end.complaint.starts_with("started") || end.complaint.contains('\0'), "{end:?}");
        let (sender, said) = mpsc::channel();
        let fifo = directory.path().join("fifo");
        thread::spawn(move || sender.send(std::fs::read_to_string(fifo)));
        assert_eq!(said.recv_timeout(LONG).unwrap().unwrap(), "well\n", "it waits for its output to be read");
    }
}
