//! What a whole reading of a pad finds.

use std::path::Path;

use seqgen::pad::{BadLineKind, Entry};
use seqgen::sequence::Protocol;

use super::files::Files;
use super::memory::PadMemory;
use super::pad::{PadTrouble, Stamp, read};
use crate::config::{Door, Trigger};
use crate::state::{Mark, Spent};
use crate::trust::readers;

/// How many bad lines of one pad are named in the log; the rest are counted.
const NAMED_BAD_LINES: usize = 10;

/// What a whole reading of a pad found.
#[derive(Debug)]
pub(super) struct Survey {
    /// The file as it was just before.
    pub(super) stamp: Stamp,
    /// Lines that can still be used, for all that the file says.
    pub(super) live: u64,
    /// Whether any live line has a hit over UDP.
    pub(super) udp: bool,
    /// That others can read it, and the first bad lines; ready for the log.
    pub(super) complaints: Vec<String>,
    /// What to remember of the lines that are struck already, so that no older copy of the file brings them back.
    pub(super) struck: Vec<Mark>,
}

/// Reads the pad at `path` from the top to the end; what it has struck is compared with what `spent` has of it.
pub(super) fn survey(path: &Path, known: Option<(&PadMemory, &Spent)>) -> Result<Survey, PadTrouble> {
    let mut pad = read(path)?;
    let mut survey = Survey {
        stamp: Stamp::of_file(pad.file()).map_err(|error| PadTrouble::io(path, error))?,
        live: 0,
        udp: false,
        complaints: readers(path, pad.file()).into_iter().collect(),
        struck: Vec::new(),
    };
    let mut bad = 0;
    for line in pad.lines()? {
        let line = line.map_err(|error| PadTrouble::io(path, error))?;
        match &line.entry {
            Entry::Live(sequence) => {
                survey.live += 1;
                survey.udp |= sequence.steps().iter().any(|step| step.protocol == Protocol::Udp);
            }
            Entry::Struck(_) => {
                if let Some((memory, spent)) = known {
                    survey.struck.extend(memory.marks(&line).filter(|mark| !spent.contains(*mark)));
                }
            }
            Entry::Bad(fault) => {
                bad += 1;
                if bad <= NAMED_BAD_LINES {
                    let place = format!("{}:{}:{}", path.display(), line.number, fault.column());
                    survey.complaints.push(format!("{place}: line left out: {}", reason(&fault.kind)));
                }
            }
            Entry::Repeat(_) | Entry::Note | Entry::Unfinished => {}
        }
    }
    if bad > NAMED_BAD_LINES {
        let more = bad - NAMED_BAD_LINES;
        survey.complaints.push(format!("{}: {more} more bad lines are left out", path.display()));
    }
    Ok(survey)
}

/// What there is to say about a door's pads before a start: their bad lines, and how much is left of them.
pub fn pad_words(door: &Door) -> Vec<String> {
    let Trigger::OneTime(source) = &door.trigger else { return Vec::new() };
    let (found, mut words) = Files::PADS.find(&source.paths);
    for path in found.iter().map(|found| &found.path) {
        match survey(path, None) {
            Ok(Survey { live, complaints, .. }) => {
                let plural = if live == 1 { "" } else { "s" };
                words.extend(complaints);
                words.push(format!("{live} sequence{plural} left in {}", path.display()));
            }
            Err(error) => words.push(format!("the door would stay shut: {error}")),
        }
    }
    words
}

/// Why a line is of no use, without a word of what it says: it may be a sequence but for a slip of the pen.
fn reason(kind: &BadLineKind) -> &'static str {
    match kind {
        BadLineKind::Sequence(_) => "it is no sequence (`seqgen --check` tells more)",
        BadLineKind::TooLong => "it is too long",
        BadLineKind::NotText => "it is no UTF-8 text",
        BadLineKind::Key => "it looks like a key, which one_time_key takes, and not this",
        BadLineKind::Traceless => {
            "it is one digit without a blank before it, of which a strike would leave no trace"
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A pad's file with this text, and its directory.
    fn pad(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pad");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        (directory, path)
    }

    fn surveyed(text: &str) -> Survey {
        let (_directory, path) = pad(text);
        survey(&path, None).unwrap()
    }

    #[test]
    fn lines_that_are_struck_already_come_back_in_no_older_copy() {
        for (struck, before) in [("#1,2\n", " 1,2\n"), ("#,2\n", "1,2\n"), ("# 1,2\n", " 1,2\n")] {
            let (_directory, path) = pad(struck);
            let mut spent = Spent::in_memory();
            let memory = PadMemory::new("door", &path, &spent);
            spent.add(survey(&path, Some((&memory, &spent))).unwrap().struck).unwrap();
            assert!(survey(&path, Some((&memory, &spent))).unwrap().struck.is_empty(), "known already");
            fs::write(&path, before).unwrap();
            let line = seqgen::pad::ReadPad::open(&path).unwrap().lines().unwrap().next().unwrap().unwrap();
            let is_spent = memory.marks(&line).any(|mark| spent.contains(mark));
            assert!(line.live().is_some() && is_spent, "{struck:?}");
        }
    }

    #[test]
    fn a_survey_counts_and_complains_without_showing_ports() {
        let survey = surveyed(" 1,2\n#3,4\n 5,6:udp\n 70000,7\n 12,13 # mine\n");
        assert_eq!((survey.live, survey.udp), (2, true));
        let said = survey.complaints.join("\n");
        assert!(said.contains("pad:4:2: line left out") && said.contains("pad:5:"), "{said}");
        assert!(!said.contains("70000") && !said.contains("13"), "{said}");
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let said = surveyed(&format!("# knock key v1\n{key}\n")).complaints.join("\n");
        assert!(
            said.ends_with(
                ":2:1: line left out: it looks like a key, which one_time_key takes, and not this"
            )
        );
    }

    #[test]
    fn a_pad_that_others_can_read_is_surveyed_and_one_that_they_can_write_to_is_not() {
        let (_directory, path) = pad(" 1,2\n");
        let set_mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(survey(&path, None).unwrap().complaints, [""; 0]);
        set_mode(0o644);
        let Survey { live, complaints, .. } = survey(&path, None).unwrap();
        assert_eq!((live, complaints.len()), (1, 1));
        assert!(
            complaints[0].contains("pad can be read by its group and others (mode 0644)"),
            "{complaints:?}"
        );
        set_mode(0o620);
        let error = survey(&path, None).unwrap_err().to_string();
        assert!(error.contains("pad can be written by its group (mode 0620): chmod g-w "), "{error}");
    }

    #[test]
    fn complaints_about_one_pad_are_bounded() {
        let complaints = surveyed(&"bad\n".repeat(1000)).complaints;
        assert_eq!(complaints.len(), NAMED_BAD_LINES + 1);
        assert!(complaints[NAMED_BAD_LINES].contains("990 more bad lines"));
    }
}
