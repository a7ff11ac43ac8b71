# SPDX-License-Identifier: Apache-2.0
"""These tests need a TVM with Relay; `make test` runs them in an environment that has one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.relay.compiled import CASES
from tinyengine_tvm.dialects.choice import installed_dialect

ROOT = Path(__file__).resolve().parents[2]

if installed_dialect() != "relay":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def relax_python() -> Path:
    """The interpreter of the environment with today's TVM."""
    found = Path(os.environ.get("RELAX_PYTHON", ROOT / ".venv/bin/python"))
    if not found.is_file():
        pytest.fail(f"{found} is missing; run these tests by `make test-relay`")
    return found


@pytest.fixture(scope="session")
def onnx_networks(relax_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tests' ONNX networks; onnxruntime is in the other environment."""
    folder = tmp_path_factory.mktemp("networks")
    command = [str(relax_python), "-m", "tests.relay.compiled", "networks", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300, capture_output=True)
    assert {path.stem for path in folder.glob("*.onnx")} == set(CASES)
    return folder
