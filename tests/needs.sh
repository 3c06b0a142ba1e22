# shellcheck shell=bash
# For sourcing: installs what a script needs and the machine lacks.

# Administrators' tools lie outside of other users' PATH.
PATH=$PATH:/usr/sbin:/sbin:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

# as_root COMMAND…: runs it with root's rights, if they can be had.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        fail "needs root or sudo for: $*"
    fi
}

# is_there THING: a command, or a file by its path.
is_there() {
    if [[ $1 == /* ]]; then [[ -e $1 ]]; else command -v "$1" >/dev/null; fi
}

# need THING=PACKAGE…: installs the packages of those things that are not there.
need() {
    local pair missing=()
    for pair; do
        is_there "${pair%%=*}" || missing+=("${pair#*=}")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null ||
        fail "please install, by the names that they have on this system: ${missing[*]}"
    echo "Installing ${missing[*]}"
    # The lists of a new machine are empty, those of an old one name packages that are gone.
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"
    for pair; do
        is_there "${pair%%=*}" || fail "${pair#*=} is installed, but ${pair%%=*} is still missing"
    done
}

need_cargo() {
    command -v cargo >/dev/null || fail "needs Rust: install it with rustup, then run this again"
}

# need_tool NAME VERSION: a program for cargo, in target/tools/bin.
need_tool() {
    [[ -x target/tools/bin/$1 ]] && return
    # A directory of its own for the build keeps it out of the project's.
    cargo install --debug --locked --root target/tools --target-dir target/tools/build "$1" --version "$2"
}
