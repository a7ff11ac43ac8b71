# SPDX-License-Identifier: Apache-2.0
"""Nothing depends on the order of sets of strings, which Python draws anew in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

COMPILE = """
import hashlib
from tests.onnx_models import NETWORKS, save
from tests.tiling.networks import mcunet_like
from tinyengine_tvm import compile_model, compile_network
import pathlib, sys
made = [
    compile_model(save("residual", pathlib.Path(sys.argv[1]))),
    compile_model("examples/models/fashion_mnist_tiny.onnx", records="shipped"),
    compile_network(mcunet_like(24), optimise="sram", stream_input=True),
]
for artifact in made:
    print(hashlib.sha256(b"".join(artifact.files[k] for k in sorted(artifact.files))).hexdigest())
"""
PROPOSE = """
from tests.tune.test_proposers import Genetic, search, workload
print(search(workload(), Genetic, 3, 40))
"""


@pytest.mark.parametrize("program", [COMPILE, PROPOSE], ids=["compile", "propose"])
def test_the_same_under_every_hash_seed(tmp_path, program):
    found = []
    for seed in "12":
        folder = tmp_path / seed
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", program, str(folder)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        found.append(done.stdout)
    assert found[0].strip() and found[0] == found[1]
