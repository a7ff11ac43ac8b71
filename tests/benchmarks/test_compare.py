# SPDX-License-Identifier: Apache-2.0
"""The comparison with the peers' recorded counts: one command, a table, JSON and a picture."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OWN_MODEL = REPOSITORY / "examples/models/fashion_mnist_tiny.onnx"

pytest.importorskip("matplotlib")


def compare(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, REPOSITORY / "benchmarks/compare.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)


def test_table_json_and_picture(tmp_path):
    # A name that the peers have counts for, to see them beside ours.
    model = tmp_path / "kws_ref_model.onnx"
    shutil.copy(OWN_MODEL, model)
    done = compare(model, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out/compare.json").read_text())
    ours = {r["engine"]: r for r in result["rows"] if r["engine"].startswith("tinyengine-tvm")}
    peers = [r for r in result["rows"] if r["engine"] not in ours]
    assert {r["engine"] for r in peers} == {
        "CMSIS-NN called directly",
        "tflite-micro + CMSIS-NN",
        "tflite-micro reference kernels",
    }
    assert {r["core"] for r in peers} == {"cortex-m4"}
    fast, small = ours["tinyengine-tvm"], ours["tinyengine-tvm, --optimise size"]
    assert small["code_flash_bytes"] < fast["code_flash_bytes"]
    assert fast["instructions"] < small["instructions"]
    assert f"{fast['instructions']:,}" in done.stdout
    assert (tmp_path / "out/compare.png").read_bytes().startswith(b"\x89PNG")


def test_a_missing_model_is_one_line(tmp_path):
    done = compare(tmp_path / "none.tflite", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
