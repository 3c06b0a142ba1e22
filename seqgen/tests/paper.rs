//! Pads on paper and on telephones: `seqgen --print` and `seqgen --qr`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod running;

use std::fs;
use std::path::{Path, PathBuf};

use seqgen::pad::ReadPad;
use tempfile::TempDir;

use crate::running::{refuse, run, succeed};

/// A pad of so many lines, of which the first are struck.
fn pad(lines: usize, struck: usize, options: &[&str]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seqs");
    let lines = lines.to_string();
    succeed(&[&["-n", &lines, "-o", path.to_str().unwrap()], options].concat());
    let text = fs::read_to_string(&path).unwrap();
    let strike = |(at, line): (usize, &str)| match line.strip_prefix(' ').filter(|_| at < struck) {
        Some(rest) => format!("#{rest}\n"),
        None => format!("{line}\n"),
    };
    fs::write(&path, text.lines().enumerate().map(strike).collect::<String>()).unwrap();
    (directory, path)
}

/// The unused sequences of a pad, each with the number of its line.
fn unused(path: &Path) -> Vec<(u64, String)> {
    let mut pad = ReadPad::open(path).unwrap();
    let lines = pad.lines().unwrap().map(Result::unwrap);
    lines.filter_map(|line| Some((line.number, line.live()?.to_string()))).collect()
}

/// The rows of a sheet, column by column, page by page.
fn rows(sheet: &str) -> Vec<(u64, String)> {
    let row = |text: &str| {
        let (number, ports) = text.trim().split_once("  ").unwrap();
        (number.parse().unwrap(), ports.trim().replace(' ', ","))
    };
    let mut rows = Vec::new();
    for page in sheet.split('\u{c}') {
        let lines: Vec<Vec<&str>> =
            page.lines().skip(3).map(|line| line.split("[ ]").skip(1).collect()).collect();
        for column in 0..2 {
            rows.extend(lines.iter().filter_map(|line| line.get(column)).map(|text| row(text)));
        }
    }
    rows
}

#[test]
fn a_sheet_has_every_unused_sequence_in_order_by_its_line_in_two_columns_of_25() {
    let (_directory, path) = pad(130, 3, &[]);
    let before = fs::read(&path).unwrap();
    let sheet = succeed(&["--print", path.to_str().unwrap()]);
    assert_eq!(rows(&sheet), unused(&path));
    assert_eq!(rows(&sheet)[0].0, 4, "the number is the line's");
    let pages: Vec<&str> = sheet.split('\u{c}').collect();
    let heights: Vec<usize> = pages.iter().map(|page| page.lines().count() - 3).collect();
    assert_eq!(heights, [25, 25, 14]);
    for (page, text) in (1..).zip(&pages) {
        assert!(text.starts_with(&format!("seqs, page {page} of 3\n")), "{text}");
    }
    assert!(sheet.lines().all(|line| line.chars().count() <= 80 && line.trim_end() == line));
    assert_eq!(fs::read(&path).unwrap(), before, "something was struck");
}

#[test]
fn long_sequences_stand_in_one_column_and_no_more_are_printed_than_asked_for() {
    let (_directory, path) = pad(60, 0, &["-l", "9", "-p", "mixed"]);
    let sheet = succeed(&["--print", path.to_str().unwrap(), "-n", "55"]);
    assert_eq!(rows(&sheet), unused(&path)[..55]);
    assert!(sheet.lines().all(|line| line.matches("[ ]").count() <= 1));
    assert_eq!(sheet.split('\u{c}').map(|page| page.lines().count() - 3).collect::<Vec<_>>(), [50, 5]);
}

/// How many of a picture's points each point of a code takes.
const SCALE: usize = 4;

/// Reads a code as a telephone does, from half blocks of which each shows two points.
fn read_code(shown: &str) -> String {
    let points = |character: char| match character {
        '█' => [true, true],
        '▀' => [true, false],
        '▄' => [false, true],
        other => {
            assert_eq!(other, ' ', "it is no part of a code");
            [false, false]
        }
    };
    let code: Vec<Vec<[bool; 2]>> = shown
        .lines()
        .take_while(|line| !line.contains(": line"))
        .map(|line| line.chars().map(points).collect())
        .collect();
    let (width, height) = (code[0].len() * SCALE, code.len() * 2 * SCALE);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        let (x, y) = (x / SCALE, y / SCALE);
        if code[y / 2][x][y % 2] { 0 } else { 255 }
    });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "no code is seen in\n{shown}");
    grids[0].decode().unwrap().1
}

#[test]
fn a_code_holds_the_next_sequences_one_a_line() {
    let (_directory, path) = pad(20, 2, &["-p", "mixed"]);
    let before = fs::read(&path).unwrap();
    let path_text = path.to_str().unwrap();
    for (options, count) in [(&[][..], 5), (&["-n", "1"], 1), (&["-n", "12"], 12)] {
        let shown = succeed(&[&["--qr", path_text], options].concat());
        let expected: Vec<String> = unused(&path).into_iter().take(count).map(|(_, text)| text).collect();
        assert_eq!(read_code(&shown), expected.join("\n") + "\n");
        let lines = if count == 1 { "line 3".to_owned() } else { format!("lines 3 to {}", 2 + count) };
        assert!(shown.ends_with(&format!("seqs: {lines}\n")), "{shown}");
    }
    assert_eq!(fs::read(&path).unwrap(), before, "something was struck");
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let (_directory, path) = pad(300, 0, &[]);
    let path = path.to_str().unwrap();
    let (code, shown, said) = run(&["--qr", path, "-n", "300"]);
    assert_eq!((code, shown.as_str()), (2, ""), "{said}");
    // What it proposes instead is the most that fits.
    let most: usize = said.trim().trim_end_matches('`').rsplit(' ').next().unwrap().parse().unwrap();
    succeed(&["--qr", path, "-n", &most.to_string()]);
    refuse(&["--qr", path, "-n", &(most + 1).to_string()], 2, "are too many for one code");

    let (_directory, used_up) = pad(3, 3, &[]);
    let used_up = used_up.to_str().unwrap();
    refuse(&["--qr", used_up], 1, "seqs: no unused sequence is left");
    refuse(&["--print", used_up], 1, "seqs: no unused sequence is left");
    refuse(&["--print", "/nonexistent/seqs"], 1, "/nonexistent/seqs: ");
    for flag in ["--print", "--qr"] {
        for more in [&["-l", "4"][..], &["--check", path], &["-n", "0"], &["-o", path], &["--append", path]] {
            refuse(&[&[flag, path], more].concat(), 2, "error: ");
        }
    }
    refuse(&["--print", path, "--qr", path], 2, "cannot be used with");
}
