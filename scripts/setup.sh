#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what `make demo` or `make test` needs; does nothing where that is there already.
#   scripts/setup.sh demo|test|relay
# FASHION_MNIST names the folder of that data set, where the demo should find it installed.
# PYTHON names the interpreter (3.11 or newer; found by itself), VENV the folder (default .venv).
# relay makes a second environment, with a TVM that has Relay: PYTHON310 names its interpreter,
# RELAY_VENV its folder (default .venv-relay). Without a Python 3.10 it exits with code 3.
set -euo pipefail
cd "$(dirname "$0")/.."

purpose=${1:-}
case $purpose in
    # A range of torch would take the newest, which few have tried with anything.
    demo) requirement=(torch==2.13.0 --editable '.[nas]') ;;
    test) requirement=(--editable '.[test]') ;;
    relay) requirement=(--editable '.[relay,relay-test]') ;;
    *) echo "usage: scripts/setup.sh demo|test|relay" >&2; exit 2 ;;
esac
venv=${VENV:-.venv}
[ "$purpose" != relay ] || venv=${RELAY_VENV:-.venv-relay}

fail() {
    echo "setup: $*" >&2
    exit 1
}

# Whether an interpreter is there, and of a version that the environment can be made with.
suits() {
    local condition='sys.version_info < (3, 11)'
    [ "$purpose" != relay ] || condition='sys.version_info[:2] != (3, 10)'
    "$1" -c "import sys; sys.exit($condition)" >/dev/null 2>&1
}

find_python_310() {
    if [ -n "${PYTHON310:-}" ]; then
        suits "$PYTHON310" || fail "PYTHON310=$PYTHON310 is not Python 3.10; name one that is"
        echo "$PYTHON310"
        return
    fi
    local candidate
    for candidate in python3.10 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10.*/bin/python; do
        if suits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "setup: Python 3.10 is needed for a TVM with Relay; install it (pyenv install 3.10), or name it: PYTHON310=/path/to/python3.10" >&2
    exit 3
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        suits "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.11 or newer; name one that is"
        echo "$PYTHON"
        return
    fi
    local candidate
    for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
        if suits "$candidate"; then
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
    if [ "$purpose" = demo ]; then
        [ -e "${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}" ] || echo dataset-fashion-mnist
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

if [ "$purpose" = relay ]; then
    python=$(find_python_310)
else
    python=$(find_python)
fi
mapfile -t packages < <(missing_packages "$python" | tr ' ' '\n' | sort -u)
if [ "${#packages[@]}" -gt 0 ]; then
    install_packages "${packages[@]}"
    mapfile -t packages < <(missing_packages "$python" | tr ' ' '\n' | sort -u)
    [ "${#packages[@]}" -eq 0 ] ||
        fail "still missing after installing: ${packages[*]} (for another Python than the system's, its venv module comes with it)"
fi

if ! suits "$venv/bin/python"; then
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
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${requirement[@]}" ||
    fail "pip could not install the package; its message is above"
echo "$key" >"$venv/.installed-$purpose"
