//! How many doors are open at once, and for whom there is room still.

use std::net::Ipv4Addr;

use super::*;

/// A door that anybody opens who comes upon its port, one with a sequence, and one with a pad.
const DOORS: &str = "[one]\nsequence = 9\ntcpflags = syn\nstart_command = one\nstop_command = x\n\
                     [fixed]\nsequence = 7,8\ntcpflags = syn\nstart_command = fixed\nstop_command = x\n\
                     [ot]\none_time_sequences = PAD\ntcpflags = syn\nstart_command = ot\nstop_command = x\n";

#[test]
fn whoever_opens_doors_for_forged_sources_leaves_room_for_those_who_know_more() {
    let mut lab = Lab::new("[none]\nsequence = 5,6\ntcpflags = syn\ncommand = x\n");
    let (state, _) = State::open(&lab.directory.path().join("state"), "a-boot").unwrap();
    lab.executor.keep_in(state);
    lab.adopt(DOORS);
    let slot = |sequence: &str| lab.plan().iter().find(|(_, text)| text == sequence).unwrap().0;
    let (one, fixed, line) = (slot("9"), slot("7,8"), slot("1,2"));
    let forge = |lab: &mut Lab, slot, sources| {
        for number in 0..sources {
            lab.complete_from(slot, &Ipv4Addr::from(0x0a00_0000 + number).to_string());
        }
        lab.commands().len()
    };
    assert_eq!(forge(&mut lab, one, 2100), 2048);
    assert_eq!(forge(&mut lab, fixed, 1100), 1024, "a hit is not all that it takes");
    assert_eq!(forge(&mut lab, one, 10), 0);
    lab.complete(line);
    assert_eq!(lab.commands(), ["ot"], "nobody can do that without the pad");
}
