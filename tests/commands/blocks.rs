//! What documents show as code, to be typed or copied: blocks that are indented or fenced, and literal ones of mdoc(7).

use std::fs;
use std::path::{Path, PathBuf};

/// A block of code, and where it stands.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) file: PathBuf,
    /// The number of its first line.
    pub(crate) line: usize,
    /// The heading that it stands below.
    pub(crate) section: String,
    pub(crate) lines: Vec<String>,
}

impl Block {
    /// Where it stands, for people.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}, {}", self.file.display(), self.line, self.section)
    }

    pub(crate) fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

/// The blocks of a document, by what it is.
pub(crate) fn of(file: &Path) -> Vec<Block> {
    let text = fs::read_to_string(file).expect("a document");
    let mut blocks = match file.extension().and_then(|extension| extension.to_str()) {
        Some("md") => of_markdown(&text),
        Some("conf" | "toml") => of_comments(&text),
        _ => of_mdoc(&text),
    };
    for block in &mut blocks {
        file.clone_into(&mut block.file);
    }
    blocks
}

/// Puts blocks together, line by line.
#[derive(Default)]
struct Collector {
    section: String,
    open: Option<Block>,
    done: Vec<Block>,
}

impl Collector {
    fn begin(&mut self, line: usize) {
        self.end();
        self.open =
            Some(Block { file: PathBuf::new(), line, section: self.section.clone(), lines: Vec::new() });
    }

    /// A line of the block that is open; one begins where there is none.
    fn add(&mut self, number: usize, line: &str) {
        if self.open.is_none() {
            self.begin(number);
        }
        self.open.iter_mut().for_each(|block| block.lines.push(line.to_owned()));
    }

    fn end(&mut self) {
        let Some(mut block) = self.open.take() else { return };
        while block.lines.last().is_some_and(String::is_empty) {
            block.lines.pop();
        }
        self.done.push(block);
    }
}

/// In Markdown a block is indented by four columns more than the text around it, or stands between fences.
fn of_markdown(text: &str) -> Vec<Block> {
    let mut collector = Collector::default();
    let (mut in_fence, mut after_blank, mut item) = (false, true, 0);
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            in_fence = !in_fence;
            collector.end();
            if in_fence {
                collector.begin(number + 1);
            }
            continue;
        }
        if in_fence {
            collector.add(number, line);
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if line.trim().is_empty() {
            // It may stand within a block.
            if collector.open.is_some() {
                collector.add(number, "");
            }
        } else if indent >= item + 4 && (after_blank || collector.open.is_some()) {
            collector.add(number, &line[item + 4..]);
        } else {
            collector.end();
            if let Some(heading) = line.strip_prefix('#') {
                heading.trim_start_matches('#').trim().clone_into(&mut collector.section);
            }
            item = match line[indent..].split_once(' ') {
                // What belongs to an item of a list is indented as far as its text.
                Some((mark, _)) if mark == "-" || mark.trim_end_matches('.').parse::<u8>().is_ok() => {
                    indent + mark.len() + 1
                }
                _ if indent == 0 => 0,
                _ => item,
            };
        }
        after_blank = line.trim().is_empty();
    }
    collector.end();
    collector.done
}

/// In mdoc(7) literal displays, and single lines.
fn of_mdoc(text: &str) -> Vec<Block> {
    let mut collector = Collector::default();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(heading) = line.strip_prefix(".Sh ").or(line.strip_prefix(".Ss ")) {
            heading.clone_into(&mut collector.section);
        } else if line.starts_with(".Bd -literal") {
            collector.begin(number + 1);
        } else if line == ".Ed" {
            collector.end();
        } else if collector.open.is_some() {
            collector.add(number, &plain(line));
        } else if let Some(line) = line.strip_prefix(".Dl ") {
            collector.add(number, &plain(line));
            collector.end();
        }
    }
    collector.end();
    collector.done
}

/// What roff's escapes stand for.
fn plain(line: &str) -> String {
    let line = line.replace("\\(dq", "\"").replace("\\(aq", "'").replace("\\&", "").replace("\\e", "\\");
    assert!(!line.contains("\\("), "another escape than this test knows: {line}");
    line
}

/// In configurations those lines of comments that are indented by more than a blank.
fn of_comments(text: &str) -> Vec<Block> {
    let mut collector = Collector::default();
    for (number, line) in (1..).zip(text.lines()) {
        match line.strip_prefix("#   ") {
            // What stands far to the right is about the command.
            Some(line) => collector.add(number, line.split("   ").next().unwrap_or_default()),
            None => collector.end(),
        }
    }
    collector.end();
    collector.done
}
