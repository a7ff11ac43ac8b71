# SPDX-License-Identifier: Apache-2.0
"""clip and requantize on cores with the DSP extension."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernel_harness import Case, case_of
from tests.kernels.in_place import in_place
from tests.kernels.qemu_harness import batches, check_on_board, require_board, thorough
from tests.random_layers import clamp, one_layer, quantisation, tensor, values
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.network import Clip, Layer, Requantize
from tinyengine_tvm.targets import get_target


def case(rng: np.random.Generator, kind: str, mode: str, count: int) -> Case:
    qx = quantisation(rng)
    qy = qx if kind == "clip" else quantisation(rng)
    low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
    bounds = [(low, high), (low, 127), (-128, high), (-128, 127), clamp(rng, qy)][rng.integers(5)]
    layer: Layer = {"clip": Clip, "requantize": Requantize}[kind]("l", ("x",), "y", clamp=bounds)
    network = one_layer(mode, layer, [tensor("x", (count,), qx)], tensor("y", (count,), qy))
    kernel = kernels_for(network, layer, get_target("cortex-m4"))[0]
    assert kernel.name.endswith("dsp")
    return case_of(network, [values(rng, (count,))], kernel)


@pytest.mark.parametrize("kind", ["clip", "requantize"])
def test_random_layers_on_the_board(kind):
    require_board()
    rng = np.random.default_rng(1)
    given = [
        case(rng, kind, ("tflite", "onnx")[i % 2], int(rng.integers(1, 60)))
        for i in range(thorough(100, 2000))
    ]
    for batch in batches(given):
        check_on_board(batch)


def test_price():
    require_board()
    rng = np.random.default_rng(2)
    given = [case(rng, kind, "tflite", 8000) for kind in ("clip", "clip", "requantize")]
    # What comes before the first case is counted with it.
    _, clip, table = check_on_board(given, count=True)
    assert clip.instructions / 8000 < 3
    assert table.instructions / 8000 < 3.3


@pytest.mark.parametrize("kind", ["clip", "requantize"])
def test_the_output_may_lie_over_the_input(kind):
    require_board()
    rng = np.random.default_rng(3)
    given = [case(rng, kind, "tflite", int(rng.integers(1, 60))) for _ in range(30)]
    check_on_board([in_place(c) for c in given])
