//! The fuzz targets without a fuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// How many inputs each target gets besides its corpus.
const INPUTS: usize = 2000;

/// Inputs are no longer than this.
const LONGEST: usize = 1024;

type Target = fn(&[u8]);

/// Every target, by the name that it has in `fuzz/`.
const TARGETS: [(&str, Target); 9] = [
    ("config_classic", super::config_classic),
    ("config_toml", super::config_toml),
    ("frame", super::frame),
    ("key_file", super::key_file),
    ("leases", super::leases),
    ("message", super::message),
    ("pad", super::pad),
    ("sequence", super::sequence),
    ("spent", super::spent),
];

fn fuzz_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The files of a target's corpus, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(fuzz_directory().join("corpus").join(target)).unwrap();
    let paths: BTreeSet<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The generator `SplitMix64`: the same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wide = u128::from(z ^ (z >> 31)) * limit as u128;
        usize::try_from(wide >> 64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        const LIKELY: &[u8] = b"\x00\xff\n\r\t #,:=[]\"'01679\x80";
        if self.below(2) == 0 {
            LIKELY[self.below(LIKELY.len())]
        } else {
            self.below(256).try_into().unwrap()
        }
    }

    fn bytes(&mut self, limit: usize) -> Vec<u8> {
        let length = self.below(limit);
        (0..length).map(|_| self.byte()).collect()
    }

    /// One of the corpus with a few changes, or now and then nothing but noise.
    fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        if self.below(8) == 0 {
            return self.bytes(120);
        }
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            let end = (at + self.below(12)).min(input.len());
            match self.below(5) {
                0 => drop(input.drain(at..end)),
                1 => drop(input.splice(at..at, self.bytes(6))),
                2 => drop(input.splice(at..end, self.bytes(12))),
                3 => {
                    let other = &corpus[self.below(corpus.len())];
                    let start = self.below(other.len() + 1);
                    drop(input.splice(at..end, other[start..].iter().copied()));
                }
                _ => {
                    if let Some(byte) = input.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        input.truncate(LONGEST);
        input
    }
}

/// Fails with the input if the target does not hold for it.
fn try_out(name: &str, target: Target, input: &[u8]) {
    let held = catch_unwind(AssertUnwindSafe(|| target(input)));
    assert!(held.is_ok(), "{name} does not hold for b\"{}\"", input.escape_ascii());
}

#[test]
fn every_target_holds_for_its_corpus_and_what_is_made_of_it() {
    std::thread::scope(|scope| {
        for (name, target) in TARGETS {
            scope.spawn(move || {
                let corpus = corpus(name);
                for input in &corpus {
                    try_out(name, target, input);
                }
                let mut random = Random(7);
                for _ in 0..INPUTS {
                    try_out(name, target, &random.input(&corpus));
                }
            });
        }
    });
}

#[test]
fn every_target_has_its_program_and_a_small_corpus() {
    let names = TARGETS.map(|(name, _)| name.to_owned());
    let manifest: toml::Table =
        fs::read_to_string(fuzz_directory().join("Cargo.toml")).unwrap().parse().unwrap();
    let mut programs: Vec<_> = manifest["bin"].as_array().unwrap().iter().collect();
    programs.sort_by_key(|program| program["name"].as_str());
    assert_eq!(programs.len(), names.len());
    for (program, name) in programs.iter().zip(&names) {
        assert_eq!(program["name"].as_str(), Some(name.as_str()));
        let source = fs::read_to_string(fuzz_directory().join(program["path"].as_str().unwrap())).unwrap();
        assert!(source.contains(&format!("knockd::fuzzing::{name}(")), "{name} runs something else");
        let corpus = corpus(name);
        assert!((10..=60).contains(&corpus.len()), "{name} has {} inputs", corpus.len());
        assert!(corpus.iter().all(|input| input.len() <= LONGEST), "{name} has a large input");
    }
    let entries = fs::read_dir(fuzz_directory().join("corpus")).unwrap();
    let directories: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(directories, names.into());
}
