#!/usr/bin/env bash
# Runs every test, the two-host lab tests among them, and installs what they need.
# Arguments go to `cargo test`: tests/run.sh --test lab -- one_time
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh
# shellcheck source=tests/lab.sh
source tests/lab.sh

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

need cc=gcc /usr/include/pcap/pcap.h=libpcap-dev python3=python3
need_cargo
if ((EUID == 0)); then
    need ip=iproute2 nft=nftables iptables=iptables setpriv=util-linux strace=strace faketime=faketime \
        ssh=openssh-client nc=netcat-openbsd script=bsdutils
    fetch_peer
fi

cargo build --workspace --locked --bins --examples
cargo test --workspace --locked "$@"

left=$(leftovers)
[[ -z $left ]] || fail "the tests left network namespaces behind: $left"

if ((EUID != 0)); then
    echo
    echo "SKIPPED, since they need root (sudo $0):"
    cargo test --quiet --locked --test lab -- --list | sed -n 's/: test$//p'
fi
