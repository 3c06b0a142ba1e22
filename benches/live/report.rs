//! The figures as Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use crate::figures::Figures;
use crate::flood::{Flood, KNOCKS, RATE, SOURCES};
use crate::idle;
use crate::latency::Openings;
use crate::load::{MOST, RATES, Scene};
use crate::machine;
use crate::numbers::Sorted;

/// What was measured of everybody, and what of the machine.
pub(crate) struct Results {
    pub(crate) all: Vec<Figures>,
    pub(crate) syncs: Vec<Duration>,
    pub(crate) rounds: usize,
    /// What else the machine did when this began.
    pub(crate) load: String,
}

/// A row's cells, one for each subject.
type Cell<'a> = &'a dyn Fn(&Figures) -> String;

const NOTHING: &str = "–";

impl Results {
    pub(crate) fn markdown(&self) -> String {
        let mut text = self.preface();
        self.doors(&mut text);
        self.packets(&mut text);
        self.flood(&mut text);
        text
    }

    /// The part that [`crate::load`] has measured.
    pub(crate) fn markdown_of_packets(&self) -> String {
        let mut text = self.preface();
        self.packets(&mut text);
        text
    }

    fn preface(&self) -> String {
        format!(
            "{}; load average {} before it began. Rounds, in each of which everybody had a turn: {}; medians, and the \
             least and the most in parentheses.\n\n",
            machine::description(),
            self.load,
            self.rounds
        )
    }

    fn header(&self, text: &mut String, corner: &str) {
        let names: Vec<_> = self.all.iter().map(|figures| figures.subject.name.as_str()).collect();
        let _ = write!(text, "| {corner} | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    }

    fn row(&self, text: &mut String, name: &str, cell: Cell<'_>) {
        let cells: Vec<_> = self.all.iter().map(cell).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }

    fn doors(&self, text: &mut String) {
        self.header(text, "from the last hit until the command runs, ms");
        for (name, openings) in [
            ("static door", (|figures| &figures.at_static_door) as fn(&Figures) -> &Openings),
            ("one-time door", |figures| &figures.at_one_time_door),
        ] {
            let sorted = |figures: &Figures| Sorted::milliseconds(&openings(figures).delays);
            for (what, percent) in [("median", 50), ("99 of 100", 99), ("longest", 100)] {
                self.row(text, &format!("{name}, {what}"), &|figures| number(sorted(figures).at(percent), 2));
            }
            self.row(text, &format!("{name}, opened"), &|figures| {
                let Openings { delays, lost } = openings(figures);
                let knocks = delays.len() + lost;
                if knocks > 0 { format!("{} of {knocks}", delays.len()) } else { NOTHING.to_owned() }
            });
        }
        self.row(text, "one-time door, its median above the static door's", &|figures| {
            let median = |openings: &Openings| Sorted::milliseconds(&openings.delays).median();
            let medians = median(&figures.at_one_time_door).zip(median(&figures.at_static_door));
            number(medians.map(|(one_time, fixed)| one_time - fixed), 2)
        });
        self.row(text, "`fsync`s and `fdatasync`s for an opening of the one-time door", &|figures| {
            number(figures.syncs, 1)
        });
        let _ = writeln!(
            text,
            "\nOne write of a byte with its `fdatasync`, on the same file system: {} ms. A bare loop runs the same \
             command for each packet to the last port.\n",
            Sorted::milliseconds(&self.syncs).spread(2)
        );
    }

    fn packets(&self, text: &mut String) {
        self.header(text, "µs of CPU for a packet");
        for scene in Scene::ALL {
            self.row(text, &format!("{}, {}/s", scene.name(), grouped(MOST)), &|figures| {
                figures.costs(scene, MOST).spread(3)
            });
            for bare in self.all.iter().filter(|figures| !figures.subject.is_daemon()) {
                self.row(text, &format!("as a multiple of the {}", bare.subject.name), &|figures| {
                    figures.times(bare, scene, MOST).spread(2)
                });
            }
            self.row(text, "of 100 packets, dropped by the kernel", &|figures| {
                format!("{:.2}", figures.dropped(scene, MOST))
            });
        }
        let achieved = self.all.iter().flat_map(|figures| &figures.loads).filter(|load| load.rate == MOST);
        let achieved = Sorted::new(achieved.map(|load| load.achieved() / 1000.0)).spread(1);
        let seen = self.all.iter().flat_map(|figures| &figures.loads).filter(|load| load.packets.passed > 0);
        let seen =
            Sorted::new(seen.map(|load| load.packets.passed as f64 * 100.0 / load.sent as f64)).spread(2);
        let _ = writeln!(
            text,
            "\nThe sender reached {achieved} thousand packets/s, of which {seen} % came to the sockets. CPU is the time, in user space and in the kernel, of \
             all threads of all processes. A dash: the kernel filter let nothing through.\n"
        );
        self.header(text, "% of a processor at a rate of");
        for rate in RATES {
            self.row(text, &format!("{}/s", grouped(rate)), &|figures| figures.shares(rate).spread(2));
        }
        text.push('\n');
    }

    fn flood(&self, text: &mut String) {
        self.header(text, &format!("{} forged first hits, {}/s", grouped(SOURCES), grouped(RATE)));
        let of = |figures: &Figures, figure: &dyn Fn(&Flood) -> f64| {
            Sorted::new(figures.floods.iter().map(figure))
        };
        self.row(text, "CPU, s", &|figures| of(figures, &|flood| flood.cpu.as_secs_f64()).spread(3));
        self.row(text, "of 100 packets, dropped by the kernel", &|figures| {
            let dropped =
                |flood: &Flood| 100.0 * flood.packets.dropped as f64 / flood.packets.passed.max(1) as f64;
            of(figures, &dropped).spread(2)
        });
        self.row(text, &format!("knocks meanwhile, {KNOCKS} in each flood, that opened"), &|figures| {
            let (opened, knocks) = figures.flooded_knocks();
            if knocks > 0 { format!("{} of {knocks}", opened.len()) } else { NOTHING.to_owned() }
        });
        self.row(text, "time of each, ms", &|figures| {
            Sorted::milliseconds(&figures.flooded_knocks().0).spread(2)
        });
        for (name, at) in [("before", 0), ("after the flood", 1), ("after another one", 2)] {
            self.row(text, &format!("memory (PSS) {name}, MiB"), &|figures| {
                let mebibytes = |flood: &Flood| flood.memory[at] as f64 / 1024.0;
                if figures.subject.is_daemon() {
                    of(figures, &mebibytes).spread(2)
                } else {
                    NOTHING.to_owned()
                }
            });
        }
        let idle = format!("wake-ups of each process in {} s of idleness", idle::SPAN.as_secs());
        self.row(text, &idle, &|figures| {
            let rounds = figures
                .idle
                .iter()
                .map(|processes| processes.iter().map(u64::to_string).collect::<Vec<_>>().join(" and "));
            rounds.collect::<Vec<_>>().join("; ")
        });
        let spans = self.all.iter().flat_map(|figures| &figures.floods);
        let spans = Sorted::new(spans.map(|flood| flood.span.as_secs_f64())).spread(2);
        let _ = writeln!(text, "\nA flood took {spans} s. Memory is that of all processes together.");
    }
}

/// A number, or a dash.
fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.decimals$}"))
}

/// With a comma between thousands.
fn grouped(number: u32) -> String {
    if number < 1000 {
        number.to_string()
    } else {
        format!("{},{:03}", grouped(number / 1000), number % 1000)
    }
}
