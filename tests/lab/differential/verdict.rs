//! Why two daemons opened differently, and how often.

use std::collections::BTreeMap;
use std::fmt;

use super::model::{Openings, Rule, Rules, openings};
use super::{Batch, Outcome};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    /// Ours opens less.
    Stricter,
    /// Ours opens more.
    Lenient,
}

impl Rule {
    /// Whether this rule alone can make our daemon open where 0.8 does not, or the other way round.
    fn allows(self, direction: Direction) -> bool {
        match self {
            Rule::NoFlagsIsSyn | Rule::SynWithoutAck | Rule::RepeatCountsOnce => true,
            Rule::SamePortAgain
            | Rule::FirstPortRestarts
            | Rule::OtherDoorsPorts
            | Rule::SeveralDoors
            | Rule::SourcesApart
            | Rule::ExactTimeout => direction == Direction::Lenient,
        }
    }
}

#[derive(Default)]
pub(super) struct Table {
    scenarios: usize,
    same_open: usize,
    same_shut: usize,
    differences: BTreeMap<(Vec<Rule>, Direction), usize>,
}

impl Table {
    /// Compares what was seen with what each daemon's rules predict, and names the rules behind each difference.
    #[track_caller]
    pub(super) fn judge(&mut self, place: &str, batch: &Batch, outcome: &Outcome) {
        let mut known: BTreeMap<Vec<Rule>, Openings> = BTreeMap::new();
        let mut without = |rules: &[Rule]| -> Openings {
            let predict = || openings(Rules::ALL.without(rules), &batch.doors, &outcome.sent);
            known.entry(rules.to_vec()).or_insert_with(predict).clone()
        };
        let (of_classic, of_ours) = (openings(Rules::NONE, &batch.doors, &outcome.sent), without(&[]));
        for (number, scenario) in batch.scenarios.iter().enumerate() {
            let doors = batch.doors_of(number);
            let part = |all: &Openings| -> BTreeMap<(usize, u8), usize> {
                let ours = all.iter().filter(|((door, _), _)| doors.contains(door));
                ours.map(|(key, times)| (*key, *times)).collect()
            };
            let (classic, ours) = (part(&outcome.classic), part(&outcome.ours));
            let told =
                format!("{place}, scenario {number} ({:?}), doors {doors:?}: {scenario:#?}", scenario.kind);
            assert_eq!(classic, part(&of_classic), "0.8 (left) is not as the page says (right): {told}");
            assert_eq!(ours, part(&of_ours), "ours (left) is not as the page says (right): {told}");
            self.scenarios += 1;
            if classic == ours {
                *(if ours.is_empty() { &mut self.same_shut } else { &mut self.same_open }) += 1;
                continue;
            }
            let behind = fewest(|rules| part(&without(rules)) == classic);
            let rules = behind.unwrap_or_else(|| panic!("no rule explains {classic:?}, {ours:?}: {told}"));
            let times = |openings: &BTreeMap<_, usize>| openings.values().sum::<usize>();
            let direction =
                if times(&ours) < times(&classic) { Direction::Stricter } else { Direction::Lenient };
            assert!(
                rules.iter().any(|rule| rule.allows(direction)),
                "{rules:?} should not make ours {direction:?}: {told}"
            );
            *self.differences.entry((rules, direction)).or_default() += 1;
        }
    }

    /// Checks that the scenarios say something: many open in both, and many in neither.
    #[track_caller]
    pub(super) fn says_something(&self) {
        assert!(self.scenarios >= 200, "{self}");
        assert!(self.same_open * 4 >= self.scenarios, "too few open in both:\n{self}");
        assert!(self.same_shut * 10 >= self.scenarios, "too few stay shut in both:\n{self}");
    }

    #[track_caller]
    pub(super) fn shows_every_rule(&self) {
        for rule in Rule::ALL {
            let shows = self.differences.keys().any(|(rules, _)| *rules == [rule]);
            assert!(shows, "{} shows in no scenario by itself:\n{self}", rule.name());
        }
    }
}

/// The fewest rules, taken in order, that `explain`: all of those that must be off for our daemon to open as 0.8.
fn fewest(mut explain: impl FnMut(&[Rule]) -> bool) -> Option<Vec<Rule>> {
    let mut sets: Vec<Vec<Rule>> = vec![Vec::new()];
    for _ in Rule::ALL {
        let larger: Vec<Vec<Rule>> = sets
            .iter()
            .flat_map(|set| {
                let after = Rule::ALL.into_iter().filter(|rule| set.last().is_none_or(|last| rule > last));
                after.map(|rule| [&set[..], &[rule]].concat())
            })
            .collect();
        if let Some(set) = larger.iter().find(|set| explain(set)) {
            return Some(set.clone());
        }
        sets = larger;
    }
    None
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:4} scenarios", self.scenarios)?;
        writeln!(f, "{:4} open in both alike", self.same_open)?;
        writeln!(f, "{:4} shut in both", self.same_shut)?;
        for ((rules, direction), times) in &self.differences {
            let names: Vec<_> = rules.iter().map(|rule| rule.name()).collect();
            let direction = match direction {
                Direction::Stricter => "stricter",
                Direction::Lenient => "more lenient",
            };
            writeln!(f, "{times:4} {direction} by {}", names.join(" + "))?;
        }
        Ok(())
    }
}
