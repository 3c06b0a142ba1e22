//! `--wait`, `--retry`, `--resync` and `--quiet`: nothing is used where the port is open, and no wait is without an end.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use crate::support::{Catcher, Pad, knock, knock_line};

/// A port where somebody listens.
fn open_port() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Lines that all hit `catcher` first.
fn pad_for(catcher: &Catcher, lines: usize) -> Pad {
    let line = |i| format!(" {}:udp,{}:udp\n", catcher.port(), 1000 + i);
    Pad::new((0..lines).fold(String::new(), |text, i| text + &line(i)))
}

fn struck(pad: &Pad) -> usize {
    pad.text().lines().filter(|line| line.starts_with('#')).count()
}

#[test]
fn an_open_port_costs_no_line_and_no_packet() {
    let catcher = Catcher::new();
    let (_listener, port) = open_port();
    let pad = pad_for(&catcher, 20);
    let before = pad.text();
    for flag in ["-w", "--wait"] {
        assert_eq!(pad.knock(&format!("{flag} {port} 127.0.0.1")).quietly(), "");
    }
    let ran = pad.knock(&format!("-v -w {port} --retry 3 --resync 127.0.0.1"));
    let said = format!("knock: tcp 127.0.0.1:{port} is open already: not knocking\n");
    assert_eq!((ran.code, ran.out.as_str(), ran.err), (Some(0), "", said));
    knock_line(&format!("-w {port} -u 127.0.0.1 {}", catcher.port())).quietly();
    catcher.assert_nothing();
    assert_eq!(pad.text(), before);
}

#[test]
fn a_port_that_stays_shut_ends_with_4() {
    let pad = Pad::of(20);
    let ran = pad.knock("-w 1/1 127.0.0.1");
    assert_eq!((ran.code, ran.out.as_str()), (Some(4), ""));
    assert!(ran.err.starts_with("knock: tcp 127.0.0.1:1 is still shut 1 s after the knock: "), "{}", ran.err);
    assert_eq!(struck(&pad), 1);
}

#[test]
fn a_port_that_opens_at_the_knock_ends_with_0() {
    let catcher = Catcher::new();
    // Bound, so that nobody else can have it, and shut until it listens.
    let door = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    door.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = door.local_addr().unwrap().as_socket().unwrap().port();
    let pad = pad_for(&catcher, 20);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            catcher.hit();
            door.listen(1).unwrap();
        });
        pad.knock(&format!("-v -w {port}/60 127.0.0.1"))
    });
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains(&format!("knock: tcp 127.0.0.1:{port} is open, ")), "{}", ran.err);
    assert_eq!(struck(&pad), 1);
}

#[test]
fn retries_take_a_line_each() {
    let pad = Pad::of(20);
    let ran = pad.knock("-v -d 0 -w 1/1 --retry 2 127.0.0.1");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let hits: String = (0..3)
        .flat_map(|i| [1001, 1301, 1601].map(|base| format!("hitting udp 127.0.0.1:{}\n", base + i)))
        .collect();
    assert_eq!(ran.out, hits);
    assert_eq!(ran.err.matches("knock: tcp 127.0.0.1:1 is still shut: knocking again\n").count(), 2);
    assert!(ran.err.contains("is still shut 1 s after the last of 3 knocks"), "{}", ran.err);
    assert_eq!(struck(&pad), 3);
}

#[test]
fn retries_end_when_the_pad_does() {
    let pad = Pad::of(1);
    let ran = pad.knock("-q -w 1/1 --retry 2 127.0.0.1");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.err.contains("no sequence is left"), "{}", ran.err);
}

#[test]
fn resync_takes_two_lines_in_a_row() {
    let pad = Pad::of(20);
    let out = pad.knock("-v -d 0 --resync 127.0.0.1").quietly();
    let hits: String = (0..2)
        .flat_map(|i| [1001, 1301, 1601].map(|base| format!("hitting udp 127.0.0.1:{}\n", base + i)))
        .collect();
    assert_eq!(out, hits);
    assert_eq!(struck(&pad), 2);
    let shown = pad.knock("--dry-run --resync 127.0.0.1").quietly();
    assert_eq!(shown.lines().count(), 6);
    assert_eq!(struck(&pad), 2);
}

#[test]
fn resync_uses_nothing_where_one_line_is_left() {
    let catcher = Catcher::new();
    let pad = pad_for(&catcher, 1);
    let before = pad.text();
    let said =
        format!("knock: this knock needs 2 sequences, and {} has only 1 left, so none was used", pad.arg());
    pad.knock("-v --resync 127.0.0.1").refused(3, &said);
    pad.knock("--dry-run --resync 127.0.0.1").refused(3, &said);
    catcher.assert_nothing();
    assert_eq!(pad.text(), before);
}

#[test]
fn bad_values_end_with_2_and_use_nothing() {
    let catcher = Catcher::new();
    let pad = pad_for(&catcher, 2);
    let before = pad.text();
    for (line, message) in [
        ("-w 0", "port 0 is out of range (1-65535)"),
        ("-w ssh", "`ssh` is not a port number"),
        ("-w 22:udp", "only a TCP port can be waited for"),
        ("-w 22/", "`` is not a number of seconds from 1 to 3600"),
        ("-w 22/0", "`0` is not a number of seconds"),
        ("-w 22/3601", "`3601` is not a number of seconds"),
        ("-w 22/1m", "`1m` is not a number of seconds"),
        ("-w", "a value is required"),
        ("--retry 1", "--retry needs --wait"),
        ("-w 22 --retry -1", "'-1'"),
        ("-w 22 --retry 256", "256 is not in 0..=255"),
        ("-q -v", "'--quiet' cannot be used with '--verbose'"),
        ("-q --dry-run", "'--quiet' cannot be used with '--dry-run'"),
    ] {
        let arguments = ["127.0.0.1", "-f", pad.arg()].into_iter().chain(line.split(' '));
        knock(arguments).refused(2, message);
    }
    let port = catcher.port();
    knock_line(&format!("--resync 127.0.0.1 {port}:udp")).refused(2, "--resync needs --file");
    knock_line(&format!("-w 22 127.0.0.1 {port}:udp 22")).refused(2, "--wait cannot try port 22");
    catcher.assert_nothing();
    assert_eq!(pad.text(), before);
}

#[test]
fn dry_run_shows_the_wait_and_tries_no_port() {
    let (listener, port) = open_port();
    let out = knock_line(&format!("--dry-run -w {port}/7 127.0.0.1 7000")).quietly();
    assert_eq!(out, format!("would hit tcp 127.0.0.1:7000\nwould wait up to 7 s for tcp 127.0.0.1:{port}\n"));
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn quiet_says_errors_only() {
    let pad = Pad::of(5);
    for flag in ["-q", "--quiet"] {
        assert_eq!(pad.knock(&format!("{flag} 127.0.0.1")).quietly(), "");
    }
    assert!(!pad.knock("127.0.0.1").err.is_empty());
    pad.knock("-q 0.0.0.0").refused(1, "this is the unspecified address");
}

/// What the client shows on a terminal of its own.
#[cfg(target_os = "linux")]
fn on_a_terminal(line: &str) -> String {
    let command = format!("{} {line}", crate::support::KNOCK);
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).stdin(std::process::Stdio::null());
    crate::support::finish(script).out
}

#[cfg(target_os = "linux")]
#[test]
fn progress_is_shown_on_a_terminal_only() {
    let waiting = "\rknock: waiting for tcp 127.0.0.1:1, 0 s of 1";
    let line = "-w 1/1 127.0.0.1 2";
    let shown = on_a_terminal(line);
    assert!(shown.contains(waiting), "{shown:?}");
    // It is gone before the error takes its place.
    assert!(shown.contains(" \rknock: tcp 127.0.0.1:1 is still shut"), "{shown:?}");
    assert!(!on_a_terminal(&format!("-q {line}")).contains("waiting"));
    let elsewhere = knock_line(line);
    assert_eq!(elsewhere.code, Some(4));
    assert!(!elsewhere.err.contains("waiting") && !elsewhere.err.contains('\r'), "{}", elsewhere.err);
}
