//! `-d`: a daemon in the background, and its pidfile.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::daemon::Launch;
use crate::net::{Lab, SERVER};
use crate::own_run;
use crate::programs;
use crate::wait::{PATIENCE, wait_until};

const DOOR: &str = "
[door]
    sequence = 7000,8000,9000
    tcpflags = syn
    command  = true
";

/// A daemon that left its caller; found by its pidfile.
struct Background {
    pid: Pid,
    pidfile: PathBuf,
}

impl Background {
    /// Starts it, and checks that the caller's process ended well when it was ready.
    #[track_caller]
    fn start(lab: &Lab, launch: &Launch<'_>, pidfile: &Path) -> Self {
        let (status, said) = run(lab, launch);
        assert!(status.success(), "{status}: {said}");
        assert_eq!(said, "", "nothing to say, nothing said");
        let text = fs::read_to_string(pidfile).expect("the pidfile is there when the caller's process ends");
        let pid = text.strip_suffix('\n').and_then(|pid| Pid::from_raw(pid.parse().ok()?)).expect("a pid");
        let daemon = Self { pid, pidfile: pidfile.to_owned() };
        assert!(daemon.runs(), "{text} is not running");
        daemon
    }

    fn runs(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero()))
            .is_ok_and(|stat| !stat.contains(") Z "))
    }

    /// Whether there is a process of this number, be it one that has ended and waits to be reaped.
    fn is_listed(&self) -> bool {
        Path::new(&format!("/proc/{}", self.pid.as_raw_nonzero())).exists()
    }

    /// What the kernel says of the process: its group, session and terminal among other things.
    fn status(&self, field: usize) -> String {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero())).expect("it runs");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
        fields.split_whitespace().nth(field).expect("a field").to_owned()
    }

    fn ends(&self) -> bool {
        kill_process(self.pid, Signal::TERM).expect("signalling our own daemon");
        wait_until(PATIENCE, || !self.runs())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.runs() {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

/// Runs the command to its end; what it said goes by a file, since a pipe would wait for the daemon too.
fn run(lab: &Lab, launch: &Launch<'_>) -> (ExitStatus, String) {
    let path = lab.path("said");
    let said = File::create(&path).expect("a file");
    let status = launch
        .command(lab)
        .stdout(said.try_clone().expect("a second handle"))
        .stderr(said)
        .status()
        .expect("ip: install iproute2");
    (status, fs::read_to_string(path).expect("UTF-8"))
}

/// Whether a knock that begins with this port opens the door within the time.
fn opens(lab: &Lab, first: u16, limit: Duration) -> bool {
    let openings = || lab.read("knockd.log").matches(": door: OPEN SESAME").count();
    let before = openings();
    lab.knock(&[SERVER, &first.to_string(), "8000", "9000"]);
    wait_until(limit, || openings() == before + 1)
}

#[test]
fn d_returns_when_the_daemon_listens_and_leaves_a_pidfile_until_it_ends() {
    let test = "d_returns_when_the_daemon_listens_and_leaves_a_pidfile_until_it_ends";
    let Some(lab) = Lab::new(test) else { return };
    for flag in ["-d", "--daemon"] {
        let pidfile = lab.path("named.pid");
        let args = &["-i", "eth0", flag, "-p", pidfile.to_str().expect("a path in UTF-8")];
        let daemon = Background::start(&lab, &Launch { args, ..Launch::new(DOOR) }, &pidfile);
        // One knock, and no wait before it: the daemon listens already.
        assert!(opens(&lab, 7000, PATIENCE), "{}", lab.read("knockd.log"));

        let pid = daemon.pid.as_raw_nonzero().to_string();
        assert_eq!(daemon.status(3), pid, "it leads a session of its own");
        assert_eq!(daemon.status(4), "0", "it has no terminal");
        let links = ["cwd", "fd/0", "fd/1", "fd/2"].map(|link| {
            fs::read_link(format!("/proc/{pid}/{link}")).expect("a link").to_string_lossy().into_owned()
        });
        assert_eq!(links, ["/", "/dev/null", "/dev/null", "/dev/null"]);

        assert!(daemon.ends(), "SIGTERM does not end it");
        assert!(!daemon.pidfile.exists(), "the pidfile is still there");
    }
}

#[test]
fn the_pidfile_is_where_the_configuration_says() {
    let Some(lab) = Lab::new("the_pidfile_is_where_the_configuration_says") else { return };
    let pidfile = lab.path("configured.pid");
    let options = format!("    PidFile = {}\n", pidfile.display());
    let launch = Launch { options: &options, args: &["-i", "eth0", "-d"], ..Launch::new(DOOR) };
    let daemon = Background::start(&lab, &launch, &pidfile);
    assert!(daemon.ends());
    assert!(!pidfile.exists());

    let named = lab.path("named.pid");
    let args = &["-i", "eth0", "-d", "--pidfile", named.to_str().expect("a path in UTF-8")];
    let daemon = Background::start(&lab, &Launch { args, ..launch }, &named);
    assert!(!pidfile.exists(), "the flag goes before the configuration");
    assert!(daemon.ends());
}

#[test]
fn everybody_may_read_the_pidfile_and_the_group_a_new_log_whatever_the_file_mask() {
    let test = "everybody_may_read_the_pidfile_and_the_group_a_new_log_whatever_the_file_mask";
    let Some(lab) = Lab::new(test) else { return };
    let pidfile = lab.path("named.pid");
    let args = &["-i", "eth0", "-d", "-p", pidfile.to_str().expect("a path in UTF-8")];
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o7777;
    let log = lab.path("knockd.log");
    for mask in ["umask 0", "umask 077"] {
        let daemon = Background::start(&lab, &Launch { before: mask, args, ..Launch::new(DOOR) }, &pidfile);
        assert_eq!((mode(&pidfile), mode(&log)), (0o644, 0o640), "{mask}");
        assert!(daemon.ends());
        fs::remove_file(&log).expect("the log");
    }
    // One that is there already is left as it is.
    fs::write(&log, "").expect("a log");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o604)).expect("its mode");
    let daemon = Background::start(&lab, &Launch { args, ..Launch::new(DOOR) }, &pidfile);
    assert_eq!(mode(&log), 0o604);
    assert!(daemon.ends());
}

#[test]
fn the_pidfile_is_in_run_otherwise() {
    let Some(lab) = Lab::new("the_pidfile_is_in_run_otherwise") else { return };
    let launch = Launch { args: &["-i", "eth0", "-d"], ..Launch::new(DOOR) };
    let daemon = Background::start(&lab, &launch, &own_run::directory(&lab).join("knockd.pid"));
    assert!(daemon.ends());
    assert!(!daemon.pidfile.exists());
}

#[test]
fn a_second_daemon_with_the_same_pidfile_is_refused() {
    let Some(lab) = Lab::new("a_second_daemon_with_the_same_pidfile_is_refused") else { return };
    let pidfile = lab.path("one.pid");
    let path = pidfile.to_str().expect("a path in UTF-8");
    let launch = Launch { args: &["-i", "eth0", "-d", "-p", path], ..Launch::new(DOOR) };
    let daemon = Background::start(&lab, &launch, &pidfile);
    for args in [&["-i", "eth0", "-d", "-p", path][..], &["-i", "eth0", "-p", path]] {
        let (status, said) = run(&lab, &Launch { name: "second", args, ..Launch::new(DOOR) });
        assert_eq!(status.code(), Some(1), "{said}");
        let pid = daemon.pid.as_raw_nonzero().to_string();
        for word in ["another knockd is running", path, &pid] {
            assert!(said.contains(word), "`{word}` is missing from: {said}");
        }
    }
    assert!(daemon.runs() && daemon.pidfile.exists());
    assert!(opens(&lab, 7000, PATIENCE), "the first daemon should go on");
}

#[test]
fn a_stale_pidfile_is_replaced() {
    let Some(lab) = Lab::new("a_stale_pidfile_is_replaced") else { return };
    let pidfile = lab.path("stale.pid");
    let path = pidfile.to_str().expect("a path in UTF-8");
    let launch = Launch { args: &["-i", "eth0", "-d", "-p", path], ..Launch::new(DOOR) };
    let killed = Background::start(&lab, &launch, &pidfile);
    kill_process(killed.pid, Signal::KILL).expect("signalling our own daemon");
    assert!(wait_until(PATIENCE, || !killed.is_listed()));
    assert!(pidfile.exists(), "a killed daemon cannot remove it");
    let next = Background::start(&lab, &launch, &pidfile);
    assert_ne!(next.pid, killed.pid);
    assert!(next.ends());

    // A number that some other process has got since.
    fs::write(&pidfile, format!("{}\n", std::process::id())).expect("a stale pidfile");
    assert!(Background::start(&lab, &launch, &pidfile).ends());
}

/// As it is for a moment after a crash, and for long where nobody reaps.
#[test]
fn the_pidfile_of_a_daemon_that_has_ended_and_was_not_reaped_is_stale() {
    let Some(lab) = Lab::new("the_pidfile_of_a_daemon_that_has_ended_and_was_not_reaped_is_stale") else {
        return;
    };
    let program = lab.path("knockd");
    fs::copy("/bin/true", &program).expect("a program that ends at once");
    let mut ended = Command::new(&program).spawn().expect("a process");
    let stat = || fs::read_to_string(format!("/proc/{}/stat", ended.id())).expect("it is not reaped");
    assert!(wait_until(PATIENCE, || stat().contains("(knockd) Z ")), "{}", stat());

    let pidfile = lab.path("stale.pid");
    fs::write(&pidfile, format!("{}\n", ended.id())).expect("a stale pidfile");
    let args = &["-i", "eth0", "-d", "-p", pidfile.to_str().expect("a path in UTF-8")];
    let (status, said) = run(&lab, &Launch { args, ..Launch::new(DOOR) });
    ended.wait().expect("our own child");
    assert!(status.success(), "{status}: {said}");
    let pid = fs::read_to_string(&pidfile).expect("a pidfile");
    let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("a pid");
    assert!(Background { pid, pidfile }.ends());
}

#[test]
fn what_prevents_a_start_is_said_before_the_caller_is_left() {
    let Some(lab) = Lab::new("what_prevents_a_start_is_said_before_the_caller_is_left") else { return };
    let pidfile = lab.path("never.pid");
    let path = pidfile.to_str().expect("a path in UTF-8");
    let bad = "[door]\nsequence = 70000\ncommand = true\n";
    let cases: [(&str, &[&str], i32, &str); 4] = [
        (DOOR, &["-i", "no/such", "-d", "-p", path], 2, "no interface can have this name"),
        (DOOR, &["-i", "eth0", "-d", "-p", path, "-g", "/nonexistent/log"], 1, "/nonexistent/log"),
        (bad, &["-i", "eth0", "-d", "-p", path], 3, "70000"),
        (DOOR, &["-i", "eth0", "-d", "-p", "/nonexistent/knockd.pid"], 1, "/nonexistent/knockd.pid"),
    ];
    for (doors, args, code, word) in cases {
        let (status, said) = run(&lab, &Launch { args, ..Launch::new(doors) });
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(said.contains(word), "`{word}` is missing from: {said}");
        assert!(!pidfile.exists(), "no daemon, no pidfile: {said}");
    }
}

#[test]
fn relative_paths_mean_the_directory_that_it_was_started_in() {
    let Some(lab) = Lab::new("relative_paths_mean_the_directory_that_it_was_started_in") else { return };
    let doors = |port: u16| {
        format!(
            "[options]\nLogFile = knockd.log\nPidFile = relative.pid\n[door]\nsequence = {port},8000,9000\ntcpflags = syn\ncommand = true\n"
        )
    };
    let config = lab.path("relative.conf");
    fs::write(&config, doors(7001)).expect("the configuration");
    let mut command = Command::new("sh");
    command.args(["-c", "cd \"$1\" && exec \"$2\" -d -i eth0 -c relative.conf", "sh"]);
    command.arg(lab.path("")).arg(programs::knockd());
    let said = lab.server.succeeds(&own_run::seen_by(&lab, &command));
    assert_eq!(said, "");
    let pidfile = lab.path("relative.pid");
    let pid = fs::read_to_string(&pidfile).expect("the pidfile");
    let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("a pid");
    let daemon = Background { pid, pidfile };
    assert!(!opens(&lab, 7000, Duration::from_millis(300)), "there is no such door yet");

    fs::write(&config, doors(7000)).expect("the configuration");
    kill_process(daemon.pid, Signal::HUP).expect("signalling our own daemon");
    let reloaded = || opens(&lab, 7000, Duration::from_millis(300));
    assert!(wait_until(PATIENCE, reloaded), "{}", lab.read("knockd.log"));
    assert!(daemon.ends());
    assert!(!daemon.pidfile.exists());
}
