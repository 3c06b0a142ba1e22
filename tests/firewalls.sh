#!/usr/bin/env bash
# Does what knockd.conf(5) says about ufw and firewalld: its rules, its doors, with times that are shorter.
#
# Both are installed on a server that is booted by a systemd of its own: this machine's files with all changes in memory,
# see booted.sh.  It takes a minute.  The doors for nftables and iptables are tried by the lab (tests/lab/manual.rs).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh

longest=200 # seconds
lab=$PWD/target/firewalls
# shellcheck source=tests/booted.sh
source tests/booted.sh
programs=$(realpath "${CARGO_TARGET_DIR:-target}")/debug
downloads=$PWD/target/firewalls-downloads
# The server's addresses.
four=198.51.100.1 six=2001:db8::1

# --- Outside: build, and fetch the firewalls ---

outside() {
    ((EUID == 0)) || {
        echo "SKIPPED, since it needs root (sudo $0): ufw and firewalld as in knockd.conf(5)"
        exit 0
    }
    command -v apt-get >/dev/null || {
        echo "SKIPPED, since it needs apt-get: ufw and firewalld as in knockd.conf(5)"
        exit 0
    }
    need "$systemd=systemd" dbus-daemon=dbus iptables=iptables ip=iproute2 unshare=util-linux setpriv=util-linux
    need_cargo
    cargo build --workspace --locked
    fetch || {
        as_root apt-get -qq update
        fetch
    }
    enter
}

# Only downloads: nothing is installed on this machine.
fetch() {
    mkdir -p "$downloads/partial"
    # Root's apt-get would hand the download to a user who may not write here.
    apt-get -qq install --download-only --no-install-recommends -y -o APT::Sandbox::User=root \
        -o Dir::Cache::archives="$downloads" ufw firewalld
}

# --- What the page says ---

# block FIREWALL NUMBER: of the literal blocks of its section; the first has its rules, the second its door.
block() {
    awk -v section=".Ss $1" -v wanted="$2" '
        /^\.S[sh] / { within = $0 == section }
        /^\.Ed/ { if (literal && count == wanted) found = 1; literal = 0 }
        literal && count == wanted
        within && /^\.Bd -literal/ { literal = 1; count++ }
        END { exit !found }' man/knockd.conf.5 || fail "man/knockd.conf.5 has no block $2 about $1"
}

# --- In the lab ---

logs() {
    on_server systemctl status --no-pager --full knockd || true
    on_server journalctl --no-pager --lines 40 || true
    echo "--- knockd.log"
    cat "$root/var/log/knockd.log"
}

logged() { grep -qE "$1" "$root/var/log/knockd.log"; }
knock() { "$programs/knock" -q -d 5 -f "$lab/ssh.pad" "$1"; }
# Through a firewall that drops, only the time tells.
# shellcheck disable=SC2016 # for the inner shell to expand
connects() { timeout 1 "$BASH" -c ': <"/dev/tcp/$0/22"' "$1" 2>/dev/null; }

# echoes: whether what was written comes back through the connection.
echoes() {
    local line
    echo hello >&"$connection"
    read -r -t 5 -u "$connection" line && [[ $line == hello ]]
}

make_root() {
    make_base / etc/systemd/system var/log run
    # As above; the services that are installed are to be started by the lab alone.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    mkdir "$root/tmp/downloads"
    cp "$downloads"/*.deb "$root/tmp/downloads/"
    chroot "$root" sh -c 'DEBIAN_FRONTEND=noninteractive dpkg --force-unsafe-io --install /tmp/downloads/*.deb' \
        >"$lab/dpkg.log" 2>&1 || fail "dpkg has failed: $(tail -n 5 "$lab/dpkg.log")"
    mkdir -p "$root/etc/"{knockd,sysusers.d} "$root/usr/local/sbin" "$root/etc/systemd/system/knockd.service.d"
    cp "$programs/knockd" "$root/usr/local/sbin/knockd"
    cp packaging/knockd.service "$root/etc/systemd/system/"
    cp packaging/relaxed.conf "$root/etc/systemd/system/knockd.service.d/"
    cp packaging/sysusers.conf "$root/etc/sysusers.d/knockd.conf"
    echo 'KNOCKD_OPTS="-i eth0 -g /var/log/knockd.log"' >"$root/etc/default/knockd"
    (umask 077 && "$programs/seqgen" -n 50 >"$root/etc/knockd/ssh.pad")
    cp "$root/etc/knockd/ssh.pad" "$lab/ssh.pad"
    printf '[Socket]\nListenStream=22\nAccept=yes\n' >"$root/etc/systemd/system/echo.socket"
    printf '[Service]\nExecStart=/bin/cat\nStandardInput=socket\n' >"$root/etc/systemd/system/echo@.service"
}

in_the_lab() {
    make_root
    start_server
    ip address add 2001:db8::2/64 dev eth0 nodad
    on_server ip address add "$six/64" dev eth0 nodad
    on_server systemctl start echo.socket
    expect "the service answers over IPv4" connects "$four"
    expect "the service answers over IPv6" connects "$six"
    # As it is said why the door has another command.
    not on_server ufw insert 1 allow from 192.0.2.2 to any port 22 proto tcp >"$lab/said" 2>&1 ||
        broken "ufw inserts no first rule"
    holds "ufw inserts no first rule"
    opens_and_closes ufw
    on_server ufw --force disable >"$lab/said"
    # Its socket is there from the boot on.
    on_server systemctl start firewalld || broken "firewalld starts"
    opens_and_closes firewalld
    # Which does not begin its time anew.
    on_server systemctl start knockd
    expect "knockd listens" logged 'listening on eth0$'
    knock "$four"
    expect "a knock opens" connects "$four"
    knock "$four"
    expect "another one makes firewalld say that it is open" logged 'command says: .*ALREADY_ENABLED'
}

# opens_and_closes FIREWALL
opens_and_closes() {
    local address
    block "$1" 1 >"$root/tmp/rules"
    on_server sh -ex /tmp/rules >"$lab/said" 2>&1 || broken "the rules for $1 are accepted: $(cat "$lab/said")"
    for address in "$four" "$six"; do
        not connects "$address" || broken "$1 lets nobody in at $address"
        holds "$1 lets nobody in at $address"
    done
    block "$1" 2 | sed -E 's/(Cmd_Timeout +=) 30$/\1 4/; s/--timeout=30/--timeout=4/' >"$root/etc/knockd.conf"
    chmod 600 "$root/etc/knockd.conf"
    on_server systemctl restart knockd || broken "knockd starts with the door for $1"
    for address in "$four" "$six"; do
        expect "knockd listens" logged 'listening on eth0$'
        knock "$address"
        expect "a knock opens $1 at $address" connects "$address"
        exec {connection}<>"/dev/tcp/$address/22"
        echoes || broken "a connection stands"
        expect "it closes again" not connects "$address"
        echoes || broken "the connection goes on"
        holds "the connection goes on"
        exec {connection}>&-
    done
    not logged 'non-zero|by signal|too long|could not be run' || broken "no command fails"
    holds "no command fails"
    on_server systemctl stop knockd
    rm "$root/var/log/knockd.log"
}

booted_main "$@"
