#!/usr/bin/env bash
# Boots a systemd of its own, runs the daemon there as packaging/knockd.service says, and knocks from outside.
#
# The system is this machine's own, with all changes in memory: see booted.sh.  It takes some ten seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh

longest=100 # seconds
lab=$PWD/target/systemd
# shellcheck source=tests/booted.sh
source tests/booted.sh
programs=$(realpath "${CARGO_TARGET_DIR:-target}")/debug

# --- Outside: build, and a cage within which all of the rest happens ---

outside() {
    ((EUID == 0)) || {
        echo "SKIPPED, since it needs root (sudo $0): the unit under a real systemd"
        exit 0
    }
    need "$systemd=systemd" nft=nftables iptables=iptables ip=iproute2 unshare=util-linux setpriv=util-linux
    need_cargo
    cargo build --workspace --locked
    enter
}

# --- The lab: the knocker's network, with a server behind a cable ---

logs() {
    on_server systemctl status --no-pager --full knockd || true
    on_server journalctl --no-pager --lines 40 || true
    echo "--- knockd.log"
    cat "$root/var/log/knockd.log"
}

restarted() { [[ $(main_pid) != "$1" ]] && runs; }
logged() { grep -qE "$1" "$root/var/log/knockd.log"; }
in_set() { [[ $(on_server nft list set inet knock friends) == *198.51.100.2* ]]; }
in_timed_set() { [[ $(on_server nft list set inet knock timed) == *"198.51.100.2 timeout 10m"* ]]; }
in_chain() { [[ $(on_server "$1" -S INPUT) == *'-s 198.51.100.2/32'* ]]; }
knock() { "$programs/knock" -d 5 "$@"; }
ran_times() { [[ $(grep -c "running command: .*$1" "$root/var/log/knockd.log") == "$2" ]]; }
opened_times() { [[ $(grep -c "$1: OPEN SESAME" "$root/var/log/knockd.log") == "$2" ]]; }

# What the server is made of: this machine's files, and over them what is written here.
make_root() {
    # Services of this machine are not started, and what it keeps is not looked at.
    make_base / var etc/systemd/system
    mkdir -p "$root"/var/{lib,log,tmp,spool} "$root/etc/knockd" "$root/home/needy"
    mkdir -p "$root/usr/local/sbin"
    cp "$programs/knockd" "$root/usr/local/sbin/knockd"
    cp packaging/knockd.service "$root/etc/systemd/system/"
    mkdir -p "$root/etc/sysusers.d"
    cp packaging/sysusers.conf "$root/etc/sysusers.d/knockd.conf"
    # The service's own default, to see that arguments come from there.
    mkdir -p "$root/etc/default"
    echo 'KNOCKD_OPTS="-i eth0"' >"$root/etc/default/knockd"
    (umask 077 && "$programs/seqgen" -n 20 >"$root/etc/knockd/friends.pad")
    cp "$root/etc/knockd/friends.pad" "$lab/friends.pad"
    configure >"$root/etc/knockd.conf"
    chmod 600 "$root/etc/knockd.conf"
}

# Doors of all kinds of commands; the names of further ones come as arguments.
configure() {
    local door port=7100
    cat <<END
[options]
    LogFile = /var/log/knockd.log
[friends]
    one_time_sequences = /etc/knockd/friends.pad
    tcpflags           = syn
    start_command      = /usr/sbin/nft add element inet knock friends { %IP% }
    cmd_timeout        = 600
    stop_command       = /usr/sbin/nft delete element inet knock friends { %IP% }
END
    for door in "${tables[@]}"; do
        port=$((port + 1))
        cat <<END
[$door]
    sequence      = $port,8000,9000
    tcpflags      = syn
    start_command = $door -w -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
    cmd_timeout   = 600
    stop_command  = $door -w -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
END
    done
    cat <<END
[set]
    sequence    = 7400,8000,9000
    tcpflags    = syn
    nft_set     = inet knock timed
    nft_set_6   =
    cmd_timeout = 600
END
    cat <<END
[needy]
    sequence = 7200,8000,9000
    tcpflags = syn
    command  = /usr/local/sbin/needy
END
    for door; do
        printf '[%s]\n    sequence = 7300,8000,9000\n    tcpflags = syn\n    command = true\n' "$door"
    done
}

in_the_lab() {
    tables=()
    local table
    for table in iptables-nft iptables-legacy; do
        if XTABLES_LOCKFILE=$lab/xtables.lock "$table" -S INPUT >/dev/null 2>&1; then tables+=("$table"); fi
    done
    ((${#tables[@]})) || tables=(iptables)
    make_root
    start_server
    on_server nft 'table inet knock { set friends { type ipv4_addr; }; set timed { type ipv4_addr; flags timeout; }; }'
    local address=198.51.100.1 doors=$((3 + ${#tables[@]})) port
    make_needy

    # Only what would take too long as it is.
    mkdir -p "$root/etc/systemd/system/knockd.service.d"
    printf '[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\nRestartSec=100ms\n' \
        >"$root/etc/systemd/system/knockd.service.d/lab.conf"
    on_server systemctl daemon-reload
    expect "systemd finds nothing wrong with the unit" is "" "$(on_server systemd-analyze verify --man=no knockd.service 2>&1)"
    on_server systemctl start knockd || broken "the unit starts"
    holds "the unit starts"
    expect "systemd knows what it does" unit_is StatusText "$doors doors on eth0"
    confined

    knock -f "$lab/friends.pad" "$address"
    expect "a one-time knock runs nft" in_set
    expect "its line is struck in /etc/knockd" is "$(head -c 1 "$root/etc/knockd/friends.pad")" "#"
    knock "$address" 7400 8000 9000
    expect "a knock adds to a set without a shell" in_timed_set
    port=7100
    for table in "${tables[@]}"; do
        port=$((port + 1))
        knock "$address" "$port" 8000 9000
        expect "a knock runs $table" in_chain "$table"
    done

    configure another >"$root/etc/knockd.conf"
    on_server systemctl reload knockd
    expect "a reload is done and told" unit_is StatusText "$((doors + 1)) doors on eth0"
    expect "it is active again after that" unit_is SubState running
    knock "$address" 7300 8000 9000
    expect "the new door opens" opened_times another 1

    local pid
    pid=$(main_pid)
    on_server kill -STOP "$pid"
    expect "a daemon that hangs is started again" restarted "$pid"
    expect "the watchdog did so" not_empty on_server journalctl --unit knockd --grep 'Watchdog timeout' --quiet
    in_set || broken "a door that was open then stays open for its time"
    holds "a door that was open then stays open for its time"
    knock -f "$lab/friends.pad" "$address"
    # Which renews the open door: it is closed first.
    expect "the next line of the pad opens" ran_times 'nft add' 2
    expect "it opens the firewall" in_set

    on_server systemctl kill --kill-who=main --signal USR1 knockd
    expect "SIGUSR1 ends it" unit_is ActiveState inactive
    in_set || broken "SIGUSR1 leaves doors open"
    holds "SIGUSR1 leaves doors open"
    on_server systemctl start knockd || broken "it starts again"
    holds "it starts again"
    on_server systemctl stop knockd
    for table in "${tables[@]}"; do
        expect "a stop closes the door of $table" not in_chain "$table"
    done
    expect "a stop closes the door of nft" not in_set
    expect "a stop takes the address out of the set" not in_timed_set
    expect "the stop was an orderly one" unit_is Result success

    echo nonsense >"$root/etc/knockd.conf"
    not on_server systemctl start knockd 2>/dev/null || broken "a bad configuration is refused"
    expect "a bad configuration is refused" unit_is ExecMainStatus 3
    expect "and not tried again" unit_is SubState failed
    configure >"$root/etc/knockd.conf"

    on_server systemctl start knockd
    knock "$address" 7200 8000 9000
    expect "a command that wants more is held back" logged 'needy: command says: could:\.$'
    cp packaging/relaxed.conf "$root/etc/systemd/system/knockd.service.d/"
    on_server systemctl daemon-reload
    expect "nor with the drop-in" is "" "$(on_server systemd-analyze verify --man=no knockd.service 2>&1)"
    on_server systemctl restart knockd
    knock "$address" 7200 8000 9000
    local all=" write-at-home have-the-mailers-group send see-others write-elsewhere"
    expect "with the drop-in it is not" logged "needy: command says: could:$all\.$"
    on_server systemctl stop knockd
    expect "it stops" unit_is ActiveState inactive
}

# A script that does what the unit lets nobody do, and tells which of it was possible.
make_needy() {
    cp "$(command -v id)" "$root/usr/local/sbin/mailer"
    on_server chgrp mail /usr/local/sbin/mailer
    on_server chmod 2755 /usr/local/sbin/mailer
    cat >"$root/usr/local/sbin/needy" <<'END'
#!/bin/bash
exec 2>/dev/null
touch /home/needy/note && could+=" write-at-home"
[[ $(mailer -gn) == mail ]] && could+=" have-the-mailers-group"
echo letter >/dev/udp/198.51.100.2/25 && could+=" send"
pgrep systemd-journal >/dev/null && could+=" see-others"
touch /srv/note && could+=" write-elsewhere"
echo "could:$could."
END
    chmod 755 "$root/usr/local/sbin/needy"
}

# What the unit takes away, as the kernel sees it.
confined() {
    local status
    status=$(on_server cat "/proc/$(main_pid)/status")
    grep -qP '^NoNewPrivs:\t1$' <<<"$status" || broken "no new privileges: $status"
    grep -qP '^Seccomp:\t2$' <<<"$status" || broken "system calls are filtered: $status"
    # CAP_KILL, SETGID, SETUID, SETPCAP, NET_ADMIN, NET_RAW, SYS_CHROOT: bits 5 to 8, 12, 13, 18.
    grep -qP '^CapBnd:\t00000000000431e0$' <<<"$status" || broken "capabilities are bounded: $status"
    holds "the daemon is confined as the unit says"
    on_server knockd --status --json | grep -q '"state": "listening"' || broken "root may ask how it is"
    holds "root may ask how it is"
    not on_server nsenter --target "$(main_pid)" --mount touch /etc/note /run/note /srv/note /usr/note /var/note 2>/dev/null ||
        broken "files are out of its reach"
    local place
    for place in etc run srv usr var; do
        [[ ! -e $root/$place/note ]] || broken "files in /$place are out of its reach"
    done
    holds "files are out of its reach"
    local capture
    capture=$(on_server pgrep --parent "$(main_pid)")
    status=$(on_server cat "/proc/$capture/status")
    grep -qP '^CapBnd:\t0000000000000000$' <<<"$status" || broken "who reads packets has capabilities: $status"
    [[ $(on_server ps -o ruser=,user=,rgroup=,group= "$capture" | xargs) == "knockd knockd knockd knockd" ]] ||
        broken "who reads packets is somebody else: $status"
    [[ $(on_server readlink "/proc/$capture/root") == *' (deleted)' ]] || broken "who reads packets sees files"
    holds "who reads packets is locked up, too"
}

booted_main "$@"
