# SPDX-License-Identifier: Apache-2.0
"""depthwise_conv2d for MVE, on an emulated Cortex-M55, against its semantics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.kernel_harness import Case
from tests.kernels.qemu_harness import batches, check_on_board, require_board, thorough
from tests.kernels.test_depthwise_dsp import InPlace, random_input, random_layer, relu_case
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.network import Quantisation
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


@pytest.mark.parametrize("kernel, stride", [(1, 1), (2, 1), (3, 1), (3, 2), (4, 2), (5, 1), (7, 1)])
def test_small_planes(kernel: int, stride: int) -> None:
    """Planes whose inputs fit a vector, with their outputs elsewhere and in their place."""
    require_board(BOARD)
    rng, cases = np.random.default_rng(40 * kernel + stride), []
    while len(cases) < thorough(40, 300):
        network = random_layer(rng, kernel, stride)
        x = network.tensor("x")
        behind_relu = Quantisation(x.scale, -128)
        network = replace(
            network, tensors={**network.tensors, "x": replace(x, quantisation=behind_relu)}
        )
        (layer,) = network.layers
        best = kernels_for(network, layer, M55)[0]
        if best.name == "depthwise_s8_plane_mve":
            placed = rng.random() < 0.3 and best.in_place(network, layer, {})
            given = [random_input(rng, network)]
            cases.append(Case(network, given, layer, InPlace(best) if placed else best))
    check_on_board(cases, board=BOARD, target="cortex-m55")


MEASURED = [
    ((48, 48, 8), 3, 1, 4.6),
    ((24, 24, 32), 3, 1, 5.0),
    ((12, 12, 64), 3, 1, 6.4),
    ((6, 6, 128), 3, 1, 10.6),
    ((3, 3, 256), 3, 1, 8.5),
    ((3, 3, 256), 7, 1, 8.5),
    ((25, 5, 64), 3, 1, 7.7),
    ((48, 48, 16), 3, 2, 8.9),
    ((24, 24, 32), 3, 2, 10.4),
    ((10, 10, 120), 5, 1, 17.3),
    ((24, 24, 16), 7, 1, 11.5),
    ((20, 20, 48), 7, 2, 24.3),
]
"""Size, kernel, stride, and instructions per output that a layer may take at most."""


def test_instruction_counts() -> None:
    require_board(BOARD)
    cases = [relu_case(*entry[:3]) for entry in MEASURED]
    # The first case bears the cost of what the emulator does once.
    results = check_on_board([cases[1], *cases], board=BOARD, target="cortex-m55", count=True)[1:]
    for (size, kernel, stride, most), result in zip(MEASURED, results, strict=True):
        assert result.kernel.endswith("_mve")
        used = result.instructions / result.output.size
        assert used <= most, f"{size} {kernel}x{kernel} stride {stride}: {used:.2f} per output"


def test_large_sizes() -> None:
    """Beyond what the random layers reach: long rows, many channels, offsets of nearly 16 bits."""
    require_board(BOARD)
    sizes = [
        ((5, 61, 8), 3, 1),
        ((3, 112, 4), 3, 1),
        ((6, 96, 3), 3, 1),
        ((4, 120, 4), 3, 2),
        ((9, 100, 4), 5, 2),
        ((7, 60, 2), 7, 1),
        ((5, 7, 300), 3, 1),
        ((5, 7, 300), 3, 2),
        ((3, 104, 600), 3, 1),
        ((70, 4, 4), 3, 1),
        ((40, 3, 4), 7, 1),
        ((1, 1, 8), 3, 1),
        ((1, 1, 8), 7, 1),
        ((2, 1, 8), 5, 2),
    ]
    results = check_on_board([relu_case(*s) for s in sizes], board=BOARD, target="cortex-m55")
    assert all(result.kernel.endswith("_mve") for result in results)


def test_rows_beyond_16_bits_are_declined() -> None:
    case = relu_case((104, 104, 700), 3, 2)
    assert not kernels_for(case.network, case.layer, M55)[0].name.endswith("_mve")
