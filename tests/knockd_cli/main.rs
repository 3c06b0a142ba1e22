//! knockd's command line and its refusals: all that needs no packets.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking")]

mod trust;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::Mode;
use tempfile::TempDir;

const DOOR: &str = "[d]\nsequence = 1,9,5\ntcpflags = syn\ncommand = true\n";

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn knockd(args: &[&str]) -> Ran {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_knockd"));
    let output = command.args(args).timeout(Duration::from_secs(60)).output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A directory for files that nobody else can write to, whatever the user's umask.
fn directory() -> TempDir {
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    TempDir::new().unwrap()
}

/// Runs it with this configuration and a pidfile that cannot be, so that it always ends by itself.
fn with_config(text: &str, more: &[&str]) -> Ran {
    let directory = directory();
    let path = directory.path().join("knockd.conf");
    fs::write(&path, text).unwrap();
    let mut args = vec!["-c", path.to_str().unwrap(), "-i", "nosuch7", "-p", "/dev/null/pid"];
    args.extend(more);
    knockd(&args)
}

#[test]
fn version() {
    for flag in ["-V", "--version"] {
        let ran = knockd(&[flag]);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (Some(0), concat!("knockd ", env!("CARGO_PKG_VERSION"), "\n"))
        );
    }
}

#[test]
fn help_names_every_flag() {
    for flag in ["-h", "--help"] {
        let ran = knockd(&[flag]);
        assert_eq!(ran.code, Some(0));
        for name in
            ["-c, --config", "-i, --interface", "-g, --logfile", "-v, --verbose", "-D, --debug", "-V", "-h"]
        {
            assert!(ran.out.contains(name), "{name} is missing from:\n{}", ran.out);
        }
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for args in [
        &["--nosuch"][..],
        &["-c"],
        &["stray"],
        &["--json"],
        &["--prometheus"],
        &["--status", "--json", "--prometheus"],
        &["--status", "--check"],
        &["--status", "-d"],
        &["--status", "-i", "eth0"],
    ] {
        assert_eq!(knockd(args).code, Some(2), "{args:?}");
    }
}

#[test]
fn no_flag_is_left_unheard_beside_others() {
    let with = ["--check", "--daemon", "--read", "--status", "--init-counter", "--dry-run", "--verbose"];
    for (flag, needs) in [("--show", "--check"), ("--json", "--status"), ("--prometheus", "--status")] {
        for other in with.into_iter().filter(|other| *other != needs) {
            let value = match other {
                "--read" => Some("savefile"),
                "--init-counter" => Some("ssh=0"),
                _ => None,
            };
            let ran = knockd(&[&[flag, other][..], value.as_slice()].concat());
            assert_eq!(ran.code, Some(2), "{flag} {other}");
        }
    }
}

#[test]
fn a_status_that_nobody_tells_is_exit_code_4_and_says_where_nobody_is() {
    let directory = directory();
    let config = directory.path().join("no such.conf");
    let config = config.to_str().unwrap();
    for (args, out) in [(&[][..], ""), (&["--json"], ""), (&["--prometheus"], "knockd_up 0\n")] {
        let ran = knockd(&[&["--status", "-c", config], args].concat());
        assert_eq!(ran.code, Some(4), "{args:?}");
        assert!(ran.out.ends_with(out) && ran.out.is_empty() == out.is_empty(), "{}", ran.out);
        assert!(ran.err.starts_with("knockd: no daemon answers at /run/knockd/no_such.conf-"), "{}", ran.err);
        assert!(ran.err.contains(config), "{}", ran.err);
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_exit_code_3() {
    let directory = directory();
    for path in [directory.path(), &directory.path().join("nosuch.conf"), Path::new("/dev/null/x")] {
        let ran = knockd(&["-c", path.to_str().unwrap()]);
        assert_eq!(ran.code, Some(3), "{}", ran.err);
        let start = format!("knockd: the configuration {} cannot be read: ", path.display());
        assert!(ran.err.starts_with(&start), "{}", ran.err);
    }
}

#[test]
fn a_refused_configuration_shows_every_error_with_its_place() {
    let ran = with_config("[d]\nsequence = 70000\nseqence = 1\ncommand = x\ntcpflags = syn\n", &[]);
    assert_eq!(ran.code, Some(3));
    for text in ["knockd.conf:2:12", "70000", "knockd.conf:3:1", "did you mean `sequence`?", "2 errors"] {
        assert!(ran.err.contains(text), "{text} is missing from:\n{}", ran.err);
    }
}

#[test]
fn a_name_that_no_interface_can_have_is_refused() {
    for name in ["no/such", "a-name-too-long-", "", "two words", "..", "lo,eth0"] {
        let ran = knockd(&["-i", name]);
        assert_eq!(ran.code, Some(2), "{name}: {}", ran.err);
        assert!(ran.err.contains("no interface can have this name"), "{}", ran.err);
        let ran = with_config(&format!("[options]\ninterface = lo,{name}\n{DOOR}"), &["--check"]);
        assert!(name == "lo,eth0" || ran.code == Some(3), "{name}: {}", ran.err);
    }
    let fits = knockd(&["-i", "fifteen-letters", "-c", "/dev/null/conf"]);
    assert_eq!(fits.code, Some(3), "{}", fits.err);
}

#[test]
fn a_log_file_that_cannot_be_opened_is_exit_code_1() {
    let directory = directory();
    let ran = with_config(DOOR, &["-g", directory.path().to_str().unwrap()]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("the log file") && ran.err.contains("cannot be opened"), "{}", ran.err);
    let in_config = format!("[options]\nlogfile = {}\n{DOOR}", directory.path().display());
    assert_eq!(with_config(&in_config, &[]).code, Some(1));
}

#[test]
fn warnings_of_the_configuration_are_logged() {
    let directory = directory();
    let log = directory.path().join("log");
    with_config("[d]\nsequence = 1\ncommand = true\n", &["-g", log.to_str().unwrap()]);
    let said = fs::read_to_string(&log).unwrap();
    assert!(
        said.contains("warning: ") && said.contains("knockd.conf:1:2: door [d] has no tcpflags"),
        "{said}"
    );
    assert!(said.contains("knockd.conf:2:12: anybody who connects to port 1 opens it"), "{said}");
}

#[test]
fn check_shows_what_scans_could_open_and_finds_the_file_good() {
    let ran = with_config("[d]\nsequence = 7\ntcpflags = syn\ncommand = true\n", &["--check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("2 | sequence = 7\n  |            ^\n"), "{}", ran.err);
    assert!(ran.out.ends_with("knockd.conf: good, 1 door on nosuch7\n"), "{}", ran.out);
}

#[test]
fn check_shows_the_whole_configuration_which_reads_back_as_the_same() {
    let directory = directory();
    let pad = directory.path().join("pad");
    fs::write(&pad, " 1,2\n").unwrap();
    fs::set_permissions(&pad, fs::Permissions::from_mode(0o600)).unwrap();
    let classic = directory.path().join("knockd.conf");
    let text =
        format!("{DOOR}[once]\none_time_sequences = {}\ntcpflags = syn\ncommand = true\n", pad.display());
    fs::write(&classic, text).unwrap();
    let first = knockd(&["-c", classic.to_str().unwrap(), "--check", "--show", "-i", "eth7"]);
    assert_eq!(first.code, Some(0), "{}", first.err);
    for line in [
        "pidfile = \"/run/knockd.pid\"",
        "state_dir = \"/var/lib/knockd\"",
        "interface = \"eth7\"",
        "scan_guard = \"auto\"",
        "sandbox = \"strict\"",
        "[d]",
        "seq_timeout = 25",
        "one_time_window = 5",
        "# Not set: usesyslog, logfile, capabilities.",
    ] {
        assert_eq!(
            first.out.lines().filter(|shown| *shown == line).count(),
            1 + usize::from(line == "seq_timeout = 25"),
            "{line}: {}",
            first.out
        );
    }
    assert!(
        first.err.contains("once: 1 sequence left in ") && first.err.contains(": good, 2 doors on eth7\n"),
        "{}",
        first.err
    );

    let toml = directory.path().join("knockd.toml");
    fs::write(&toml, &first.out).unwrap();
    let second = knockd(&["-c", toml.to_str().unwrap(), "--check", "--show"]);
    assert_eq!(second.code, Some(0), "{}", second.err);
    let without_name = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    assert_eq!(without_name(&second.out), without_name(&first.out));

    let alone = knockd(&["-c", toml.to_str().unwrap(), "--show"]);
    assert_eq!((alone.code, alone.out.as_str()), (Some(2), ""));
    fs::write(&classic, "[d]\nseqence = 1\n").unwrap();
    let refused = knockd(&["-c", classic.to_str().unwrap(), "--check", "--show"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(3), ""));
}

#[test]
fn every_example_loads_without_a_warning() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for file in fs::read_dir(examples).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            let (config, report) = knockd::config::parse(path.to_str().unwrap(), &fs::read(&path).unwrap());
            assert_eq!(report.problems(), [], "{}", report.render(false));
            assert!(!config.unwrap().doors.is_empty());
            seen += 1;
        }
    }
    assert!(seen >= 3);
}

#[test]
fn no_path_controls_the_terminal() {
    let directory = directory();
    let pad = directory.path().join("pad\u{1b}[2J");
    fs::write(&pad, " 1,2\nbad\n").unwrap();
    let config = directory.path().join("\u{1b}]0;title\u{7}.conf");
    let text = format!("[d]\none_time_sequences = {}\ntcpflags = syn\ncommand = true\n", pad.display());
    for text in [text.as_str(), "[d]\nseqence = 1\n", ""] {
        fs::write(&config, text).unwrap();
        for args in [&["--check"][..], &["-i", "nosuch7", "-p", "/dev/null/pid"]] {
            let ran = knockd(&[&["-c", config.to_str().unwrap()], args].concat());
            let said = ran.out + &ran.err;
            assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
        }
    }
    let missing = knockd(&["-c", "/nonexistent/\u{1b}[2J", "--check"]);
    assert!(missing.err.contains("\\u{1b}[2J"), "{:?}", missing.err);
}

#[test]
fn a_user_who_is_not_there_is_found_by_the_check_as_by_a_start() {
    let text = format!("[options]\nuser = nosuch7\n{DOOR}");
    for more in [&["--check"][..], &[]] {
        let ran = with_config(&text, more);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{more:?}: {}", ran.err);
        assert!(ran.err.contains("there is no user nosuch7"), "{more:?}: {}", ran.err);
    }
}

#[test]
fn a_check_says_how_a_key_gets_its_counter_and_setting_it_is_all_that_it_takes() {
    let directory = directory();
    let at = directory.path();
    fs::create_dir(at.join("keys")).unwrap();
    for key in ["keys/alice.key", "keys/bob.key", "own.key"] {
        let material = seqgen::derive::KeyMaterial::Key(seqgen::derive::Key::generate().unwrap());
        fs::write(at.join(key), &*material.to_text()).unwrap();
        fs::set_permissions(at.join(key), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let place = at.display();
    let door = |name: &str, key: &str| format!("[{name}]\none_time_key = {place}/{key}\ncommand = true\n");
    let config = at.join("knockd.conf");
    let text = format!("[options]\nstate_dir = {place}/state\n{}{}", door("a", "keys"), door("b", "own.key"));
    fs::write(&config, text).unwrap();
    let run = |args: &[&str]| knockd(&[&["-c", config.to_str().unwrap()], args].concat());
    for (wish, missing) in [("a/alice=0", "a/alice=N"), ("a/bob=7", "a/bob=N"), ("b=0", "b=N")] {
        let advice = format!("there is no counter yet; knockd --init-counter {missing} sets it");
        let ran = run(&["--check"]);
        assert!(ran.out.contains(&advice) || ran.err.contains(&advice), "{}{}", ran.out, ran.err);
        let ran = run(&["--init-counter", wish]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    let ran = run(&["--check"]);
    assert!(!format!("{}{}", ran.out, ran.err).contains("stay shut"), "{}{}", ran.out, ran.err);
}
