# SPDX-License-Identifier: Apache-2.0
"""depthwise_conv2d for MVE, on an emulated Cortex-M55, against its semantics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.kernel_harness import Case
from tests.kernels.qemu_harness import batches, check_on_board, require_board, thorough
from tests.kernels.test_depthwise_dsp import InPlace, random_input, random_layer
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


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_in_place(kernel: int, stride: int) -> None:
    require_board(BOARD)
    cases = []
    for case in random_cases(7000 + 10 * kernel + stride, thorough(60, 200), kernel, stride):
        base = case.kernel
        if base.in_place(case.network, case.layer, case.configuration):
            cases.append(replace(case, kernel=InPlace(base)))
    assert len(cases) > 20
    check_on_board(cases, board=BOARD, target="cortex-m55")


@pytest.mark.parametrize("flags", [("-O0",), ("-Os",), ("-O3", "-flto")])
def test_compiler_options(flags: tuple[str, ...]) -> None:
    require_board(BOARD)
    cases = [c for k, s in ((3, 1), (3, 2), (5, 1), (7, 2)) for c in random_cases(k + 1, 8, k, s)]
    check_on_board(cases, board=BOARD, target="cortex-m55", flags=flags)
