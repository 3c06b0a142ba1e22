//! Sequences as a code that a telephone reads.

use std::env;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::Failure;
use super::next::{Next, next};

/// How many sequences are shown unless somebody says how many: a code of these fits into a terminal.
const USUAL: u64 = 5;

/// Black on white, whatever the terminal's own colours are: not every reader takes a code that is white on black.
const BLACK_ON_WHITE: &str = "\u{1b}[30;107m";
const USUAL_COLOURS: &str = "\u{1b}[0m";

/// Shows the next unused sequences of the pad at `path`.  The code holds one a line, as the pad does.
pub(super) fn show(path: &Path, most: Option<u64>) -> Result<(), Failure> {
    let next = next(path, Some(most.unwrap_or(USUAL)))?;
    let Some(code) = code(&next) else {
        let most = (1..next.len()).rev().find(|most| code(&next[..*most]).is_some()).unwrap_or(1);
        return Err(Failure::TooMany { sequences: next.len(), most });
    };
    let (dark, light) = (Dense1x2::Dark, Dense1x2::Light);
    let picture = code.render::<Dense1x2>().dark_color(dark).light_color(light).quiet_zone(true).build();
    let in_colour =
        io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut output = BufWriter::new(io::stdout().lock());
    for line in picture.lines() {
        if in_colour {
            writeln!(output, "{BLACK_ON_WHITE}{line}{USUAL_COLOURS}")?;
        } else {
            writeln!(output, "{line}")?;
        }
    }
    let numbers = match next.as_slice() {
        [first, .., last] => format!("lines {} to {}", first.number, last.number),
        [only] => format!("line {}", only.number),
        [] => String::new(),
    };
    writeln!(output, "{}: {numbers}", path.display().to_string().escape_debug())?;
    Ok(output.flush()?)
}

fn code(next: &[Next]) -> Option<QrCode> {
    let lines: Vec<String> = next.iter().map(|next| next.sequence.to_string()).collect();
    let text = lines.join("\n") + "\n";
    QrCode::with_error_correction_level(text, EcLevel::L).ok()
}
