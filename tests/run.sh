#!/usr/bin/env bash
# Runs every test, the two-host lab tests among them, and installs what they need.
# Arguments go to `cargo test`: tests/run.sh --test lab -- one_time
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh

# The lab's namespaces bear this name; see tests/lab/net.rs.
export KNOCK_LAB_ID=${KNOCK_LAB_ID:-run$$}

leftovers() {
    ((EUID == 0)) && command -v ip >/dev/null || return 0
    ip netns list | awk -v prefix="kl-$KNOCK_LAB_ID-" 'index($1, prefix) == 1 { print $1 }'
}

# Removes what tests that were killed could not remove.
clean_up() {
    local namespace pid
    for namespace in $(leftovers); do
        for pid in $(ip netns pids "$namespace"); do
            kill -KILL "$pid" 2>/dev/null || true
        done
        ip netns delete "$namespace"
    done
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Debian's knockd 0.8, to test against; unpacked only, since its installation would start it.
fetch_peer() {
    [[ -x target/peer/usr/sbin/knockd && -x target/peer/usr/bin/knock ]] && return
    command -v apt-get >/dev/null || return 0
    echo "Fetching Debian's knockd to test against"
    rm -rf target/peer target/peer.new
    mkdir -p target/peer.new
    # Root's apt-get would hand the download to a user who may not write here.
    local download=(apt-get -qq -o APT::Sandbox::User=root download knockd)
    (cd target/peer.new && "${download[@]}") || {
        as_root apt-get -qq update
        (cd target/peer.new && "${download[@]}")
    }
    dpkg-deb -x target/peer.new/knockd_0.8*.deb target/peer.new
    mv target/peer.new target/peer
}

need cc=gcc /usr/include/pcap/pcap.h=libpcap-dev
need_cargo
if ((EUID == 0)); then
    need ip=iproute2 nft=nftables iptables=iptables setpriv=util-linux strace=strace faketime=faketime
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
