//! How a daemon is, for people: aligned, and coloured where they like that.

use std::fmt::Display;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::snapshot::{Snapshot, State};
use crate::logging::for_terminal;

/// The form of times, as in the log.
const TIME: &str = "%Y-%m-%d %H:%M:%S";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Plain,
    Heading,
    Good,
    Warning,
    Bad,
}

impl Tone {
    /// Its colour (ECMA-48, Select Graphic Rendition).
    fn code(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Heading => "\x1b[1m",
            Tone::Good => "\x1b[32m",
            Tone::Warning => "\x1b[33m",
            Tone::Bad => "\x1b[31m",
        }
    }
}

struct Cell {
    text: String,
    tone: Tone,
    /// Whether it is a number, which stands at the right.
    right: bool,
}

fn cell(text: impl Display) -> Cell {
    Cell { text: for_terminal(&text.to_string()), tone: Tone::Plain, right: false }
}

fn number(value: impl Display) -> Cell {
    Cell { right: true, ..cell(value) }
}

impl Cell {
    fn in_tone(self, tone: Tone) -> Cell {
        Cell { tone, ..self }
    }
}

struct Page {
    text: String,
    coloured: bool,
}

impl Page {
    fn put(&mut self, text: &str, tone: Tone) {
        if self.coloured && tone != Tone::Plain {
            self.text.extend([tone.code(), text, "\x1b[0m"]);
        } else {
            self.text += text;
        }
    }

    fn line(&mut self, text: &str) {
        self.text.extend([text, "\n"]);
    }

    /// A table with these headings; nothing where it has no rows.
    fn table<const COLUMNS: usize>(&mut self, headings: [&str; COLUMNS], rows: Vec<[Cell; COLUMNS]>) {
        let Some(first) = rows.first() else { return };
        self.text.push('\n');
        let mut column = 0;
        let heading = headings.map(|text| {
            column += 1;
            Cell { text: text.to_owned(), tone: Tone::Heading, right: first[column - 1].right }
        });
        let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
        let width =
            |column: usize| rows.iter().map(|row| row[column].text.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
        for row in &rows {
            for (column, cell) in row.iter().enumerate() {
                let gap = " ".repeat(widths[column] - cell.text.chars().count());
                let is_last = column + 1 == COLUMNS;
                if cell.right {
                    self.text += &gap;
                }
                self.put(&cell.text, cell.tone);
                if !cell.right && !is_last {
                    self.text += &gap;
                }
                if !is_last {
                    self.text += "  ";
                }
            }
            self.text.push('\n');
        }
    }
}

/// The whole page.
pub(super) fn table(status: &Snapshot, coloured: bool) -> String {
    let mut page = Page { text: String::new(), coloured };
    page.put(&format!("knockd {}", for_terminal(&status.version)), Tone::Heading);
    let since = time(status.started_at);
    let up = span(status.uptime_seconds);
    page.line(&format!(", process {}, up for {up}, since {since}", status.pid));
    page.line(&format!("configuration {}", for_terminal(&status.config)));
    if status.dry_run {
        page.put("dry run: nothing is opened\n", Tone::Warning);
    }
    capture(&mut page, status);
    let interfaces = status.interfaces.iter().map(|interface| {
        let (words, tone) = match interface.state {
            State::Listening => ("listening", Tone::Good),
            State::Down => ("down", Tone::Bad),
            State::Missing => ("missing", Tone::Bad),
            State::Failing => ("failing", Tone::Bad),
            State::Opening => ("opening", Tone::Warning),
        };
        [cell(&interface.name), cell(words).in_tone(tone)]
    });
    page.table(["INTERFACE", "STATE"], interfaces.collect());
    let doors = status.doors.iter().map(|door| {
        let refused = if door.refusals > 0 { Tone::Warning } else { Tone::Plain };
        let last = door.last_opened.map_or_else(|| "-".to_owned(), time);
        [cell(&door.name), number(door.openings), number(door.refusals).in_tone(refused), cell(last)]
    });
    page.table(["DOOR", "OPENED", "REFUSED", "LAST OPENED"], doors.collect());
    let leases = status.leases.iter().map(|lease| {
        let closes = match (lease.failures, lease.seconds_left) {
            (0, 0) => cell("now"),
            (0, seconds) => cell(format!("in {}", span(seconds))),
            _ => cell("cannot be closed").in_tone(Tone::Bad),
        };
        [cell(&lease.door), cell(&lease.address), cell(lease.pad.as_deref().unwrap_or("-")), closes]
    });
    page.table(["OPEN", "FOR", "BY PAD", "CLOSES"], leases.collect());
    let pads = status.pads.iter().map(|pad| {
        let left = match pad.lines_left {
            None => number("?").in_tone(Tone::Bad),
            Some(0) => number(0).in_tone(Tone::Bad),
            Some(lines) if pad.low => number(lines).in_tone(Tone::Warning),
            Some(lines) => number(lines),
        };
        [cell(&pad.name), cell(&pad.door), left, cell(&pad.path)]
    });
    page.table(["PAD", "DOOR", "LEFT", "FILE"], pads.collect());
    let keys = status.keys.iter().map(|key| {
        let next = key.next.map_or_else(|| number("?").in_tone(Tone::Bad), number);
        [cell(&key.name), cell(&key.door), next, cell(&key.path)]
    });
    page.table(["KEY", "DOOR", "NEXT", "FILE"], keys.collect());
    page.text
}

fn capture(page: &mut Page, status: &Snapshot) {
    let capture = &status.capture;
    match (capture.packets_seen, capture.packets_dropped, capture.scan_guard_hits) {
        (Some(seen), Some(dropped), Some(guarded)) => page.line(&format!(
            "packets seen {seen}, dropped {dropped}; attempts ended by the scan guard {guarded}; in the last {}",
            span(capture.uptime_seconds.unwrap_or_default())
        )),
        _ if capture.pid.is_some() => {
            page.put("the capture process does not say how much it has seen\n", Tone::Bad);
        }
        _ => page.put("no packet is read now: there is no capture process\n", Tone::Bad),
    }
}

/// In local time.
fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime(TIME).to_string()
}

/// In its two largest units.
fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let largest = UNITS.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let mut rest = seconds;
    let parts = UNITS.iter().skip(largest).take(2).filter_map(|(unit, name)| {
        let count = rest / unit;
        rest %= unit;
        (count > 0 || seconds == 0).then(|| format!("{count} {name}"))
    });
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
