//! SIGHUP: new doors without a restart, and no doors lost to a mistake.

use std::fs;

use rustix::process::Signal;

use crate::daemon::{Daemon, Launch};
use crate::net::{Lab, SERVER};
use crate::pads::Pads;

const OLD: &str = "
[old]
    sequence = 7000,8000,9000
    tcpflags = syn
    command  = true
";
const NEW: &str = "
[new]
    sequence = 7001,8001,9001
    tcpflags = syn
    command  = true
";

fn knock_old(lab: &Lab) {
    lab.knock(&[SERVER, "7000", "8000", "9000"]);
}

fn knock_new(lab: &Lab) {
    lab.knock(&[SERVER, "7001", "8001", "9001"]);
}

#[track_caller]
fn reload(lab: &Lab, daemon: &Daemon) {
    daemon.signal(Signal::HUP);
    daemon.says(&format!("re-reading config file: {}", lab.path("knockd.conf").display()));
    // The line comes before the reading, for whose end the first knock after it waits.
    daemon.arms(lab);
}

#[test]
fn a_reload_brings_the_new_doors_and_takes_the_old_ones_away() {
    let Some(lab) = Lab::new("a_reload_brings_the_new_doors_and_takes_the_old_ones_away") else { return };
    let mut daemon = Daemon::start(&lab, OLD);
    knock_old(&lab);
    knock_new(&lab);
    assert_eq!((daemon.openings(&lab, "old"), daemon.openings(&lab, "new")), (1, 0));

    daemon.rewrite(NEW);
    reload(&lab, &daemon);
    knock_old(&lab);
    knock_new(&lab);
    assert_eq!((daemon.openings(&lab, "old"), daemon.openings(&lab, "new")), (1, 1));
    assert!(daemon.runs());
}

#[test]
fn a_reload_with_a_broken_file_keeps_the_old_doors_and_says_why() {
    let Some(lab) = Lab::new("a_reload_with_a_broken_file_keeps_the_old_doors_and_says_why") else { return };
    let mut daemon = Daemon::start(&lab, OLD);
    daemon.rewrite(&format!("{NEW}    seqence = 1,2,3\n"));
    reload(&lab, &daemon);
    knock_new(&lab);
    knock_old(&lab);
    assert_eq!((daemon.openings(&lab, "old"), daemon.openings(&lab, "new")), (1, 0));
    assert!(daemon.runs());
    // [options] with two directives, a blank line, [new] and its three directives come first.
    daemon.says("knockd.conf:9:");
    daemon.says("seqence");
}

#[test]
fn a_reload_revives_no_used_line_and_keeps_the_others() {
    let Some(lab) = Lab::new("a_reload_revives_no_used_line_and_keeps_the_others") else { return };
    let pads = Pads::generate(&lab, "once", 8, &[]);
    let door = format!(
        "
[once]
    one_time_sequences = {}
    tcpflags           = syn
    command            = true
",
        pads.server.display()
    );
    let daemon = Daemon::start(&lab, &door);
    let knock = |line| lab.knock(&[&["-d", "10", SERVER], &pads.ports(line)[..]].concat());
    knock(0);
    assert_eq!(daemon.openings(&lab, "once"), 1);
    reload(&lab, &daemon);
    knock(0);
    assert_eq!(daemon.openings(&lab, "once"), 1, "a reload revived a used line");
    knock(1);
    assert_eq!(daemon.openings(&lab, "once"), 2, "the next line did not open after a reload");
    pads.server_has_struck(2);
}

#[test]
fn a_reload_says_what_has_changed_and_shows_no_ports() {
    let Some(lab) = Lab::new("a_reload_says_what_has_changed_and_shows_no_ports") else { return };
    let daemon = Daemon::start(&lab, OLD);
    reload(&lab, &daemon);
    daemon.says("reloaded: nothing has changed\n");
    let changed = OLD.replace("8000", "8123").replace("true", "false");
    daemon.rewrite(&format!("{changed}{NEW}"));
    daemon.signal(Signal::HUP);
    daemon.says("reloaded: door old has changed: sequence, start_command\n");
    daemon.says("reloaded: door new is new\n");
    daemon.rewrite(NEW);
    daemon.signal(Signal::HUP);
    daemon.says("reloaded: door old is gone\n");
    assert_eq!(daemon.count("reloaded: "), 4);
    assert_eq!(daemon.count("8123") + daemon.count("8000"), 0, "{}", daemon.log());
}

#[test]
fn a_reload_takes_nothing_that_the_next_start_would_refuse() {
    let Some(lab) = Lab::new("a_reload_takes_nothing_that_the_next_start_would_refuse") else { return };
    let daemon = Launch { options: "    user = nobody\n", ..Launch::new(OLD) }.start(&lab);
    let config = lab.path("knockd.conf");
    let text = fs::read_to_string(&config).expect("the configuration");
    fs::write(&config, text.replace("user = nobody", "user = nosuch7")).expect("another configuration");
    daemon.signal(Signal::HUP);
    daemon.says("there is no user nosuch7");
    daemon.says("the daemon goes on as before");
    knock_old(&lab);
    assert_eq!(daemon.openings(&lab, "old"), 1);
}
