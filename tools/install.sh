#!/usr/bin/env bash
# Installs what Saker needs on Debian or Ubuntu. Idempotent; silent when nothing is missing.
#
#   tools/install.sh build    to build and run it
#   tools/install.sh test     beside that, to test it: real servers, linters
set -euo pipefail
cd "$(dirname "$0")/.."

# The headers and clang compile the eBPF probe; cmake, libssl, zlib and libcurl's headers librdkafka.
build_packages=(dpkg-dev libbpf-dev linux-libc-dev cmake g++ make pkg-config libssl-dev zlib1g-dev libcurl4-openssl-dev)
test_packages=(systemd ca-certificates prometheus prometheus-alertmanager openjdk-17-jre-headless maven python3-venv iproute2 util-linux libfaketime)
cargo_deny=0.20.2

say() { printf 'install: %s\n' "$*" >&2; }

missing() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "this user may not do it; as root: $*"
        exit 1
    fi
}

# The package lists of a new machine may be empty or old: read them once, before the first look.
lists_read=
read_lists() {
    [[ -n $lists_read ]] || as_root apt-get update -qq
    lists_read=yes
}

newest_clang() {
    local name policy
    for name in clang-19 clang-18; do
        policy=$(apt-cache policy "$name" 2>/dev/null || true)
        if [[ $policy == *"Candidate: "[0-9]* ]]; then
            echo "$name"
            return
        fi
    done
    echo clang
}

apt() {
    local wanted policy=/usr/sbin/policy-rc.d
    mapfile -t wanted < <(missing "$@")
    ((${#wanted[@]})) || return 0
    say "installing ${wanted[*]}"
    read_lists
    # Servers come with units; nothing of ours wants them started.
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
        trap "as_root rm -f $policy" EXIT
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
}

command -v cargo >/dev/null || { say "Rust is missing: install rustup or Rust 1.95 or later, then try again"; exit 1; }

case ${1:-} in
build)
    command -v apt-get >/dev/null || { say "no apt-get here: provide ${build_packages[*]} yourself"; exit 0; }
    if ! command -v clang-19 >/dev/null && ! command -v clang-18 >/dev/null; then
        read_lists
        build_packages+=("$(newest_clang)")
    fi
    apt "${build_packages[@]}"
    ;;
test)
    apt "${test_packages[@]}"
    tools=${XDG_CACHE_HOME:-$HOME/.cache}/saker/tools
    if [[ ! -x $tools/bin/cargo-deny || $("$tools/bin/cargo-deny" --version) != *" $cargo_deny" ]]; then
        say "building cargo-deny $cargo_deny, once"
        # A target folder of its own: an install leaves nothing in the checkout's.
        CARGO_TARGET_DIR=$tools/target cargo install --quiet --locked --debug --root "$tools" "cargo-deny@$cargo_deny"
        rm -rf "$tools/target"
    fi
    [[ ! -x e2e/install.sh ]] || e2e/install.sh
    ;;
*)
    say "usage: tools/install.sh build|test"
    exit 2
    ;;
esac
