//! Running one command: its own process group, a clean environment, its output caught, its end awaited.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::job::{CommandEnd, Ended, Errand, Job};
use super::output::{Output, Room};
use crate::config::Command;

/// How much is still read when a command has ended; a process that it has left running may write without end.
const LAST_WORDS: usize = 1 << 18;

/// Where commands look for programs: nothing of the daemon's own environment reaches them.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Tells commands which lease they open or close, and the next daemon which commands were left running.
pub(super) const LEASE_VARIABLE: &str = "KNOCK_LEASE";

/// Runs the job to its end; blocks for that long.  After `limit` it is ended with its process group.
///
/// What it has left running in the background may go on writing to the pipe, which comes back for that reason; it does
/// not block.  Somebody has to read it until the last writer has gone.
pub(super) fn run(job: &Job, limit: Duration) -> (CommandEnd, Option<PipeReader>) {
    let key = job.key.clone();
    let (outcome, complaint, pipe) = run_with(&job.command, variables(job), limit, Room::OF_THE_LOG);
    (CommandEnd { key, outcome, complaint }, pipe)
}

/// The same for an errand: its end, the beginning of what it wrote, and its pipe.
pub(super) fn run_errand(
    errand: &Errand,
    limit: Duration,
) -> (io::Result<Ended>, String, Option<PipeReader>) {
    // What could break out of a shell's quoting, such as a path, is not in the command but in its environment.
    let variables = vec![
        ("KNOCK_DOOR", errand.door.as_ref().into()),
        ("KNOCK_PAD", errand.pad.as_ref().into()),
        ("KNOCK_PAD_FILE", errand.path.clone().into()),
        ("KNOCK_LEFT", errand.left.to_string().into()),
    ];
    run_with(&errand.command, variables, limit, Room::OF_THE_LOG)
}

/// The same for a question that no door waits for: its end, and as much as there is room for of the answer.
pub(super) fn ask(command: &Command, limit: Duration, room: Room) -> (io::Result<Ended>, String) {
    let (outcome, said, _) = run_with(command, Variables::new(), limit, room);
    (outcome, said)
}

/// What a command is told in its environment.
type Variables = Vec<(&'static str, OsString)>;

fn run_with(
    command: &Command,
    variables: Variables,
    limit: Duration,
    room: Room,
) -> (io::Result<Ended>, String, Option<PipeReader>) {
    let (mut child, mut pipe) = match spawn(command, variables) {
        Ok(spawned) => spawned,
        Err(error) => return (Err(error), String::new(), None),
    };
    let mut output = Output::with(room);
    let (outcome, open) = supervise(&mut child, &mut pipe, limit, &mut output, end_of);
    (outcome, output.into_text(), open.then_some(pipe))
}

fn variables(job: &Job) -> Variables {
    let family = match job.key.source {
        IpAddr::V4(_) => "ipv4",
        IpAddr::V6(_) => "ipv6",
    };
    let mut variables = vec![
        ("KNOCK_IP", job.key.source.to_string().into()),
        ("KNOCK_DOOR", job.key.door.as_ref().into()),
        ("KNOCK_FAMILY", family.into()),
    ];
    variables.extend(job.pad.as_deref().map(|pad| ("KNOCK_PAD", pad.into())));
    variables.extend(job.lease.map(|lease| (LEASE_VARIABLE, lease.to_string().into())));
    variables
}

/// Starts a command; what it writes to standard output and standard error can be read from the pipe, which does not
/// block.
fn spawn(command: &Command, variables: Variables) -> io::Result<(Child, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    ioctl_fionbio(&reader, true)?;
    let writer = lasting(&writer)?;
    let mut command = match command {
        Command::Shell(text) => {
            let mut shell = std::process::Command::new("/bin/sh");
            shell.arg("-c").arg(text);
            shell
        }
        Command::Argv(argv) => {
            let mut program = std::process::Command::new(argv.program());
            program.args(argv.arguments());
            program
        }
    };
    let child = command
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .envs(variables)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()?;
    Ok((child, reader))
}

/// The writing end of a pipe for a command that may outlive us.
///
/// A stop command that is still running when the daemon ends must not die of its next word, half-way through
/// closing a door.  Opened for reading as well, the pipe never lacks a reader.
fn lasting(writer: &PipeWriter) -> io::Result<File> {
    File::options().read(true).write(true).open(format!("/proc/self/fd/{}", writer.as_raw_fd()))
}

/// Waits for the child's end, listening to what it says; how it ended, and whether somebody may say more.
fn supervise(
    child: &mut Child,
    pipe: &mut PipeReader,
    limit: Duration,
    output: &mut Output,
    end_of: impl FnOnce(Pid) -> io::Result<OwnedFd>,
) -> (io::Result<Ended>, bool) {
    let mut open = true;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let end = pid.ok_or_else(|| Errno::SRCH.into()).and_then(|pid| Ok((pid, end_of(pid)?)));
    let outcome =
        end.and_then(|(pid, end)| listen_until_end(child, pid, &end, pipe, limit, output, &mut open));
    if outcome.is_err() {
        // One whose end cannot be seen must not run on beside what follows it.
        let _ = pid.map(|pid| kill_process_group(pid, Signal::KILL));
        let _ = child.wait();
    }
    (outcome, open && read(pipe, output, LAST_WORDS))
}

/// What becomes readable when this process ends.
fn end_of(pid: Pid) -> io::Result<OwnedFd> {
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

fn listen_until_end(
    child: &mut Child,
    pid: Pid,
    end: &OwnedFd,
    pipe: &mut PipeReader,
    limit: Duration,
    output: &mut Output,
    open: &mut bool,
) -> io::Result<Ended> {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let _ = kill_process_group(pid, Signal::KILL);
            child.wait()?;
            return Ok(Ended::TimedOut);
        }
        let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        let mut fds = vec![PollFd::new(end, PollFlags::IN)];
        if *open {
            fds.push(PollFd::new(pipe, PollFlags::IN));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let exited = !fds[0].revents().is_empty();
        let readable = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        if exited {
            return Ok(ended(child.wait()?));
        }
        if readable {
            *open = read(pipe, output, 1);
        }
    }
}

/// Reads what is there, or not much more than `enough` of it; whether there may be more.
fn read(pipe: &mut impl Read, output: &mut Output, enough: usize) -> bool {
    let mut buffer = [0; 4096];
    let mut total = 0;
    while total < enough {
        match pipe.read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => {
                output.take(&buffer[..length]);
                total += length;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
    true
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Argv;
    use crate::open::{LeaseKey, Phase};

    fn end_of(text: &str) -> CommandEnd {
        end_of_command(Command::Shell(text.to_owned()))
    }

    fn end_of_words(words: &[&str]) -> CommandEnd {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        end_of_command(Command::Argv(Argv::new(words).unwrap()))
    }

    fn end_of_command(command: Command) -> CommandEnd {
        let key = LeaseKey { door: "front door".into(), source: "192.0.2.2".parse().unwrap() };
        run(&Job { key, lease: None, pad: None, phase: Phase::Start, command }, LONG).0
    }

    /// Longer than any command here takes on a busy machine.
    const LONG: Duration = Duration::from_secs(60);

    /// Whether nobody writes to this pipe any more.  What another test just starts has a copy of it until its program
    /// begins.
    fn is_let_go_of(pipe: Option<PipeReader>) -> bool {
        pipe.is_none_or(|pipe| {
            let limit = Timespec::try_from(LONG).unwrap();
            let mut fds = [PollFd::new(&pipe, PollFlags::empty())];
            poll(&mut fds, Some(&limit)).unwrap() == 1 && fds[0].revents() == PollFlags::HUP
        })
    }

    #[test]
    fn a_command_whose_end_cannot_be_seen_is_ended() {
        let key = LeaseKey { door: "d".into(), source: "192.0.2.2".parse().unwrap() };
        let command = Command::Shell("sleep 600".to_owned());
        let job = Job { key, lease: None, pad: None, phase: Phase::Start, command };
        let (mut child, mut pipe) = spawn(&job.command, variables(&job)).unwrap();
        let none = |_| Err(io::Error::from(Errno::MFILE));
        let (outcome, _) = supervise(&mut child, &mut pipe, LONG, &mut Output::with(Room::OF_THE_LOG), none);
        assert!(outcome.is_err());
        let ended = child.try_wait().unwrap().and_then(|status| status.signal());
        assert_eq!(ended, Some(Signal::KILL.as_raw()));
    }

    #[test]
    fn a_command_that_runs_for_too_long_is_killed_with_its_group() {
        let key = LeaseKey { door: "d".into(), source: "192.0.2.2".parse().unwrap() };
        let command = Command::Shell("sleep 600 & echo $! >&2; sleep 600".to_owned());
        let job = Job { key, lease: None, pad: None, phase: Phase::Start, command };
        let (end, _) = run(&job, Duration::from_millis(500));
        assert_eq!(end.outcome.unwrap(), Ended::TimedOut);
        let background = Pid::from_raw(end.complaint.parse().unwrap()).unwrap();
        // Whoever adopts it reaps it, sooner or later.
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{background}/stat")).unwrap_or_default();
            !stat.contains(" (sleep) S")
        };
        let deadline = Instant::now() + LONG;
        while !gone() {
            assert!(Instant::now() < deadline, "the background process lives on");
            std::thread::yield_now();
        }
    }

    #[test]
    fn exit_codes_and_signals_are_told_apart() {
        assert_eq!(end_of("true").outcome.unwrap(), Ended::Exit(0));
        assert_eq!(end_of("exit 3").outcome.unwrap(), Ended::Exit(3));
        assert_eq!(end_of("kill -9 $$").outcome.unwrap(), Ended::Signal(9));
    }

    #[test]
    fn words_run_without_a_shell() {
        let said = end_of_words(&[
            "/usr/bin/env",
            "sh",
            "-c",
            r#"printf '%s|' "$@" >&2"#,
            "sh",
            "a b",
            "$(id)",
            ";",
            "",
        ]);
        assert_eq!(said.complaint, "a b|$(id)|;||");
        assert_eq!(said.outcome.unwrap(), Ended::Exit(0));
    }

    #[test]
    fn a_program_without_a_path_is_looked_up_in_the_search_path() {
        assert_eq!(end_of_words(&["true"]).outcome.unwrap(), Ended::Exit(0));
        let missing = end_of_words(&["no-such-program-7"]).outcome.unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_beginning_of_all_that_is_said_is_kept_in_its_order() {
        assert_eq!(end_of("echo no; echo such >&2; echo chain; exit 1").complaint, "no\nsuch\nchain");
        let long = end_of("i=0; while [ $i -lt 3000 ]; do echo 0123456789 >&2; i=$((i+1)); done");
        assert_eq!(long.outcome.unwrap(), Ended::Exit(0));
        let lines = "0123456789\n".repeat(5);
        assert_eq!(long.complaint, format!("{lines}[and {} more bytes]", 2995 * 11));
    }

    #[test]
    fn a_command_learns_who_knocked_where_and_nothing_else() {
        let end = end_of("env | sort >&2");
        let names: Vec<_> = end.complaint.lines().collect();
        let path = format!("PATH={SEARCH_PATH}");
        let expected =
            ["KNOCK_DOOR=front door", "KNOCK_FAMILY=ipv4", "KNOCK_IP=192.0.2.2", path.as_str(), "PWD=/"];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_command_that_outlives_its_reader_may_go_on_complaining() {
        let (release, hold) = std::io::pipe().unwrap();
        let path = format!("/proc/{}/fd/{}", std::process::id(), release.as_raw_fd());
        let command = format!("cat {path} >/dev/null; echo complaint >&2; exit 7");
        let (mut child, stderr) = spawn(&Command::Shell(command), Vec::new()).unwrap();
        drop(stderr);
        drop(hold);
        assert_eq!(ended(child.wait().unwrap()), Ended::Exit(7));
    }

    #[test]
    fn a_background_process_does_not_hold_up_the_end_and_keeps_its_pipe() {
        let (release, hold) = std::io::pipe().unwrap();
        let key = LeaseKey { door: "d".into(), source: "192.0.2.2".parse().unwrap() };
        let path = format!("/proc/{}/fd/{}", std::process::id(), release.as_raw_fd());
        let command = Command::Shell(format!("{{ cat {path} >/dev/null; echo late; }} & echo started >&2"));
        let (end, pipe) = run(&Job { key, lease: None, pad: None, phase: Phase::Start, command }, LONG);
        assert_eq!(end.complaint, "started");
        let mut pipe = pipe.unwrap();
        ioctl_fionbio(&pipe, false).unwrap();
        drop(hold);
        let mut late = String::new();
        pipe.read_to_string(&mut late).unwrap();
        assert_eq!(late, "late\n");
    }

    #[test]
    fn a_command_that_leaves_nothing_running_leaves_no_pipe() {
        let key = LeaseKey { door: "d".into(), source: "192.0.2.2".parse().unwrap() };
        let command = Command::Shell("echo done".to_owned());
        let (_, pipe) = run(&Job { key, lease: None, pad: None, phase: Phase::Start, command }, LONG);
        assert!(is_let_go_of(pipe));
    }

    #[test]
    fn an_errand_learns_of_its_pad_whatever_that_is_called() {
        let command = Command::Shell("env | sort; printf '%s' \"$KNOCK_PAD_FILE\"".to_owned());
        let errand = Errand {
            door: "front door".into(),
            pad: "alice".into(),
            path: "/p/$(id);'\"`id`.pad".into(),
            left: 5,
            command,
        };
        let (outcome, said, pipe) = run_errand(&errand, LONG);
        assert!(matches!(outcome, Ok(Ended::Exit(0))) && is_let_go_of(pipe));
        let path = errand.path.display();
        let expected = format!("KNOCK_DOOR=front door\nKNOCK_LEFT=5\nKNOCK_PAD=alice\nKNOCK_PAD_FILE={path}");
        assert!(said.starts_with(&expected), "{said}");
    }
}
