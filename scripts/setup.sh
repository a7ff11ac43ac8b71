#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what `make demo` or `make test` needs; does nothing where that is there already.
#   scripts/setup.sh demo|test
# PYTHON names the interpreter (3.11 or newer; found by itself), VENV the folder (default .venv).
set -euo pipefail
cd "$(dirname "$0")/.."

purpose=${1:-}
case $purpose in
    demo) requirement=. ;;
    test) requirement='.[test]' ;;
    *) echo "usage: scripts/setup.sh demo|test" >&2; exit 2 ;;
esac
venv=${VENV:-.venv}

fail() {
    echo "setup: $*" >&2
    exit 1
}

recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        recent "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.11 or newer; name one that is"
        echo "$PYTHON"
        return
    fi
    local candidate
    for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
        if recent "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed; install it, or name it: make $purpose PYTHON=/path/to/python3.11"
}

# Names the Debian packages that give the tools that aren't there.
missing_packages() {
    local python=$1
    command -v arm-none-eabi-gcc >/dev/null || echo gcc-arm-none-eabi
    # gcc answers with the bare name, not a path, where newlib isn't installed.
    case $(arm-none-eabi-gcc -print-file-name=libc.a 2>/dev/null) in
        */*) ;;
        *) echo libnewlib-arm-none-eabi ;;
    esac
    command -v qemu-system-arm >/dev/null || echo qemu-system-arm
    gcc -x c -o /dev/null - 2>/dev/null <<<'int main(void) { return 0; }' || echo gcc libc6-dev
    if [ ! -x "$venv/bin/python" ] && ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
        echo "python3-venv"
    fi
    if [ "$purpose" = test ]; then
        command -v cmake >/dev/null || echo cmake
        command -v ninja >/dev/null || echo ninja-build
    fi
}

install_packages() {
    local become=()
    local by_hand="install them and run this again: sudo apt-get install $*"
    command -v apt-get >/dev/null ||
        fail "these tools are missing (names of Debian packages): $*; install them with your system's package manager and run this again"
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || fail "these Debian packages are missing, and installing them needs root; $by_hand"
        become=(sudo -n)
    fi
    echo "setup: installing Debian packages: $*"
    local apt=("${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    # A stale or empty package list is the usual reason for a failure, and an update the cure.
    "${apt[@]}" install --yes --no-install-recommends "$@" >/dev/null 2>&1 || {
        "${apt[@]}" update || fail "apt-get update failed; $by_hand"
        "${apt[@]}" install --yes --no-install-recommends "$@" >/dev/null ||
            fail "apt-get could not install: $*; $by_hand"
    }
}

python=$(find_python)
mapfile -t packages < <(missing_packages "$python" | tr ' ' '\n' | sort -u)
if [ "${#packages[@]}" -gt 0 ]; then
    install_packages "${packages[@]}"
    mapfile -t packages < <(missing_packages "$python" | tr ' ' '\n' | sort -u)
    [ "${#packages[@]}" -eq 0 ] ||
        fail "still missing after installing: ${packages[*]} (for another Python than the system's, its venv module comes with it)"
fi

if ! recent "$venv/bin/python"; then
    echo "setup: creating the virtual environment $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

# What is installed follows from pyproject.toml, the place of the repository (the package is
# installed in place) and the interpreter; the stamp holds all three.
key=$({ cat pyproject.toml; pwd -P; "$venv/bin/python" --version; } | sha256sum | cut -d' ' -f1)
for stamp in "$venv/.installed-test" "$venv/.installed-$purpose"; do
    if [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then
        exit 0
    fi
done
echo "setup: installing the package into $venv (a few minutes the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$requirement" ||
    fail "pip could not install the package; its message is above"
echo "$key" >"$venv/.installed-$purpose"
