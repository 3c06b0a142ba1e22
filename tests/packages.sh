#!/usr/bin/env bash
# Builds the packages, and installs, upgrades and purges them on a server of their own, where people knock all the while.
#
# The server is a bare Debian (or Ubuntu) in target/bare, made once by debootstrap, which takes two minutes; all changes
# to it are in memory: see booted.sh.  The rest takes a minute, besides the build.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh
# shellcheck source=tests/lab.sh
source tests/lab.sh

longest=200 # seconds
lab=$PWD/target/packages-lab
# shellcheck source=tests/booted.sh
source tests/booted.sh

# Beside the project's own build, since these programs are optimised less: optimising across crates takes minutes, and
# changes nothing about files, scripts and dependencies.
export CARGO_TARGET_DIR=$PWD/target/packages
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
built=$CARGO_TARGET_DIR/debian
built_for_rpm=$CARGO_TARGET_DIR/generate-rpm
# shellcheck source=/dev/null
bare=$PWD/target/bare/$(. /etc/os-release && echo "${VERSION_CODENAME:-unknown}")
address=198.51.100.1
# shellcheck source=tests/under_rpm.sh
source tests/under_rpm.sh
# shellcheck source=tests/over_the_classic.sh
source tests/over_the_classic.sh

# --- Outside: build, and look at what was built ---

outside() {
    ((EUID == 0)) || {
        echo "SKIPPED, since it needs root (sudo $0): packages under a real dpkg"
        exit 0
    }
    need dpkg-shlibdeps=dpkg-dev debootstrap=debootstrap lintian=lintian rpm=rpm rpmbuild=rpm ip=iproute2 \
        unshare=util-linux setpriv=util-linux
    need_cargo
    need_tool cargo-deb 3.8.0
    need_tool cargo-generate-rpm 0.21.1
    fetch_peer
    rm -rf "$built" "$built_for_rpm"
    packaging/build.sh deb rpm
    # No error; docs/packaging.md tells of the warnings.
    lintian --allow-root --fail-on error "$built"/*.deb
    make_bare
    enter
}

# names DEB…: the first choices among what these depend on, apart from one another.
names() {
    local deb
    for deb; do
        dpkg-deb --field "$deb" Depends | tr , '\n' | sed 's/|.*//; s/(.*//; s/ //g'
    done | grep -vx seqgen | sort -u
}

make_bare() {
    [[ -d $bare ]] && return
    local include
    include=$(names "$built"/*.deb target/peer/*.deb | paste -sd,)
    mkdir -p "${bare%/*}"
    rm -rf "$bare.new"
    debootstrap --variant=minbase --include="$include,bash-completion,iproute2,logrotate,nftables,procps" \
        "${bare##*/}" "$bare.new" >"$bare.log" || fail "debootstrap has failed: $bare.log and $bare.new/debootstrap/"
    mv "$bare.new" "$bare"
}

# --- In the lab ---

logs() {
    on_server systemctl status --no-pager --full knockd || true
    on_server journalctl --no-pager --lines 30 || true
    echo "--- dpkg"
    cat "$lab/said" || true
    echo "--- knockd.log"
    cat "$root/var/log/knockd.log"
}

logged() { grep -qE "$1" "$root/var/log/knockd.log"; }
ran_times() { [[ $(grep -c "running command: .*$1" "$root/var/log/knockd.log") == "$2" ]]; }
in_set() { [[ $(on_server nft list set inet knock friends) == *198.51.100.2* ]]; }
# With the client that was installed.
knock() { "$root/usr/bin/knock" -d 5 "$@"; }
started_from() { [[ $(on_server readlink "/proc/$(main_pid)/exe") == "$1" ]]; }
mode_is() { [[ $(stat -c %a:%U "$root$1") == "$2" ]]; }
# field NAME PACKAGE…: of packages that are installed there.
field() { on_server dpkg-query --show --showformat "\${$1}\n" "${@:2}"; }
# Nobody answers questions: with no input, dpkg fails where it has one.
dpkg_on_server() { on_server dpkg --force-unsafe-io "$@" </dev/null >"$lab/said" 2>&1; }
install_ours() { dpkg_on_server --install "${ours[@]}"; }

in_the_lab() {
    right_versions
    make_base "$bare"
    cp "$built"/*.deb "$root/srv/"
    cp target/peer/*.deb "$root/srv/classic.deb"
    # In this order, in which the client comes before the daemon that it takes a file from.
    ours=("$built"/{knock,knockd,seqgen}_*.deb)
    ours=("${ours[@]/#*\///srv/}")
    rm -rf "${root:?}/var/lib/apt/lists"
    cat >"$root/etc/systemd/system/echo.socket" <<END
[Socket]
ListenStream=2222
Accept=yes
END
    cat >"$root/etc/systemd/system/echo@.service" <<END
[Service]
ExecStart=/bin/cat
StandardInput=socket
END
    under_rpm
    start_server
    on_server nft 'table inet knock {
        set friends { type ipv4_addr; }
        chain input { type filter hook input priority 0; tcp dport 2222 ip saddr != @friends drop; }
    }'
    on_server systemctl start echo.socket
    snapshot >"$lab/before"
    on_a_clean_machine
    over_the_classic
    over_a_classic_that_is_off
    over_a_classic_that_must_go_on
}

right_versions() {
    local classic deb
    classic=$(dpkg-deb --field target/peer/*.deb Version)
    for deb in "$built"/*.deb; do
        dpkg --compare-versions "$(dpkg-deb --field "$deb" Version)" gt "$classic" ||
            fail "$deb is older than the classic package, which would replace it"
    done
    holds "the versions are above the classic one's"
    [[ $(dpkg-deb --field "$built"/knock_*.deb Depends) != *pcap* ]] || fail "the client depends on libpcap"
    [[ $(dpkg-deb --field "$built"/knockd_*.deb Depends) == *pcap* ]] || fail "the daemon does not depend on libpcap"
    holds "the daemon depends on libpcap, the client does not"
}

on_a_clean_machine() {
    install_ours || broken "the packages are installed"
    holds "the packages are installed"
    expect "the daemon runs" runs
    expect "it is the installed one" started_from /usr/sbin/knockd
    expect "it is enabled" unit_is UnitFileState enabled
    [[ $(ldd "$root/usr/bin/knock") != *pcap* ]] || broken "the client is not linked to libpcap"
    holds "the client is not linked to libpcap"
    expect "the configuration is the one that opens nothing" cmp -s packaging/knockd.conf "$root/etc/knockd.conf"
    expect "it is checked by the installed program" is "$(on_server knockd --check 2>"$lab/said")" \
        "/etc/knockd.conf: good, 0 doors on any"
    expect "it is no file that dpkg asks about" \
        is "$(field Conffiles knockd knock seqgen | awk '{ print $1 }' | xargs)" /etc/logrotate.d/knockd
    expect "pads are root's alone" mode_is /etc/knockd 700:root
    expect "so is the configuration" mode_is /etc/knockd.conf 600:root
    expect "the state directory is there" mode_is /var/lib/knockd 700:root
    local capture
    capture=$(on_server pgrep --parent "$(main_pid)")
    expect "who reads packets is a user of the system's own" \
        is "$(on_server ps -o user= "$capture") $(($(on_server id -u knockd) < 1000))" "knockd 1"
    # shellcheck disable=SC2016 # for the inner shell
    expect "bash finds the completions" on_server bash -c '
        source /usr/share/bash-completion/bash_completion
        for program in knockd knock seqgen; do
            _completion_loader "$program"
            [[ $(complete -p "$program") == *"-F _$program "* ]] || exit 1
        done'
    expect "the manual pages are there" \
        on_server gzip -t /usr/share/man/man{1/knock.1,1/seqgen.1,5/knockd.conf.5,8/knockd.8}.gz

    on_server sh -c 'umask 077; seqgen -n 20 -o /etc/knockd/friends.pad'
    cp "$root/etc/knockd/friends.pad" "$lab/friends.pad"
    configure "one_time_sequences = /etc/knockd/friends.pad" >"$root/etc/knockd.conf"
    on_server knockd --check >"$lab/said" 2>&1 || broken "a configuration of one's own is good"
    on_server systemctl reload knockd
    # The status tells what is wanted, the log when it is there.
    expect "it is taken over by a reload" logged '\] listening on eth0$'
    knock -f "$lab/friends.pad" "$address"
    expect "a knock opens" in_set
    over_itself
    rotated

    cp "$root/etc/knockd.conf" "$lab/own.conf"
    dpkg_on_server --remove knockd || broken "the daemon is removed"
    expect "when it is removed, doors are closed" not in_set
    cmp -s "$lab/own.conf" "$root/etc/knockd.conf" || broken "the configuration is kept"
    holds "the configuration is kept"
    install_ours || broken "it is installed again"
    expect "it runs again" runs
    expect "with the configuration that was kept" unit_is StatusText "1 door on eth0"
    cmp -s "$lab/own.conf" "$root/etc/knockd.conf" || broken "which nobody has changed"
    holds "which nobody has changed"
    purged "the packages"
}

# While a connection through an open door lives on.
over_itself() {
    local pid away
    exec {connection}<>"/dev/tcp/$address/2222"
    echoes before || broken "there is a connection through the open door"
    holds "there is a connection through the open door"
    pid=$(main_pid)
    # What systemd understands, and a shell does not.
    echo 'KNOCKD_OPTS=-i eth0' >"$root/etc/default/knockd"
    install_ours || broken "it is upgraded"
    [[ $(main_pid) != "$pid" ]] || broken "another daemon runs then"
    runs || broken "another daemon runs then"
    holds "after an upgrade another daemon runs"
    echoes after || broken "the connection lives on"
    holds "the connection lives on"
    in_set || broken "the door is open"
    ran_times 'nft delete' 0 || broken "the door was never closed"
    holds "the door was never closed"
    away=$(on_server systemctl show --property ActiveExitTimestampMonotonic --property ActiveEnterTimestampMonotonic knockd)
    away=$((($(sed -n 's/^ActiveEnter.*=//p' <<<"$away") - $(sed -n 's/^ActiveExit.*=//p' <<<"$away")) / 1000))
    ((away >= 0 && away < 2000)) || broken "nobody listened for $away ms"
    holds "nobody listened for $away ms only"
    knock -f "$lab/friends.pad" "$address"
    # The door is open, and is renewed: so the new daemon knows of it.
    expect "the new daemon takes the next knock, and knows of the open door" ran_times 'nft delete' 1
    expect "which is open again" ran_times 'nft add' 2
    exec {connection}>&-
}

# echoes WORD: whether it comes back through the connection.
echoes() {
    local line
    echo "$1" >&"$connection"
    read -r -t 10 -u "$connection" line && [[ $line == "$1" ]]
}

rotated() {
    rotate
    knock -f "$lab/friends.pad" "$address"
    expect "the daemon goes on in the new one" logged 'friends: OPEN SESAME'
    echo half >>"$root/etc/knockd.conf"
    rotate
    expect "it does so even while somebody writes a configuration" logged 'the daemon goes on as before$'
    sed -i '$d' "$root/etc/knockd.conf"
}

rotate() {
    on_server logrotate --state /var/tmp/rotated --force /etc/logrotate.d/knockd || broken "logrotate rotates the log"
    [[ -s $root/var/log/knockd.log.1 ]] || broken "logrotate rotates the log"
    holds "logrotate rotates the log"
}

# configure DIRECTIVE: a door to the echo.
configure() {
    cat <<END
[options]
    LogFile = /var/log/knockd.log
    Interface = eth0
[friends]
    $1
    tcpflags      = syn
    start_command = /usr/sbin/nft add element inet knock friends { %IP% }
    cmd_timeout   = 600
    stop_command  = /usr/sbin/nft delete element inet knock friends { %IP% }
END
}

# What could be left behind: every file, and what is in those that list users.
snapshot() {
    on_server find / -xdev \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log -o -path /tmp \
        -o -path /var/tmp -o -name '*-' -path '/etc/*' \) -prune -o -print
    on_server find /run /var/log -name '*knock*'
    on_server sed 's/:.*//' /etc/passwd /etc/shadow /etc/group /etc/gshadow
}

# purged WHAT
purged() {
    dpkg_on_server --purge knockd knock seqgen || broken "$1 can be purged"
    not runs || broken "the daemon has ended"
    snapshot >"$lab/after"
    local left
    left=$(diff <(sort "$lab/before") <(sort "$lab/after") || true)
    [[ -z $left ]] || broken "$1 leave nothing behind: $left"
    holds "$1 leave nothing behind when they are purged"
}

booted_main "$@"
