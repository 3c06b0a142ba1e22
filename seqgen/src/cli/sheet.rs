//! A pad on paper.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::Failure;
use super::next::{Next, next};

/// How many sequences stand on a page.
const PAGE: usize = 50;

/// What a page of ordinary paper is wide, in characters.
const WIDTH: usize = 80;

/// What stands between two columns.
const GAP: &str = "  ";

/// Prints the unused sequences of the pad at `path`, at most so many, for somebody to cross out one by one.
pub(super) fn print(path: &Path, most: Option<u64>) -> Result<(), Failure> {
    let rows: Vec<String> = next(path, most)?.iter().map(row).collect();
    let width = rows.iter().map(String::len).max().unwrap_or_default();
    let columns = if 2 * width + GAP.len() <= WIDTH { 2 } else { 1 };
    let mut output = BufWriter::new(io::stdout().lock());
    let pages = rows.len().div_ceil(PAGE);
    for (page, rows) in rows.chunks(PAGE).enumerate() {
        if page > 0 {
            // A printer begins a new page there.
            write!(output, "\u{c}")?;
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).display().to_string();
        writeln!(output, "{}, page {} of {pages}", name.escape_debug(), page + 1)?;
        writeln!(output, "Use them in this order, each once, and cross it out before you knock.\n")?;
        write_columns(&mut output, rows, columns, width)?;
    }
    output.flush()?;
    Ok(())
}

fn row(next: &Next) -> String {
    format!("[ ] {:>4}  {}", next.number, next.sequence.to_string().replace(',', " "))
}

/// Writes rows down one column after the other.
fn write_columns(output: &mut impl Write, rows: &[String], columns: usize, width: usize) -> io::Result<()> {
    let height = rows.len().div_ceil(columns);
    for at in 0..height {
        let line: Vec<String> =
            rows.iter().skip(at).step_by(height).map(|row| format!("{row:width$}")).collect();
        writeln!(output, "{}", line.join(GAP).trim_end())?;
    }
    Ok(())
}
