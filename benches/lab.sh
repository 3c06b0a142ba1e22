#!/usr/bin/env bash
# What the daemon costs while it runs: from a knock to its command, CPU for a packet, floods, memory, wake-ups; beside
# Debian's knockd 0.8 and loops on libpcap that only count packets.  Needs root, makes two hosts out of network
# namespaces, takes five minutes after the build, and prints Markdown.
#     benches/lab.sh [KNOCKD...]            measures this build, and others whose paths are given
#     benches/lab.sh --quick                one round instead of three
#     benches/lab.sh --packets              only the CPU for a packet
#     benches/lab.sh --sets                 only doors that are sets of nftables, beside the same by commands
#     benches/lab.sh --keys                 only doors with keys, beside doors with pads
#     benches/lab.sh --write [KNOCKD...]    also puts the tables into docs/performance.md and the plots into docs/plots/
set -euo pipefail
arguments=()
for argument; do
    case $argument in
    --write) arguments+=(--write docs) ;;
    -*) arguments+=("$argument") ;;
    *) arguments+=("$(realpath "$argument")") ;;
    esac
done
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh
KNOCK_LAB_ID=${KNOCK_LAB_ID:-bench$$}
# shellcheck source=tests/lab.sh
source tests/lab.sh

((EUID == 0)) || fail "needs root"

measuring=
scratch=
end() {
    if [[ -n $measuring ]]; then
        kill -KILL "$measuring" 2>/dev/null || true
        wait "$measuring" 2>/dev/null || true
    fi
    clean_up
    [[ -z $scratch ]] || rm -rf "$scratch"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

need_cargo
need cc=gcc /usr/include/pcap/pcap.h=libpcap-dev ip=iproute2 nft=nftables strace=strace
# Where it cannot be had, the rest is measured all the same.
fetch_peer || true
# What is measured for itself has to be built beside: the daemon, and seqgen for its pads.
cargo build --profile bench --workspace --bins --locked
program=$(cargo bench --bench live --no-run --locked --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\/live-[^"]*\)".*/\1/p')
[[ -x $program ]] || fail "the program that measures was not built"

# On a disk, unlike /tmp on many machines: strikes and records wait for it.
scratch=$(mktemp -d -p /var/tmp)
TMPDIR=$scratch "$program" "${arguments[@]}" &
measuring=$!
# Not in the foreground, so that a signal ends this at once.
wait "$measuring"
measuring=
