//! Everybody in turn, several times.

use std::process::Command;

use crate::figures::Figures;
use crate::net::Lab;
use crate::report::Results;
use crate::subject::Subject;
use crate::wish::Wish;
use crate::{disk, flood, idle, latency, load, machine};

/// How often everybody has a turn at everything.
const ROUNDS: usize = 3;
/// How many knocks there are in a round for us, and for the others, who are slower or have less to show.
const KNOCKS: usize = 120;
const FEWER_KNOCKS: usize = 40;
/// How often the disk is waited for in each of everybody's turns.
const SYNCS: usize = 15;

/// What the server does with packets once the programs have seen them: nothing.
const SILENCE: &str = "
table inet lab {
    chain early {
        type filter hook prerouting priority raw; policy drop;
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    }
}";

/// All that there is to measure.
pub(crate) fn of_everything(wish: &Wish) -> Results {
    let lab = lab();
    let mut results = nothing_yet(wish);
    for round in 0..results.rounds {
        for figures in &mut results.all {
            announce(round, &figures.subject.name);
            results.syncs.extend(disk::syncs(&lab, SYNCS));
            knock(&lab, round, figures);
            figures.loads.extend(load::measure(&lab, &figures.subject));
            // The classic daemon needs half a minute.
            if figures.subject.is_ours() || round == 0 {
                figures.floods.push(flood::measure(&lab, &figures.subject));
            }
        }
        announce(round, "everybody idle");
        let subjects: Vec<_> = results.all.iter().map(|figures| figures.subject.clone()).collect();
        for (figures, wake_ups) in results.all.iter_mut().zip(idle::measure(&lab, &subjects)) {
            figures.idle.push(wake_ups);
        }
    }
    for figures in results.all.iter_mut().filter(|figures| figures.subject.is_ours()) {
        figures.syncs = Some(disk::syncs_for_each_opening(&lab, &figures.subject));
    }
    results
}

/// What packets cost, and nothing else.
pub(crate) fn of_packets(wish: &Wish) -> Results {
    let lab = lab();
    let mut results = nothing_yet(wish);
    for round in 0..results.rounds {
        for figures in &mut results.all {
            announce(round, &figures.subject.name);
            figures.loads.extend(load::measure(&lab, &figures.subject));
        }
    }
    results
}

fn lab() -> Lab {
    let lab = Lab::new("the live benchmark").expect("this needs root");
    lab.server.succeeds(Command::new("nft").arg(SILENCE));
    lab
}

fn nothing_yet(wish: &Wish) -> Results {
    Results {
        all: Subject::all(&wish.others).into_iter().map(Figures::of).collect(),
        syncs: Vec::new(),
        rounds: if wish.is_quick { 1 } else { ROUNDS },
        load: machine::load(),
    }
}

/// Says on standard error how far it has come.
fn announce(round: usize, what: &str) {
    eprintln!("round {}: {what}", round + 1);
}

/// Knocks at both doors; a loop that only counts has no pad.
fn knock(lab: &Lab, round: usize, figures: &mut Figures) {
    let subject = &figures.subject;
    let knocks = if subject.is_ours() { KNOCKS } else { FEWER_KNOCKS };
    figures.at_static_door.extend(latency::at_static_door(lab, subject, knocks));
    if subject.is_daemon() {
        let (openings, ()) = latency::at_one_time_door(lab, subject, (&round.to_string(), knocks), |_| ());
        figures.at_one_time_door.extend(openings);
    }
}
