//! The machine on which was measured, in a sentence.

use std::fs;
use std::thread;

/// Processor, kernel, system and libpcap, as far as they can be told.
pub(crate) fn description() -> String {
    let processors = thread::available_parallelism().map_or(0, usize::from);
    let model = value("/proc/cpuinfo", "model name", ':').unwrap_or_else(|| "unknown processor".to_owned());
    let system = value("/etc/os-release", "PRETTY_NAME", '=').unwrap_or_else(|| "unknown system".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let libpcap =
        maps.lines().find_map(|line| line.rsplit_once("/libpcap.so.")).map_or("", |(_, version)| version);
    format!(
        "{processors} processors ({model}), Linux {kernel}, {system}, libpcap {libpcap}, {}",
        std::env::consts::ARCH
    )
}

/// How much other things kept the machine busy lately, as the number of processes that wanted to run.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

/// What follows a word in a file of words and values.
fn value(path: &str, word: &str, separator: char) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let value =
        text.lines().find_map(|line| line.strip_prefix(word)?.trim_start().strip_prefix(separator))?;
    Some(value.trim().trim_matches('"').replace("(R)", ""))
}
