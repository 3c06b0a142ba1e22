//! The packets themselves, caught by real sockets.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use crate::support::{Catcher, KNOCK, Running, knock, knock_line};

/// Milliseconds, enough to see even on a busy machine that the next hit has not come yet.
const APART: &str = "3000";

fn assert_no_connection(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    listener.set_nonblocking(false).unwrap();
}

fn assert_in_order(host: &str) {
    let first = Catcher::at((host, 0));
    let second = TcpListener::bind((host, 0)).unwrap();
    let third = Catcher::at((host, 0));
    let ports = [
        format!("{}:udp", first.port()),
        format!("{}:tcp", second.local_addr().unwrap().port()),
        format!("{}:udp", third.port()),
    ];
    let mut running = Running::start(&["-d", APART, host, &ports[0], &ports[1], &ports[2]]);
    first.hit();
    assert_no_connection(&second);
    third.assert_nothing();
    second.accept().unwrap();
    third.assert_nothing();
    third.hit();
    assert!(running.0.wait().unwrap().success());
    first.assert_nothing();
    assert_no_connection(&second);
    third.assert_nothing();
}

#[test]
fn hits_arrive_in_order() {
    assert_in_order("127.0.0.1");
}

#[test]
fn hits_arrive_in_order_over_ipv6() {
    assert_in_order("::1");
}

#[test]
fn tcp_hits_arrive_over_ipv6() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let out = knock_line(&format!("-v ::1 {port}")).quietly();
    assert_eq!(out, format!("hitting tcp ::1:{port}\n"));
    listener.accept().unwrap();
}

#[test]
fn a_bracketed_address_is_taken_too() {
    let catcher = Catcher::at("[::1]:0");
    knock_line(&format!("-u [::1] {}", catcher.port())).quietly();
    catcher.hit();
}

#[test]
fn a_udp_hit_is_one_zero_byte_from_a_port_of_its_own() {
    let catcher = Catcher::new();
    let port = catcher.port();
    knock_line(&format!("-u 127.0.0.1 {port} {port} {port}")).quietly();
    let mut sources: Vec<u16> = (0..3)
        .map(|_| {
            let (content, source) = catcher.hit();
            assert_eq!(content, [0]);
            source
        })
        .collect();
    sources.sort_unstable();
    sources.dedup();
    assert_eq!(sources.len(), 3);
}

#[test]
fn udp_option_sends_udp_only() {
    let catcher = Catcher::new();
    knock_line(&format!("-u 127.0.0.1 {}:tcp", catcher.port())).quietly();
    catcher.hit();
}

#[test]
fn a_refusal_by_one_port_does_not_stop_the_next() {
    let catcher = Catcher::new();
    let port = catcher.port().to_string();
    knock(["127.0.0.1", "1:udp", "1:udp", "1:tcp", &format!("{port}:udp")]).quietly();
    catcher.hit();
}

#[test]
fn dry_run_sends_nothing() {
    let catcher = Catcher::new();
    knock_line(&format!("--dry-run -v -u 127.0.0.1 {}", catcher.port())).quietly();
    catcher.assert_nothing();
}

#[test]
fn a_closed_output_stops_no_hit() {
    let [first, second] = [(); 2].map(|()| Catcher::new());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ports = [first.port(), second.port()].map(|port| port.to_string());
    let status = Command::new(KNOCK)
        .args(["-v", "-u", "127.0.0.1", &ports[0], &ports[1]])
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    first.hit();
    second.hit();
}

#[cfg(unix)]
#[test]
fn hits_need_no_privilege() {
    let catcher = Catcher::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let ports = [format!("{}:udp", catcher.port()), listener.local_addr().unwrap().port().to_string()];
    crate::support::Unprivileged::new().knock(["127.0.0.1", &ports[0], &ports[1]]).quietly();
    catcher.hit();
    listener.accept().unwrap();
}
