# SPDX-License-Identifier: Apache-2.0
""".ci/run passes only when both the tests and the linters pass, and runs both whatever happens."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("failing", [(), ("test",), ("lint",), ("test", "lint")])
def test_its_exit_code_is_honest(failing: tuple[str, ...], tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text(
        f'#!/bin/sh\necho "$1" >> {tmp_path}/log\n'
        f'case " {" ".join(failing)} " in *" $1 "*) exit 1 ;; esac\n'
    )
    make.chmod(0o755)
    # Nothing is to be installed here.
    for name in ("chromium", "python3"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(ROOT / ".ci/run")], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (tmp_path / "log").read_text().split() == ["test", "lint"]
    assert done.returncode == (1 if failing else 0)
    assert all(name in done.stderr for name in failing)
