#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of Relay in their own environment; arguments go to pytest.
# Where there is no Python 3.10 they can't run: that is said loudly, and is a failure with
# RELAY_TESTS=required.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
scripts/setup.sh relay || status=$?
if [ "$status" -eq 3 ]; then
    cat >&2 <<'TEXT'

==================================================================
  THE RELAY TESTS WERE NOT RUN: there is no Python 3.10 here.
  Everything under tests/relay is untested on this machine.
==================================================================

TEXT
    [ "${RELAY_TESTS:-}" != required ] || exit 1
    exit 0
fi
[ "$status" -eq 0 ] || exit "$status"
# The same models are compiled through Relax as well, by the other environment.
RELAX_PYTHON="$(cd "${VENV:-.venv}" && pwd)/bin/python" \
    "${RELAY_VENV:-.venv-relay}/bin/python" -m pytest "$@" tests/relay
