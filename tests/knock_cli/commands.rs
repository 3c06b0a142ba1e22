//! `-- COMMAND`: it runs when the door is open, in the client's place, and not at all otherwise.

use std::net::{Ipv4Addr, TcpListener};

use crate::support::{Catcher, Pad, knock, knock_line};

#[test]
fn the_command_runs_after_the_knock_and_its_exit_code_counts() {
    let catcher = Catcher::new();
    let port = format!("{}:udp", catcher.port());
    let ran =
        knock(["-q", "127.0.0.1", &port, "--", "sh", "-c", "echo $0 $1; echo oh >&2; exit 42", "a b", "-v"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(42), "a b -v\n", "oh\n"));
    catcher.hit();
}

#[test]
fn the_command_takes_the_place_of_the_client() {
    let mut child = std::process::Command::new(crate::support::KNOCK)
        .args(["-q", "127.0.0.1", "1", "--", "sh", "-c", "echo $$"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let mut said = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(said, format!("{pid}\n"));
}

#[test]
fn the_command_does_not_inherit_that_broken_pipes_are_ignored() {
    // A shell cannot take back what was ignored when it was started.
    let ran = knock(["-q", "127.0.0.1", "1", "--", "sh", "-c", "kill -PIPE $$; echo alive"]);
    assert_eq!((ran.code, ran.out.as_str()), (None, ""));
}

#[test]
fn with_wait_the_command_runs_only_where_the_port_is_open() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let pad = Pad::of(20);
    let run = |port: u16| pad.knock(&format!("-w {port}/1 127.0.0.1 -- echo open"));
    assert_eq!(run(port).quietly(), "open\n");
    assert!(!pad.text().contains('#'));
    run(1).refused(4, "tcp 127.0.0.1:1 is still shut");
    assert_eq!(pad.text().matches('#').count(), 1);
}

#[test]
fn nothing_runs_where_the_knock_fails_or_is_only_shown() {
    for (line, code) in [("0.0.0.0 1", 1), ("--resync 127.0.0.1 1", 2), ("--retry 1 127.0.0.1 1", 2)] {
        let ran = knock_line(&format!("{line} -- echo ran"));
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{line}");
    }
    Pad::new("").knock("127.0.0.1 -- echo ran").refused(3, "no sequence is left");
    let out = knock_line("--dry-run 127.0.0.1 1 -- echo ran").quietly();
    assert_eq!(out, "would hit tcp 127.0.0.1:1\nwould run echo ran\n");
    knock_line("--list -- echo ran").refused(2, "'--list' cannot be used with");
}

#[test]
fn a_command_that_cannot_be_run_ends_as_in_a_shell() {
    knock_line("127.0.0.1 1 -- /nonexistent/program")
        .refused(127, "knock: cannot run `/nonexistent/program`: No such file");
    knock_line("127.0.0.1 1 -- nosuchprogram7")
        .refused(127, "knock: cannot run `nosuchprogram7`: No such file");
    knock_line("127.0.0.1 1 -- /etc/passwd")
        .refused(126, "knock: cannot run `/etc/passwd`: Permission denied");
    knock_line("127.0.0.1 1 -- /").refused(126, "knock: cannot run `/`: Permission denied");
}
