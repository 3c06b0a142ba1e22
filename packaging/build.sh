#!/usr/bin/env bash
# packaging/build.sh deb|rpm...: makes the packages knockd, knock and seqgen, as docs/packaging.md describes.
#
# Needs cargo-deb and cargo-generate-rpm, in PATH or in target/tools/bin.  What is set for cargo, such as CARGO_TARGET_DIR
# and CARGO_PROFILE_RELEASE_LTO, holds here too.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:$PWD/target/tools/bin
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

usage() {
    echo "usage: $0 deb|rpm..." >&2
    exit 2
}

# program NAME ARGUMENTS_FOR_CARGO...: what a package of rpm takes as it is, without symbols.
program() {
    cargo build --locked --release --bin "$@"
    strip --strip-all "$target/release/$1"
}

deb() {
    cargo deb --locked
    cargo deb --locked --variant client
    cargo deb --locked --package seqgen
}

rpm() {
    program knockd
    cargo generate-rpm --target-dir "$target" --variant daemon
    program knock --no-default-features
    cargo generate-rpm --target-dir "$target" --variant client
    program seqgen --package seqgen
    cargo generate-rpm --target-dir "$target" --package seqgen
}

(($#)) || usage
for kind; do
    [[ $kind == deb || $kind == rpm ]] || usage
done
cargo run --quiet --locked --example completions -- target/completions
for kind; do
    "$kind"
done
