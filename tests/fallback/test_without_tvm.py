# SPDX-License-Identifier: Apache-2.0
"""A network with C of TVM's making needs tvm no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.networks import int8_tensor
from tinyengine_tvm.api import compile_network
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import External, Lookup, Network, Tensor, verify

ROOT = Path(__file__).parents[2]
SQUARES = """\
static void @NAME@(const int64_t *x, double *y, void *scratch)
{
    int64_t *squares = scratch;
    for (int i = 0; i < 5; ++i) {
        squares[i] = x[i] * x[i];
    }
    for (int i = 0; i < 5; ++i) {
        y[i] = (double)squares[4 - i] / 4.0;
    }
}
"""


def network() -> Network:
    table = np.random.default_rng(1).integers(-128, 128, 256).astype(np.int8)
    tensors = [
        Tensor("counts", (5,), "int64"),
        Tensor("halves", (5,), "float64"),
        int8_tensor("x", (1, 7)),
        int8_tensor("y", (1, 7)),
    ]
    layers = (
        External(
            "squares",
            ("counts",),
            "halves",
            symbol="te_squares",
            function=SQUARES,
            operators=("square",),
            scratch_bytes=40,
            alignment=8,
        ),
        Lookup("look", ("x",), "y", table=table, operators=("any",)),
    )
    tensor = {t.name: t for t in tensors}
    return verify(Network("n", "onnx", tensor, layers, ("counts", "x"), ("halves", "y")))


def inputs() -> dict[str, np.ndarray]:
    counts = np.array([3, -(1 << 20), 7, 0, 1 << 25], np.int64)
    return {"counts": counts, "x": np.arange(-60, 60, 18, np.int8).reshape(1, 7)}


def test_layers_of_wide_elements_are_aligned_and_right_on_boards(tmp_path):
    wanted = run_reference(network(), inputs())
    np.testing.assert_array_equal(
        wanted["halves"], inputs()["counts"][::-1].astype(np.float64) ** 2 / 4
    )
    samples = {name: value[np.newaxis] for name, value in inputs().items()}
    for target, board in (("host", "host"), ("cortex-m4", "mps2-an386")):
        artifact = compile_network(network(), target=target, check=True)
        places = {b["name"]: b["offset"] for b in artifact.report["memory"]["buffers"]}
        assert all(places[name] % 8 == 0 for name in ("counts", "halves", "squares#scratch"))
        assert "aligned to 8 bytes" in artifact.files["model.h"].decode()
        folder = artifact.save(tmp_path / target)
        sanitize = {"sanitize": True} if board == "host" else {}
        outputs = get_board(board).run(folder, samples, **sanitize).outputs
        for name, value in wanted.items():
            np.testing.assert_array_equal(outputs[name][0], value)


def test_compiling_such_a_network_imports_no_tvm():
    program = (
        "import sys\n"
        "sys.modules['tvm'] = sys.modules['tvm_ffi'] = None\n"
        "from tests.fallback.test_without_tvm import inputs, network\n"
        "from tinyengine_tvm.api import compile_network\n"
        "from tinyengine_tvm.kernels.reference import run_reference\n"
        "assert compile_network(network()).files['model.c']\n"
        "run_reference(network(), inputs())\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
