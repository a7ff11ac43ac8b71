# SPDX-License-Identifier: Apache-2.0
"""depthwise_conv2d for MVE, on an emulated Cortex-M55, against its semantics."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernel_harness import Case
from tests.kernels.qemu_harness import batches, check_on_board, require_board, thorough
from tests.kernels.test_depthwise_dsp import random_input, random_layer
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.targets import get_target

BOARD = "mps3-an547"
M55 = get_target("cortex-m55")


def random_cases(seed: int, count: int, kernel: int, stride: int) -> list[Case]:
    """Layers that an MVE kernel takes, each with a random point of its configuration space."""
    rng = np.random.default_rng(seed)
    cases: list[Case] = []
    while len(cases) < count:
        network = random_layer(rng, kernel, stride)
        (layer,) = network.layers
        best = kernels_for(network, layer, M55)[0]
        if best.name.endswith("_mve"):
            space = best.configurations(network, layer, M55)
            configuration = dict(space[int(rng.integers(len(space)))])
            cases.append(Case(network, [random_input(rng, network)], layer, best, configuration))
    return cases


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 6, 7])
def test_random_layers(kernel: int, stride: int) -> None:
    require_board(BOARD)
    cases = random_cases(10 * kernel + stride, thorough(60, 400), kernel, stride)
    for batch in batches(cases, 60):
        check_on_board(batch, board=BOARD, target="cortex-m55")
