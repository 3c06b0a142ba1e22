//! When stop commands run, how often, and after what.

use std::fs;

use rustix::process::Signal;

use crate::daemon::Daemon;
use crate::net::{CLIENT, Lab, OTHER};
use crate::noted::{
    START, STOP, comes_to_note, door, end, is_forgotten, kill, knock, noting_door, opens, record, recorded,
};
use crate::wait::{PATIENCE, wait_until};

/// Notes when it is run, in seconds since the boot, and works from the time on when there is a file `mended`.
const BROKEN: &str = "cut -d ' ' -f 1 /proc/uptime >>note; test -e mended";

fn tries(lab: &Lab) -> Vec<f64> {
    lab.read("note").lines().map(|line| line.parse().expect("seconds")).collect()
}

#[test]
fn a_stop_command_that_fails_is_tried_again_after_one_second_and_after_five() {
    let test = "a_stop_command_that_fails_is_tried_again_after_one_second_and_after_five";
    let Some(lab) = Lab::new(test) else { return };
    let daemon = Daemon::start(&lab, &door(&lab, "true", BROKEN, "cmd_timeout = 0"));
    knock(&lab, CLIENT);
    daemon.says("the stop command has failed; again in 1 s");
    daemon.says("the stop command has failed; again in 5 s");
    fs::write(lab.path("mended"), "").expect("a file");
    assert!(wait_until(PATIENCE, || tries(&lab).len() == 3), "{:?}", tries(&lab));
    is_forgotten(&lab);
    let tries = tries(&lab);
    // The clock of the notes ticks in hundredths.
    assert!(tries[1] - tries[0] > 0.98 && tries[2] - tries[1] > 4.98, "{tries:?}");
    assert_eq!(daemon.count("the stop command has failed"), 2);
}

#[test]
fn a_stop_command_that_fails_at_the_end_is_tried_again_by_the_next_start() {
    let test = "a_stop_command_that_fails_at_the_end_is_tried_again_by_the_next_start";
    let Some(lab) = Lab::new(test) else { return };
    let doors = door(&lab, "touch opened", BROKEN, "cmd_timeout = 600");
    let mut daemon = Daemon::start(&lab, &doors);
    knock(&lab, CLIENT);
    assert!(wait_until(PATIENCE, || lab.path("opened").exists()));
    daemon.settle(&lab);
    end(&mut daemon, Signal::TERM);
    daemon.says(&format!("{CLIENT}: door: the stop command has failed; the next start tries again"));
    assert_eq!((tries(&lab).len(), recorded(&lab)), (1, 1));
    fs::write(lab.path("mended"), "").expect("a file");
    let _daemon = Daemon::start(&lab, &doors);
    assert!(wait_until(PATIENCE, || tries(&lab).len() == 2), "the next start does not close it");
    is_forgotten(&lab);
}

#[test]
fn a_stop_command_that_was_still_running_at_the_end_is_run_again_by_the_next_start() {
    let test = "a_stop_command_that_was_still_running_at_the_end_is_run_again_by_the_next_start";
    let Some(lab) = Lab::new(test) else { return };
    let stop = "echo stop >>note; test -e mended || sleep 600";
    let doors = door(&lab, "echo start >>note", stop, "cmd_timeout = 600");
    let mut daemon = Daemon::start(&lab, &doors);
    opens(&lab, CLIENT, &["start"]);
    end(&mut daemon, Signal::TERM);
    daemon.says("a door could not be closed in time; the next start closes it");
    fs::write(lab.path("mended"), "").expect("a file");
    let daemon = Daemon::start(&lab, &doors);
    daemon.says("door: a command that an earlier daemon left running is ended (process ");
    comes_to_note(&lab, &["start", "stop", "stop"]);
    is_forgotten(&lab);
}

/// Knocks twice, ends the daemon, and checks what was run.
fn reknocks(way: &str, after_two: &[&str], after_the_end: &[&str]) {
    let Some(lab) = Lab::new(&format!("a_knock_at_an_open_door_does_what_reknock_says_{way}")) else {
        return;
    };
    let doors = noting_door(&lab, &format!("cmd_timeout = 600\n    reknock = {way}"));
    let mut daemon = Daemon::start(&lab, &doors);
    opens(&lab, CLIENT, &[START]);
    let recorded = record(&lab);
    opens(&lab, CLIENT, after_two);
    assert_eq!(daemon.openings(&lab, "door"), 2);
    comes_to_note(&lab, after_two);
    assert_ne!(record(&lab), recorded, "{way}: the new deadline is not recorded");
    assert_eq!(daemon.count("door: stays open for"), usize::from(way == "extend"));
    end(&mut daemon, Signal::TERM);
    comes_to_note(&lab, after_the_end);
}

#[test]
fn a_knock_at_an_open_door_does_what_reknock_says() {
    reknocks("renew", &[START, STOP, START], &[START, STOP, START, STOP]);
    reknocks("extend", &[START], &[START, STOP]);
    reknocks("run", &[START, START], &[START, START, STOP, STOP]);
}

#[test]
fn an_extended_time_is_what_the_next_daemon_knows() {
    let Some(lab) = Lab::new("an_extended_time_is_what_the_next_daemon_knows") else { return };
    let doors = |seconds| noting_door(&lab, &format!("cmd_timeout = {seconds}\n    reknock = extend"));
    let daemon = Daemon::start(&lab, &doors(900));
    opens(&lab, CLIENT, &[START]);
    knock(&lab, CLIENT);
    daemon.says(": door: stays open for 900 s");
    assert_eq!(recorded(&lab), 1);
    daemon.rewrite(&doors(0));
    kill(daemon);
    let daemon = Daemon::start(&lab, &doors(0));
    daemon.says("left open by an earlier run, is closed in 8");
    knock(&lab, CLIENT);
    daemon.says(": door: stays open for 0 s");
    comes_to_note(&lab, &[START, STOP]);
    is_forgotten(&lab);
}

/// Whether commands that note their begin and their end ran one after the other.
#[track_caller]
fn never_overlap(note: &str) -> Vec<String> {
    let lines: Vec<_> = note.lines().collect();
    let ran = lines.chunks(2).map(|pair| {
        let what = pair[0].strip_prefix("begin ");
        assert!(what.is_some() && pair.get(1).and_then(|line| line.strip_prefix("end ")) == what, "{note}");
        what.unwrap_or_default().to_owned()
    });
    ran.collect()
}

#[test]
fn start_and_stop_of_one_address_never_overlap_or_swap() {
    let Some(lab) = Lab::new("start_and_stop_of_one_address_never_overlap_or_swap") else { return };
    let slow = |what| format!("echo begin {what} >>$KNOCK_IP; sleep 0.07; echo end {what} >>$KNOCK_IP");
    for way in ["renew", "run"] {
        let more = format!("cmd_timeout = 0\n    reknock = {way}");
        let daemon = Daemon::start(&lab, &door(&lab, &slow("start"), &slow("stop"), &more));
        for _ in 0..12 {
            knock(&lab, CLIENT);
            knock(&lab, OTHER);
            daemon.settle(&lab);
        }
        is_forgotten(&lab);
        for source in [CLIENT, OTHER] {
            let ran = never_overlap(&lab.read(source));
            assert!(ran.len() >= 4, "{way}, {source}: {ran:?}");
            for (number, what) in ran.iter().enumerate() {
                assert_eq!(what, ["start", "stop"][number % 2], "{way}, {source}: {ran:?}");
            }
            fs::remove_file(lab.path(source)).expect("the note");
        }
    }
}
