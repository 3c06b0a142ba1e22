#!/usr/bin/env bash
# Makes the shells' completions, and asks bash and fish to complete; zsh reads them without a complaint.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
source tests/needs.sh

need zsh=zsh fish=fish
need_cargo
made=$PWD/target/completions
cargo build --locked --bins --workspace
cargo run --quiet --locked --example completions -- "$made"
programs=$(realpath "${CARGO_TARGET_DIR:-target}")/debug

checks=0
# same WHAT EXPECTED FOUND: in whatever order.
same() {
    local expected found
    expected=$(sort -u <<<"$2")
    found=$(sort -u <<<"$3")
    [[ $found == "$expected" ]] || fail "$1: expected $(xargs <<<"$expected"); found $(xargs <<<"$found")"
    checks=$((checks + 1))
}

# in_bash WORD...: what a tab after these words offers, as bash itself would ask the function that is registered.
in_bash() {
    # shellcheck disable=SC2016 # for the inner shell
    bash --noprofile --norc -c '
        source "$1/$2"
        shift
        [[ $(complete -p "$1") =~ -F\ ([^ ]+) ]]
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE=$* COMP_POINT=${#COMP_LINE}
        "${BASH_REMATCH[1]}" "$1" "${@: -1}" "${@: -2:1}"
        printf "%s\n" "${COMPREPLY[@]}"' - "$made/bash" "$@"
}

# in_fish LINE: the same for a whole line.
in_fish() {
    # shellcheck disable=SC2016 # for fish
    fish --no-config --command 'source $argv[1]; complete --do-complete $argv[2]' \
        "$made/fish/${1%% *}.fish" "$1" | cut -f 1
}

for program in knockd knock seqgen; do
    # What the program itself says that it takes.
    flags=$("$programs/$program" --help | grep -oP '^ +(-\w, )?\K--[a-z0-9-]+')
    same "bash completes the flags of $program" "$flags" "$(in_bash "$program" --)"
    same "fish completes the flags of $program" "$flags" "$(in_fish "$program --" | cut -d = -f 1)"
    zsh=$(grep -oP "^'.*?\K--[a-z0-9-]+(?=[=\[])" "$made/zsh/_$program")
    same "zsh knows the flags of $program" "$flags" "$zsh"
    zsh --no-rcs -n "$made/zsh/_$program" || fail "zsh cannot read its completions of $program"
    fish --no-config --no-execute "$made/fish/$program.fish" || fail "fish cannot read its completions of $program"
done
same "bash completes a part of a flag" --check "$(in_bash knockd --ch)"
same "bash completes values" $'tcp\nudp\nmixed' "$(in_bash seqgen --proto '')"
same "fish completes values" $'tcp\nudp\nmixed' "$(in_fish 'seqgen --proto ')"
same "bash completes files" $'examples/timed.conf\nexamples/timed.toml' "$(in_bash knockd -c examples/timed)"
printf '%d passed, 0 failed\n' "$checks"
