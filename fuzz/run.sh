#!/usr/bin/env bash
# Runs a fuzz target, in the background of whatever else the machine does: fuzz/run.sh TARGET [SECONDS]
# Needs the nightly toolchain and cargo-fuzz.  SANITIZER=address looks at the memory that dependencies touch, at a
# fraction of the speed; there is no unsafe code of our own.
set -euo pipefail
cd "$(dirname "$0")"

target=${1:?usage: fuzz/run.sh TARGET [SECONDS]}
seconds=${2:-600}
options=(-max_total_time="$seconds" -max_len=1024 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1)
case $target in
config_*) options+=(-dict=config.dict) ;;
leases) options+=(-dict=leases.dict) ;;
esac

# What is found goes to the first directory; the committed corpus is only read.
mkdir -p "target/corpus/$target"
nice -n 19 cargo +nightly fuzz run --sanitizer "${SANITIZER:-none}" "$target" "target/corpus/$target" "corpus/$target" -- "${options[@]}"
