#!/usr/bin/env bash
# Two hosts, a firewall and a one-time knock, in a few seconds and without touching this machine's own network.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh
# Whatever the user's is: knockd refuses what others can write to.
umask 022

# The same story out of a recording, where there is no root to be had, or no Linux: nothing is opened, and what would
# have been run is printed.
tell_from_recording() {
    local story file
    cargo build --release --locked --package knockd
    programs=$(cd "${CARGO_TARGET_DIR:-target}/release" && pwd)
    # Of a checkout others may be able to change the files, too.
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    for file in examples/recorded/*; do
        (umask 077 && cat "$file" >"$work/${file##*/}")
    done
    cd "$work"
    echo "Three knocks, recorded: one with the pad's first line, the same ports a minute later from an"
    echo "eavesdropper, and one with the third line, since the second got lost.  knockd makes of them:"
    echo
    story=$("$programs/knockd" --read knock.pcap -c knockd.conf)
    printf '%s\n' "$story"
    [[ $(grep -c 'OPEN SESAME' <<<"$story") == 2 ]] || {
        echo "This should have been two openings." >&2
        exit 1
    }
    echo
    echo "Two openings, none for the eavesdropper, and the line that was skipped is struck too."
    exit
}

# Building is the user's; what follows needs root, which is told where the programs are.
if [[ ${1-} != --built ]]; then
    if [[ $(uname) != Linux ]] || { ((EUID != 0)) && ! command -v sudo >/dev/null; }; then
        need_cargo
        tell_from_recording
    fi
    need cc=gcc /usr/include/pcap/pcap.h=libpcap-dev nft=nftables ip=iproute2 perl=perl-base
    need_cargo
    cargo build --release --locked --package knockd --package seqgen
    programs=$(realpath "${CARGO_TARGET_DIR:-target}/release")
    if ((EUID != 0)); then
        echo "The rest needs root, for network namespaces:"
        as_root "$BASH" "$PWD/examples/demo.sh" --built "$programs"
        exit
    fi
else
    programs=$2
fi

server=knock-demo-$$-server
client=knock-demo-$$-client
address=192.0.2.1
open_for=3
work=$(mktemp -d)
pids=()

bold='' green='' red='' plain=''
if [[ -t 1 && -z ${NO_COLOR-} ]]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

# eventually SECONDS COMMAND…: whether the command succeeds within that time.
eventually() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

gone() { ! kill -0 "$1" 2>/dev/null; }
clean_up() {
    local pid host
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
        eventually 3 gone "$pid" || kill -KILL "$pid"
    done
    for host in "$server" "$client"; do
        ip netns delete "$host" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

steps=0
say() {
    steps=$((steps + 1))
    printf '%s%2d.%s %s\n' "$bold" "$steps" "$plain" "$1"
}
seen() {
    printf '    %s%s%s\n' "$green" "$1" "$plain"
}
did_not_happen() {
    printf '    %sThis did not happen: %s%s\n' "$red" "$1" "$plain"
    if [[ -s $work/knockd.log ]]; then
        echo "    knockd's log:"
        sed 's/^/        /' "$work/knockd.log"
    fi
    exit 1
} >&2

# on HOST COMMAND…: runs it there.
on() {
    ip netns exec "$@"
}
# Asks the service for its greeting, as any client would.
connects() {
    # shellcheck disable=SC2016 # for the inner shell to expand
    greeting=$(on "$client" timeout 1 "$BASH" -c 'read -r line <"/dev/tcp/$0/22" && echo "$line"' "$address" 2>/dev/null)
}
logged() {
    grep -q "$1" "$work/knockd.log" 2>/dev/null
}
openings() {
    grep -c 'ssh: OPEN SESAME' "$work/knockd.log" || true
}

say "Two hosts with a cable between them: the server is $address, the client is 192.0.2.2."
for host in "$server" "$client"; do
    ip netns add "$host"
    ip -n "$host" link set lo up
done
# Where both ends have the same index, the kernel takes up to a second to find that the cable is plugged in.
ip link add eth0 index 10 netns "$server" type veth peer eth0 netns "$client"
ip -n "$server" address add "$address/24" dev eth0
ip -n "$client" address add 192.0.2.2/24 dev eth0
ip -n "$server" link set eth0 up
ip -n "$client" link set eth0 up
plugged_in() { [[ $(on "$client" cat /sys/class/net/eth0/operstate) == up ]]; }
eventually 5 plugged_in || did_not_happen "the cable is plugged in"

say "The server runs a service on port 22."
# Not through a function: $! is to be the program's own.
# shellcheck disable=SC2016 # these are Perl's
ip netns exec "$server" perl -MIO::Socket::INET -e '
    my $service = IO::Socket::INET->new(LocalPort => 22, Listen => 5) or die "service: $!\n";
    while (my $client = $service->accept) { print $client "Welcome, ", $client->peerhost, "!\n"; close $client }
' &
pids+=($!)
eventually 5 connects || did_not_happen "the client cannot reach the service"
seen "the client connects: $greeting"

say "An nftables rule now drops all connections to port 22, except from addresses in a set that is empty."
on "$server" nft '
    table inet demo {
        set friends { type ipv4_addr; }
        chain input {
            type filter hook input priority 0; policy accept;
            ip saddr @friends tcp dport 22 accept
            tcp dport 22 drop
        }
    }'
if connects; then did_not_happen "the firewall should have dropped the connection"; fi
seen "the client waits in vain: no answer"

say "seqgen -n 10 > pad, and a copy of the pad for each end."
(umask 077 && "$programs/seqgen" -n 10 >"$work/pad")
cp -p "$work/pad" "$work/pad.server"
cp -p "$work/pad" "$work/pad.client"
[[ $(wc -l <"$work/pad") == 10 ]] || did_not_happen "the pad does not have ten lines"
seen "the first of ten lines is:$(head -n 1 "$work/pad")"

say "knockd on the server puts whoever knocks a line of the pad into the set, for $open_for seconds."
cat >"$work/knockd.conf" <<END
[options]
    LogFile   = $work/knockd.log
    State_Dir = $work/state
[ssh]
    one_time_sequences = $work/pad.server
    tcpflags           = syn
    start_command      = nft add element inet demo friends { %IP% }
    cmd_timeout        = $open_for
    stop_command       = nft delete element inet demo friends { %IP% }
END
# With a /run of its own, so that its socket is no file of this machine: ip(8) makes a mount namespace.
mkdir "$work/run"
# shellcheck disable=SC2016 # for the inner shell to expand
ip netns exec "$server" sh -c 'mount -n --bind "$1" /run && shift && exec "$@"' sh "$work/run" \
    "$programs/knockd" -c "$work/knockd.conf" -i eth0 >"$work/knockd.out" 2>&1 &
pids+=($!)
eventually 5 logged 'listening on eth0' || {
    cat "$work/knockd.out"
    did_not_happen "knockd does not listen"
}
seen "it listens on eth0"

say "knock -f pad $address: the client strikes the line in its copy and sends it."
on "$client" "$programs/knock" -f "$work/pad.client" "$address" || did_not_happen "knock failed"
eventually 2 connects || did_not_happen "the door did not open"
[[ $(openings) == 1 ]] || did_not_happen "the log counts $(openings) openings instead of one"
for pad in "$work/pad.client" "$work/pad.server"; do
    [[ $(head -c 1 "$pad") == '#' && $(grep -c '^#' "$pad") == 1 ]] || did_not_happen "$pad: the line is not struck"
done
seen "the client connects: $greeting  The line is struck in both copies."

say "An eavesdropper sends the same ports again."
IFS=, read -ra ports <<<"$(sed -n '1s/^#//p' "$work/pad.client")"
on "$client" "$programs/knock" -d 10 "$address" "${ports[@]}" || did_not_happen "knock failed"
[[ $(openings) == 1 ]] || did_not_happen "the struck line opened the door again"
seen "still one opening in the log"

say "After $open_for seconds the door closes by itself."
eventually $((open_for + 5)) logged 'ssh: command timeout' || did_not_happen "the door did not close"
shut() { ! connects; }
eventually 2 shut || did_not_happen "the client still gets through"
# By now the replay has been judged for certain.
[[ $(openings) == 1 ]] || did_not_happen "the struck line opened the door again"
seen "the client waits in vain again, and the log tells of one opening in all"

printf '%sAll %d steps happened.%s\n' "$bold" "$steps" "$plain"
