#!/usr/bin/env bash
# Boots a systemd of its own, runs the daemon there as packaging/knockd.service says, and knocks from outside.
#
# Nothing of it is seen by this machine's own systemd, processes, network or files: the system is this machine's own,
# with all changes in memory, in namespaces that end with this script.  It takes some ten seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh

longest=100 # seconds
project=$PWD
systemd=/usr/lib/systemd/systemd
lab=$project/target/systemd # Nothing is ever written there: file systems in memory are mounted on it.
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
    mkdir -p "$lab"
    # Whatever is mounted, and whoever runs, is gone when the inner shell has ended.
    exec unshare --mount --propagation private "$BASH" "$project/tests/systemd.sh" --caged "$programs"
}

# Mounts are this shell's own.  What it leaves behind otherwise is a directory among the control groups.
caged() {
    mount -t tmpfs -o mode=755 tmpfs "$lab"
    mkdir "$lab"/{cgroup,lower,upper,work,root,new}
    mount -t cgroup2 cgroup2 "$lab/cgroup" || fail "this kernel has no cgroup2, which systemd needs"
    group=$lab/cgroup/knock-systemd-$$
    mkdir "$group"
    cage=
    trap disband EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    # In the background, so that signals are heard; each dies with the one that has started it.
    setpriv --pdeathsig KILL timeout --kill-after 5 "$longest" setpriv --pdeathsig KILL \
        unshare --pid --mount-proc --net --ipc --uts --fork --kill-child \
        "$BASH" "$project/tests/systemd.sh" --lab "$programs" "$group" &
    cage=$!
    wait "$cage"
}

disband() {
    local status=$? process attempt
    # What runs in the cage dies with it.
    [[ -z $cage ]] || kill -KILL "$cage" 2>/dev/null || true
    for attempt in {1..100}; do
        while read -r process; do
            kill -KILL "$process" 2>/dev/null || true
        done < <(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null)
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
        sleep 0.05
    done
    [[ ! -d $group ]] || fail "the control group ${group##*/} is left behind ($attempt attempts)"
    exit "$status"
}

# --- The lab: the knocker's network, with a server behind a cable ---

# eventually SECONDS COMMAND…: whether the command succeeds within that time.
eventually() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

checks=0
holds() {
    checks=$((checks + 1))
    printf 'ok %2d  %s\n' "$checks" "$1"
}

broken() {
    {
        echo "BROKEN: $1"
        on_server systemctl status --no-pager --full knockd || true
        on_server journalctl --no-pager --lines 40 || true
        echo "--- knockd.log"
        cat "$root/var/log/knockd.log" || true
    } >&2
    exit 1
}

# expect WORDS COMMAND…: sees that the command succeeds soon.
expect() {
    local words=$1
    shift
    eventually 10 "$@" || broken "$words"
    holds "$words"
}

on_server() {
    nsenter --target "$init" --mount --pid --net --uts --ipc --cgroup -- "$@"
}

is() { [[ $1 == "$2" ]]; }
not() { ! "$@"; }
logged() { grep -qE "$1" "$root/var/log/knockd.log"; }
unit_is() { [[ $(on_server systemctl show --value -p "$1" knockd) == "$2" ]]; }
runs() { unit_is ActiveState active; }
main_pid() { on_server systemctl show --value -p MainPID knockd; }
restarted() { [[ $(main_pid) != "$1" ]] && runs; }
in_set() { [[ $(on_server nft list set inet knock friends) == *198.51.100.2* ]]; }
in_chain() { [[ $(on_server "$1" -S INPUT) == *'-s 198.51.100.2/32'* ]]; }
knock() { "$programs/knock" -d 5 "$@"; }
ran_times() { [[ $(grep -c "running command: .*$1" "$root/var/log/knockd.log") == "$2" ]]; }
opened_times() { [[ $(grep -c "$1: OPEN SESAME" "$root/var/log/knockd.log") == "$2" ]]; }

# What the server is made of: this machine's files, and over them what is written here.
make_root() {
    mount -t overlay -o "lowerdir=/,upperdir=$lab/upper,workdir=$lab/work" overlay "$root"
    local place
    # Services of this machine are not started, and what it keeps is not looked at.
    for place in run tmp var dev etc/systemd/system; do
        mount -t tmpfs -o mode=755 tmpfs "$root/$place"
    done
    chmod 1777 "$root/tmp"
    mkdir -p "$root"/dev/{pts,shm} "$root"/var/{lib,log,tmp,spool} "$root/etc/knockd" "$root/home/needy"
    for place in null zero full random urandom tty; do
        : >"$root/dev/$place"
        mount --bind "/dev/$place" "$root/dev/$place"
    done
    mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    : >"$root/etc/fstab"
    # Settings of the kernel are this machine's, too.
    for place in systemd-sysctl.service systemd-modules-load.service systemd-udevd.service \
        sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
        dev-hugepages.mount dev-mqueue.mount; do
        ln -s /dev/null "$root/etc/systemd/system/$place"
    done
    mkdir -p "$root/usr/local/sbin"
    cp "$programs/knockd" "$root/usr/local/sbin/knockd"
    cp packaging/knockd.service "$root/etc/systemd/system/"
    mkdir -p "$root/etc/sysusers.d"
    cp packaging/sysusers.conf "$root/etc/sysusers.d/knockd.conf"
    printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >"$root/etc/systemd/system/lab.target"
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
[needy]
    sequence = 7200,8000,9000
    tcpflags = syn
    command  = /usr/local/sbin/needy
END
    for door; do
        printf '[%s]\n    sequence = 7300,8000,9000\n    tcpflags = syn\n    command = true\n' "$door"
    done
}

# Runs as the server's first process and becomes its systemd.
boot() {
    group=$1
    mount --make-rprivate /
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    cd "$root"
    pivot_root . mnt
    umount -l /mnt
    mount --make-rshared /
    exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin "$systemd" --system --unit=lab.target \
        --log-target=journal </dev/null >/dev/null 2>&1
}

first_process() { init=$(pgrep --parent "$server"); }
booted() { on_server systemctl is-active --quiet lab.target 2>/dev/null; }

start_server() {
    (
        echo "$BASHPID" >"$group/cgroup.procs"
        exec unshare --pid --mount --net --uts --ipc --cgroup --fork --kill-child \
            "$BASH" "$project/tests/systemd.sh" --boot "$group"
    ) &
    server=$!
    eventually 5 first_process || fail "the server has no first process"
    # Where both ends have the same index, the kernel takes up to a second to find that the cable is plugged in.
    ip link add eth0 index 10 type veth peer eth0 netns "$init"
    ip address add 198.51.100.2/24 dev eth0
    ip link set eth0 up
    expect "systemd boots" booted
    on_server ip link set lo up
    on_server ip address add 198.51.100.1/24 dev eth0
    on_server ip link set eth0 up
    on_server nft 'table inet knock { set friends { type ipv4_addr; }; }'
}

in_the_lab() {
    group=$1
    ip link set lo up
    tables=()
    local table
    for table in iptables-nft iptables-legacy; do
        if XTABLES_LOCKFILE=$lab/xtables.lock "$table" -S INPUT >/dev/null 2>&1; then tables+=("$table"); fi
    done
    ((${#tables[@]})) || tables=(iptables)
    make_root
    start_server
    local address=198.51.100.1 doors=$((2 + ${#tables[@]})) port
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
    printf '%d passed, 0 failed\n' "$checks"
}

not_empty() { [[ -n $("$@") ]]; }

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

root=$lab/root
case ${1-} in
--caged)
    programs=$2
    caged
    ;;
--lab)
    programs=$2
    in_the_lab "$3"
    ;;
--boot) boot "$2" ;;
*) outside ;;
esac
