# shellcheck shell=bash
# For sourcing: what the lab needs besides programs, and what is to be removed when it was killed.  The script that
# sources it calls clean_up on every way out.

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

# Debian's knockd 0.8, to test against; unpacked only, since its installation would start it.
fetch_peer() {
    [[ -x target/peer/usr/sbin/knockd && -x target/peer/usr/bin/knock ]] && return
    command -v apt-get >/dev/null || return 0
    echo "Fetching Debian's knockd to test against" >&2
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
