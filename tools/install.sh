#!/usr/bin/env bash
# Installs what Saker needs on Debian or Ubuntu. Idempotent; silent when nothing is missing.
#
#   tools/install.sh build    to build and run it
#   tools/install.sh test     beside that, to test it: real servers, linters
set -euo pipefail
cd "$(dirname "$0")/.."

# clang and the headers compile the eBPF probe; cmake, libssl, zlib and libcurl's headers librdkafka.
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
build_packages=("$(newest_clang)" libbpf-dev linux-libc-dev cmake g++ make pkg-config libssl-dev zlib1g-dev libcurl4-openssl-dev)
test_packages=(prometheus prometheus-alertmanager openjdk-17-jre-headless maven python3-venv iproute2 util-linux)
cargo_deny=0.20.2

say() { printf 'install: %s\n' "$*" >&2; }

missing() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

apt() {
    local wanted
    mapfile -t wanted < <(missing "$@")
    ((${#wanted[@]})) || return 0
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || {
            say "these packages are missing and this user may not install them; as root: apt-get install ${wanted[*]}"
            exit 1
        }
        as_root=(sudo)
    fi
    say "installing ${wanted[*]}"
    "${as_root[@]}" apt-get update -qq
    # Servers come with units; nothing of ours wants them started.
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin /usr/sbin/policy-rc.d.saker
    if [[ ! -e /usr/sbin/policy-rc.d ]]; then
        "${as_root[@]}" mv /usr/sbin/policy-rc.d.saker /usr/sbin/policy-rc.d
        trap '"${as_root[@]}" rm -f /usr/sbin/policy-rc.d' RETURN
    else
        "${as_root[@]}" rm /usr/sbin/policy-rc.d.saker
    fi
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
}

command -v cargo >/dev/null || { say "Rust is missing: install rustup or Rust 1.95 or later, then try again"; exit 1; }

case ${1:-} in
build)
    command -v apt-get >/dev/null || { say "no apt-get here: provide ${build_packages[*]} yourself"; exit 0; }
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
