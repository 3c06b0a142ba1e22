# shellcheck shell=bash
# For sourcing, after needs.sh: what scripts need that have hosts made out of network namespaces.

# leftovers: the namespaces of this run that are still there; see tests/lab/net.rs for their names.
leftovers() {
    ((EUID == 0)) && command -v ip >/dev/null || return 0
    ip netns list | awk -v prefix="kl-$KNOCK_LAB_ID-" 'index($1, prefix) == 1 { print $1 }'
}

# clean_up: removes what programs that were killed could not remove.
clean_up() {
    local namespace pid
    for namespace in $(leftovers); do
        for pid in $(ip netns pids "$namespace"); do
            kill -KILL "$pid" 2>/dev/null || true
        done
        ip netns delete "$namespace"
    done
}

# fetch_peer: Debian's knockd 0.8, to compare with; unpacked only, since its installation would start it.
fetch_peer() {
    [[ -x target/peer/usr/sbin/knockd && -x target/peer/usr/bin/knock ]] && return
    command -v apt-get >/dev/null || return 0
    echo "Fetching Debian's knockd to compare with"
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
