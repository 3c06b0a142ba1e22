use super::*;

const STATIC: &str = "[door]\nsequence = 1,2\ntcpflags = syn\ncommand = open %IP%\n";

fn exposed(slot: u64) -> Report {
    Report::Exposed { slot: SlotId(slot), source: ALICE.parse().unwrap(), whole: false, crowded: true }
}

fn is_distrusted(lab: &Lab) -> bool {
    std::mem::take(&mut lab.record.borrow_mut().distrusted) > 0
}

#[test]
fn a_fixed_sequence_is_never_shown_and_used_up() {
    let mut lab = Lab::new(STATIC);
    lab.report(exposed(1));
    assert!(is_distrusted(&lab));
    lab.complete(1);
    assert_eq!(lab.commands(), ["open 192.0.2.2"], "the sequence was used up");
    assert!(!is_distrusted(&lab));
}

#[test]
fn a_line_that_was_shown_is_no_lie() {
    let mut lab = Lab::new(ONE_TIME);
    lab.report(exposed(1));
    assert!(!is_distrusted(&lab));
    assert_eq!(fs::read_to_string(lab.path()).unwrap(), "#1,2\n 3,4\n 5,6\n");
}
