use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::open::executor::upkeep::LOOK_EVERY;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What is armed now, in the order of its slots.
fn armed(lab: &Lab) -> Vec<String> {
    let plan = lab.executor.plan();
    plan.slots.iter().map(|slot| slot.sequence.to_string()).collect()
}

#[test]
fn a_line_of_a_pad_that_others_can_write_to_is_spent_without_being_struck_and_opens_nothing() {
    let mut lab = Lab::new(ONE_TIME);
    set_mode(&lab.path(), 0o620);
    lab.complete(1);
    assert!(lab.commands().is_empty());
    assert_eq!(
        fs::read_to_string(lab.path()).unwrap(),
        PAD,
        "a strike would tell others which line was used"
    );
    set_mode(&lab.path(), 0o600);
    lab.executor.look_at_pads(lab.now);
    assert_eq!(armed(&lab), ["3,4", "5,6"]);
    lab.complete(1);
    assert!(lab.commands().is_empty());
    lab.complete(2);
    assert_eq!(lab.commands(), ["open 192.0.2.2"]);
}

#[test]
fn the_directory_of_a_pad_counts_as_it_is_when_the_line_is_used() {
    let mut lab = Lab::new(ONE_TIME);
    set_mode(lab.directory.path(), 0o770);
    lab.complete(1);
    assert!(lab.commands().is_empty());
    set_mode(lab.directory.path(), 0o700);
    lab.complete(2);
    assert_eq!(lab.commands(), ["open 192.0.2.2"]);
}

#[test]
fn lines_that_others_have_written_are_never_armed() {
    let mut lab = Lab::new(ONE_TIME);
    set_mode(&lab.path(), 0o602);
    fs::write(lab.path(), " 7,8\n 1,2\n").unwrap();
    lab.orders();
    lab.wait(LOOK_EVERY);
    lab.executor.keep_looking(lab.now);
    lab.wait(LOOK_EVERY);
    assert_eq!(lab.orders(), [], "something was armed or disarmed");
    assert_eq!(armed(&lab), ["1,2", "3,4"]);
}

#[test]
fn a_pad_whose_directory_is_mended_is_read_at_the_next_look() {
    let mut lab = Lab::new("[none]\nsequence = 1,9\ntcpflags = syn\ncommand = x\n");
    set_mode(lab.directory.path(), 0o707);
    lab.executor.keep_looking(lab.now);
    lab.adopt(ONE_TIME);
    lab.wait(LOOK_EVERY);
    assert_eq!(armed(&lab), [""; 0]);
    set_mode(lab.directory.path(), 0o700);
    lab.wait(LOOK_EVERY);
    assert_eq!(armed(&lab), ["1,2", "3,4"]);
}

/// Whether a look reads the pad again although the file is as it was.
fn is_noticed(lab: &mut Lab, change: impl FnOnce(&mut Lab)) -> bool {
    let out_of_reach = |lab: &Lab| {
        let Opener::Pads(pads) = &lab.executor.doors[0].opener else { panic!("no pads") };
        pads.iter().any(Pad::was_out_of_reach)
    };
    assert!(!out_of_reach(lab));
    change(lab);
    lab.executor.look_at_pads(lab.now);
    out_of_reach(lab)
}

#[test]
fn a_look_sees_that_others_can_write_to_the_directory_of_a_pad() {
    let mut lab = Lab::new(ONE_TIME);
    assert!(!is_noticed(&mut lab, |_| {}));
    assert!(is_noticed(&mut lab, |lab| set_mode(lab.directory.path(), 0o720)));
}

#[test]
fn a_look_sees_that_others_can_write_to_the_directory_that_a_link_leads_to() {
    let mut lab = Lab::new("[none]\nsequence = 1,9\ntcpflags = syn\ncommand = x\n");
    let elsewhere = lab.directory.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(lab.path(), elsewhere.join("pad")).unwrap();
    symlink("elsewhere/pad", lab.path()).unwrap();
    lab.adopt(ONE_TIME);
    assert!(!is_noticed(&mut lab, |_| {}));
    assert!(is_noticed(&mut lab, |_| set_mode(&elsewhere, 0o757)));
}
