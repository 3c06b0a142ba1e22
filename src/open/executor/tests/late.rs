//! What the capture process says when the configuration, or the daemon's end, was faster.

use super::*;

const CLOSED: &str = "[none]\nsequence = 1,9\ntcpflags = syn\ncommand = x\n";

impl Lab {
    /// What a capture process says that goes by a configuration of so many reloads ago.
    fn report_of_earlier(&mut self, reloads: u32, report: Report) {
        let generation = Generation(self.executor.plan().generation.0 - reloads);
        self.executor.report(Sighting { generation, report }, self.now);
    }

    fn pad(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn armed(&self) -> Vec<String> {
        self.executor.plan().slots.iter().map(|slot| slot.sequence.to_string()).collect()
    }

    fn is_distrusted(&self) -> bool {
        self.record.borrow().distrusted > 0
    }
}

fn completed(slot: u64) -> Report {
    Report::Completed { slot: SlotId(slot), source: ALICE.parse().unwrap() }
}

fn exposed(slot: u64) -> Report {
    Report::Exposed { slot: SlotId(slot), source: ALICE.parse().unwrap(), whole: true, crowded: false }
}

fn allowing(network: &str) -> String {
    format!("{ONE_TIME}allow = {network}\n")
}

#[test]
fn two_reloads_in_a_row_lock_nobody_out() {
    let mut lab = Lab::new(ONE_TIME);
    lab.adopt(ONE_TIME);
    lab.adopt(ONE_TIME);
    lab.report_of_earlier(2, completed(1));
    assert_eq!(lab.commands(), ["open 192.0.2.2"]);
}

#[test]
fn a_line_that_was_completed_long_before_a_reload_is_struck_and_opens_nothing() {
    let mut lab = Lab::new(ONE_TIME);
    lab.adopt(ONE_TIME);
    lab.wait(Duration::from_secs(3600));
    lab.report_of_earlier(1, completed(1));
    assert_eq!(lab.commands(), [""; 0]);
    assert_eq!(lab.pad(), "#1,2\n 3,4\n 5,6\n");
    assert!(!lab.is_distrusted());
}

#[test]
fn a_line_of_somebody_whom_a_reload_has_shut_out_is_struck_and_opens_nothing() {
    let mut lab = Lab::new(ONE_TIME);
    lab.adopt(&allowing("198.51.100.0/24"));
    lab.report_of_earlier(1, completed(1));
    assert_eq!(lab.commands(), [""; 0]);
    assert_eq!(lab.pad(), "#1,2\n 3,4\n 5,6\n");
    assert!(!lab.is_distrusted());
}

#[test]
fn an_attempt_that_ends_after_a_reload_has_shut_out_its_source_is_no_lie() {
    let source = ALICE.parse().unwrap();
    let slot = SlotId(1);
    for report in
        [Report::TimedOut { slot, source, stage: 1 }, Report::Guarded { slot, source, stage: 1 }, exposed(1)]
    {
        let mut lab = Lab::new(&allowing("198.51.100.0/24"));
        lab.report(report);
        assert!(!lab.is_distrusted(), "{report:?}");
        assert_eq!(lab.pad().starts_with('#'), matches!(report, Report::Exposed { .. }), "{report:?}");
    }
    for report in [Report::Stage { slot, source, stage: 1 }, completed(1)] {
        let mut lab = Lab::new(&allowing("198.51.100.0/24"));
        lab.report(report);
        assert!(lab.is_distrusted(), "{report:?}");
        assert_eq!(lab.pad(), PAD);
    }
}

#[test]
fn a_line_that_a_reload_has_put_beyond_the_window_is_never_armed_again() {
    let mut lab = Lab::new(ONE_TIME);
    lab.adopt(&ONE_TIME.replace("window = 2", "window = 1"));
    lab.report_of_earlier(1, completed(2));
    assert_eq!(lab.commands(), [""; 0]);
    lab.adopt(ONE_TIME);
    assert_eq!(lab.armed(), ["1,2", "5,6"]);
}

#[test]
fn a_line_of_a_pad_that_a_reload_has_taken_from_its_door_is_never_armed_again() {
    for other in
        [ONE_TIME.replace("PAD", "PAD2"), "[ot]\nsequence = 1,9\ntcpflags = syn\ncommand = x\n".to_owned()]
    {
        let mut lab = Lab::new(ONE_TIME);
        lab.adopt(&other);
        lab.report_of_earlier(1, completed(1));
        lab.adopt(ONE_TIME);
        assert_eq!(lab.armed(), ["3,4", "5,6"], "{other}");
    }
}

#[test]
fn a_static_sequence_that_is_shown_is_a_lie() {
    let mut lab = Lab::new(CLOSED);
    lab.report(exposed(1));
    assert!(lab.is_distrusted());
}

#[test]
fn lines_that_wait_at_the_end_are_remembered() {
    let mut lab = Lab::new(ONE_TIME);
    let pad = LockedPad::try_open(&lab.path()).unwrap();
    lab.complete(1);
    lab.executor.close_all(lab.now);
    drop(pad);
    lab.adopt(ONE_TIME);
    assert_eq!(lab.armed(), ["3,4", "5,6"]);
}
