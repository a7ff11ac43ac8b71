# SPDX-License-Identifier: Apache-2.0
"""The how-to in docs/relax.md does what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tvm")

import tvm
from tvm import relax

from relay_passes.relax_regions import regions
from tinyengine_tvm import compile_model

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples/models/fashion_mnist_tiny.onnx"


def test_the_pipelines_of_the_docs(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/relax.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    shutil.copy(MODEL, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    builds = []
    for block in blocks:
        exec(compile(block, "docs/relax.md", "exec"), names)
        builds.append(names["built"])
    assert len(regions(names["partitioned"])) == 1
    artifact = compile_model(MODEL, target="host")
    zeros = np.zeros(names["shape"], np.float32)
    (expected,) = artifact.run("host", zeros[None]).values()
    assert names["result"].numpy().tobytes() == expected[0].tobytes()
    x = np.random.default_rng(0).normal(0, 1, (3, *names["shape"])).astype(np.float32)
    (expected,) = artifact.run("host", x).values()
    for built in builds:
        machine = relax.VirtualMachine(built, tvm.cpu())
        for sample, y in zip(x, expected, strict=True):
            result = machine["main"](tvm.runtime.tensor(sample))
            assert result.numpy().tobytes() == y.tobytes()
