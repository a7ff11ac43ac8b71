# SPDX-License-Identifier: Apache-2.0
"""quantize with FPU and DSP extension."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernel_harness import Case, case_of
from tests.kernels.in_place import in_place
from tests.kernels.qemu_harness import batches, check_on_board, require_board, thorough
from tests.random_layers import one_layer
from tinyengine_tvm.kernels.quantize import KERNELS
from tinyengine_tvm.network import Quantisation, Quantize, Tensor
from tinyengine_tvm.targets import get_target

KERNEL = KERNELS[0]
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -3e38, 1e-40, -1e-40, 1e9, -1e9]


def case(rng: np.random.Generator, mode: str, count: int, special: float = 0.02) -> Case:
    """Noise, exact ties and their neighbours; special values with the given probability."""
    zero = int(rng.choice([-128, 127, 0, rng.integers(-128, 128)]))
    scale = np.float32(np.exp(rng.uniform(-12, 3)))
    steps = rng.choice([rng.integers(-600, 600, count) / 2, rng.normal(0, 100, count)])
    x = (steps * float(scale)).astype(np.float32)
    x = np.where(
        rng.random(count) < 0.3, np.nextafter(x, rng.choice([-1e9, 1e9]), dtype=x.dtype), x
    )
    x = np.where(rng.random(count) < special, rng.choice(SPECIAL, count), x).astype(np.float32)
    tensors = (
        Tensor("x", (count,), "float32"),
        Tensor("y", (count,), "int8", Quantisation(float(scale), zero)),
    )
    layer = Quantize("q", ("x",), "y")
    return case_of(one_layer(mode, layer, [tensors[0]], tensors[1]), [x], KERNEL)


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_random_layers_on_the_board(mode):
    require_board()
    rng = np.random.default_rng(1)
    chances = (0.0, 0.02, 0.5)
    given = [
        case(rng, mode, int(rng.integers(1, 200)), chances[i % 3])
        for i in range(thorough(150, 1200))
    ]
    for batch in batches(given):
        check_on_board(batch)


@pytest.mark.parametrize(
    ("core", "board"),
    [("cortex-m7", "mps2-an500"), ("cortex-m33", "mps2-an505"), ("cortex-m55", "mps3-an547")],
)
def test_other_cores(core, board):
    require_board(board)
    rng = np.random.default_rng(2)
    given = [case(rng, mode, 97) for mode in ("tflite", "onnx") for _ in range(8)]
    check_on_board(given, board=board, target=core)


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_price(mode):
    require_board()
    rng = np.random.default_rng(3)
    # What comes before the first case is counted with it.
    _, result = check_on_board([case(rng, mode, 8), case(rng, mode, 19200, 0.0)], count=True)
    assert result.instructions / 19200 < 6.8


def test_needs_fpu_and_dsp():
    given = case(np.random.default_rng(0), "tflite", 4)
    for core, expected in (("cortex-m4", True), ("cortex-m3", False), ("host", False)):
        assert KERNEL.supports(given.network, given.layer, get_target(core)) is expected


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_the_output_may_lie_over_the_input(mode):
    require_board()
    rng = np.random.default_rng(4)
    given = [case(rng, mode, int(rng.integers(1, 100)), 0.05) for _ in range(30)]
    check_on_board([in_place(c) for c in given])
