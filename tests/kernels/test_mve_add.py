# SPDX-License-Identifier: Apache-2.0
"""add for MVE, on an emulated Cortex-M55, against its semantics."""

from __future__ import annotations

import numpy as np

from tests.kernel_harness import Case
from tests.kernels.in_place import in_place
from tests.kernels.qemu_harness import batches, check_on_board, require_board, thorough
from tests.kernels.test_add_dsp import random_addition
from tests.random_layers import values
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.targets import get_target

BOARD = "mps3-an547"


def cases(count: int, seed: int) -> list[Case]:
    """Layers that the kernel takes: most of those that the DSP kernel takes."""
    rng = np.random.default_rng(seed)
    found: list[Case] = []
    tried = 0
    while len(found) < count:
        network = random_addition(rng, ("tflite", "onnx")[tried % 2])
        tried += 1
        (layer,) = network.layers
        kernel = kernels_for(network, layer, get_target("cortex-m55"))[0]
        if kernel.name == "add_s8_4_mve":
            inputs = [values(rng, t.shape) for t in (network.tensors["a"], network.tensors["b"])]
            found.append(Case(network, inputs, layer, kernel))
    assert tried < 2 * count + 5
    return found


def test_random_layers():
    require_board(BOARD)
    for batch in batches(cases(thorough(200, 2000), 1)):
        check_on_board(batch, board=BOARD, target="cortex-m55")


def test_in_place():
    require_board(BOARD)
    placed = [in_place(case) for case in cases(40, 2)]
    check_on_board(placed, board=BOARD, target="cortex-m55")


def test_instructions_per_element():
    require_board(BOARD)
    case = max(cases(40, 3), key=lambda c: c.inputs[0].size)
    (result,) = check_on_board([case], board=BOARD, target="cortex-m55", count=True)
    assert result.instructions <= 2.5 * case.inputs[0].size + 40
