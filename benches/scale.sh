#!/usr/bin/env bash
# How the programs do with very many doors, lines and interfaces, and Debian's knockd 0.8 where it can do the same: builds
# them for release, and prints a Markdown table.  Needs root, for network namespaces of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh
# shellcheck source=tests/lab.sh
source tests/lab.sh

((EUID == 0)) || fail "needs root, to make hosts out of network namespaces"
export KNOCK_LAB_ID=scale$$
TMPDIR=$(mktemp -d)
export TMPDIR

finish() {
    # The benchmark, if it still runs.
    jobs -p | xargs -r kill 2>/dev/null || true
    wait
    clean_up
    rm -rf "$TMPDIR"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

need ip=iproute2 strace=strace cc=gcc /usr/include/pcap/pcap.h=libpcap-dev
need_cargo
fetch_peer
# For release but for the names of lines, as the benchmark itself is built.
cargo build --profile bench --workspace --bins --locked
program=$(cargo bench --bench scale --no-run --locked --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\/scale-[^"]*\)".*/\1/p')
[[ -x $program ]] || fail "the program that measures was not built"
"$program" &
wait $!
