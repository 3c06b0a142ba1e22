#!/usr/bin/env bash
# How many instructions a packet takes through decoder and tracker, and a knock in a pad, as valgrind counts them: numbers
# that do not vary with what else the machine does.  Prints a Markdown table.
#     benches/instructions.sh          measures
#     benches/instructions.sh check    fails where it is more than benches/instructions.tsv allows
#     benches/instructions.sh expect   writes that file anew
#     benches/instructions.sh read     shows what a packet of a savefile takes: the daemon, and a loop that only counts
#     benches/instructions.sh growth   shows how cost grows with doors, sources, armed sequences, and lines of a pad
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh

# The hash tables' keys are random, and other compilers make other code of the same source.
margin=10 # percent
expected=benches/instructions.tsv
mode=${1-}
case $mode in '' | check | expect | read | growth) ;; *) fail "what is $mode?  check, expect, read, growth, or nothing" ;; esac

need_cargo
need valgrind=valgrind cc=gcc /usr/include/pcap/pcap.h=libpcap-dev
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

program=$(cargo bench --bench instructions --no-run --locked --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\/instructions-[^"]*\)".*/\1/p')
[[ -x $program ]] || fail "the program that is measured was not built"

# whole COMMAND...: how many instructions this takes from start to end.
whole() {
    valgrind --tool=callgrind --callgrind-out-file="$scratch/out" --quiet "$@" >/dev/null 2>"$scratch/errors" ||
        fail "$1: $(<"$scratch/errors")"
    sed -n 's/^\(totals\|summary\): \([0-9]*\).*/\2/p' "$scratch/out" | tail -n 1
}

if [[ $mode == read ]]; then
    cargo build --profile bench --bin knockd --locked
    few=10000 many=30000
    for packets in $few $many; do "$program" savefile "$scratch" "$packets"; done
    daemon=$(dirname "$(dirname "$program")")/knockd
    echo "| of a savefile | instructions a packet |"
    echo "|---|---|"
    # Of two savefiles, since starting takes many as well.
    counted=$(($(whole "$daemon" -c "$scratch/knockd.conf" --read "$scratch/$many.pcap") -
        $(whole "$daemon" -c "$scratch/knockd.conf" --read "$scratch/$few.pcap")))
    echo "| \`knockd --read\` | $((counted / (many - few))) |"
    counted=$(($(whole "$program" count "$scratch/$many.pcap") - $(whole "$program" count "$scratch/$few.pcap")))
    echo "| a loop that only counts, with the same filter | $((counted / (many - few))) |"
    exit
fi

# count NAME FILE: writes into the file how many instructions each packet, or each used line, of this work takes.
count() {
    local units total
    units=$(TMPDIR=$scratch valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file="$2.out" --quiet \
        '--toggle-collect=instructions::judge' '--toggle-collect=instructions::strikes::strike' \
        '--toggle-collect=instructions::reading::survey' \
        "$program" run "$1" 2>"$2.errors" | sed -n 's/^\([0-9]*\) \(packets\|lines\).*/\1/p')
    total=$(sed -n 's/^\(totals\|summary\): \([0-9]*\).*/\2/p' "$2.out" | tail -n 1)
    ((${units:-0} > 0 && ${total:-0} > 0)) && echo $((total / units)) >"$2"
}

mapfile -t names < <("$program" ${mode:+"$mode"})
# As many at once as there are processors.
for at in "${!names[@]}"; do
    while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || true; done
    count "${names[at]}" "$scratch/$at" &
done
wait

for at in "${!names[@]}"; do
    [[ -s $scratch/$at ]] || fail "nothing was counted for ${names[at]}: $(<"$scratch/$at.errors")"
    printf '%s\t%s\n' "${names[at]}" "$(<"$scratch/$at")"
done >"$scratch/counts"

# by_number: a row for each thing that grows, a column for each number of it.
by_number() {
    awk -F '\t|: ' '
        !($1 in row) { row[$1] = ++rows; names[rows] = $1 }
        !($2 in known) { known[$2]; numbers[++columns] = $2 }
        { counts[$1, $2] = $3 }
        END {
            for (i = 2; i <= columns; i++)
                for (j = i; j > 1 && numbers[j] + 0 < numbers[j - 1] + 0; j--) {
                    swapped = numbers[j]; numbers[j] = numbers[j - 1]; numbers[j - 1] = swapped
                }
            printf "| |"; for (i = 1; i <= columns; i++) printf " %s |", numbers[i]
            printf "\n|---|"; for (i = 1; i <= columns; i++) printf "---|"
            for (r = 1; r <= rows; r++) {
                printf "\n| %s |", names[r]
                for (i = 1; i <= columns; i++) printf " %s |", counts[names[r], numbers[i]]
            }
            print ""
        }' "$scratch/counts"
}

if [[ $mode == growth ]]; then
    by_number
    exit
fi

echo "| work | instructions | expected |"
echo "|---|---|---|"
slower=()
while IFS=$'\t' read -r name counted; do
    limit=$(awk -F '\t' -v name="$name" '$1 == name { print $2 }' "$expected")
    printf '| %s | %s | %s |\n' "$name" "$counted" "${limit:--}"
    ((counted * 100 <= ${limit:-0} * (100 + margin))) || slower+=("$name")
done <"$scratch/counts"

case $mode in
expect) cp "$scratch/counts" "$expected" ;;
check)
    ((${#slower[@]} == 0)) || fail "more than $margin % above $expected: $(
        printf '%s; ' "${slower[@]}"
    )if that is as it should be: $0 expect"
    ;;
esac
