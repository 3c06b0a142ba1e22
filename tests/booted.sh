# shellcheck shell=bash
# For sourcing, after needs.sh: a server that is booted by a systemd of its own, and a knocker behind a virtual cable.
#
# Nothing of it is seen by this machine's own systemd, processes, network or files: all changes are in memory, in
# namespaces that end with the script.  Before, the script sets `longest` (seconds) and `lab` (a directory below target/); it
# defines `outside` (build, then `enter`), `in_the_lab` (make_base, start_server, checks) and `logs` (shown when a check
# fails); its last line is `booted_main "$@"`.

: "${longest:?}" "${lab:?}"
systemd=/usr/lib/systemd/systemd
project=$PWD
self=$project/tests/${0##*/}

booted_main() {
    root=$lab/root
    case ${1-} in
    --caged) caged ;;
    --lab)
        group=$2
        ip link set lo up
        in_the_lab
        printf '%d passed, 0 failed\n' "$checks"
        ;;
    --boot) boot "$2" ;;
    *) outside ;;
    esac
}

# enter: from outside into a cage.
enter() {
    # Nothing is ever written there: file systems in memory are mounted on it.
    mkdir -p "$lab"
    # Whatever is mounted, and whoever runs, is gone when the inner shell has ended.
    exec unshare --mount --propagation private "$BASH" "$self" --caged
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
        "$BASH" "$self" --lab "$group" &
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

# --- Checks ---

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
        logs || true
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
not_empty() { [[ -n $("$@") ]]; }
unit_is() { [[ $(on_server systemctl show --value -p "$1" knockd) == "$2" ]]; }
runs() { unit_is ActiveState active; }
main_pid() { on_server systemctl show --value -p MainPID knockd; }

# --- The server ---

# make_base LOWER PLACE…: the files of LOWER with all changes in memory, and nothing at all in these places.
make_base() {
    mount -t overlay -o "lowerdir=$1,upperdir=$lab/upper,workdir=$lab/work" overlay "$root"
    shift
    local place
    for place in run tmp dev "$@"; do
        mount -t tmpfs -o mode=755 tmpfs "$root/$place"
    done
    chmod 1777 "$root/tmp"
    mkdir -p "$root"/dev/{pts,shm}
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
    printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >"$root/etc/systemd/system/lab.target"
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
    cd "$root" || exit
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
            "$BASH" "$self" --boot "$group"
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
}
