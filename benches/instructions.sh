#!/usr/bin/env bash
# How many instructions a packet takes through decoder and tracker, as valgrind counts them: a number that does not vary
# with what else the machine does.  Prints a Markdown table.
#     benches/instructions.sh          measures
#     benches/instructions.sh check    fails where it is more than benches/instructions.tsv allows
#     benches/instructions.sh expect   writes that file anew
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh

# The hash tables' keys are random, and other compilers make other code of the same source.
margin=10 # percent
expected=benches/instructions.tsv
mode=${1-}

need_cargo
need valgrind=valgrind cc=gcc /usr/include/pcap/pcap.h=libpcap-dev
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

program=$(cargo bench --bench instructions --no-run --locked --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\/instructions-[^"]*\)".*/\1/p')
[[ -x $program ]] || fail "the program that is measured was not built"

# count NAME: instructions for each packet of this traffic.
count() {
    local packets total
    packets=$(valgrind --tool=callgrind --collect-atstart=no '--toggle-collect=instructions::judge' \
        --callgrind-out-file="$scratch/out" --quiet "$program" "$1" 2>"$scratch/errors" | sed -n 's/ packets.*//p') ||
        fail "valgrind fails: $(<"$scratch/errors")"
    total=$(sed -n 's/^\(totals\|summary\): \([0-9]*\).*/\2/p' "$scratch/out" | tail -n 1)
    ((${packets:-0} > 0 && ${total:-0} > 0)) || fail "nothing was counted for $1"
    echo $((total / packets))
}

mapfile -t names < <("$program")
echo "| traffic | instructions a packet | expected |"
echo "|---|---|---|"
slower=()
for name in "${names[@]}"; do
    counted=$(count "$name")
    limit=$(awk -F '\t' -v name="$name" '$1 == name { print $2 }' "$expected" 2>/dev/null || true)
    printf '| %s | %s | %s |\n' "$name" "$counted" "${limit:--}"
    printf '%s\t%s\n' "$name" "$counted" >>"$scratch/counts"
    ((counted * 100 <= ${limit:-0} * (100 + margin))) || slower+=("$name")
done

case $mode in
expect) cp "$scratch/counts" "$expected" ;;
check)
    ((${#slower[@]} == 0)) || fail "more than $margin % above $expected: $(
        printf '%s; ' "${slower[@]}"
    )if that is as it should be: $0 expect"
    ;;
'') ;;
*) fail "what is $mode?  check, expect, or nothing" ;;
esac
