# SPDX-License-Identifier: Apache-2.0
"""Pools and means on cores with the DSP extension."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernel_harness import Case, case_of
from tests.kernels.in_place import in_place
from tests.kernels.qemu_harness import batches, check_on_board, require_board, thorough
from tests.random_layers import average_pool, max_pool, mean, one_layer, quantisation, values
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.network import AveragePool2D, MaxPool2D, Mean, Quantisation, Tensor
from tinyengine_tvm.targets import get_target

TARGET = get_target("cortex-m4")
RANDOM = {"max": max_pool, "average": average_pool, "mean": mean}


def cases(kind: str, count: int, seed: int) -> list[Case]:
    """Random layers that a DSP kernel takes."""
    rng = np.random.default_rng(seed)
    found: list[Case] = []
    while len(found) < count:
        mode = "onnx" if kind != "average" and len(found) % 2 else "tflite"
        network, inputs = RANDOM[kind](rng, mode)
        kernel = kernels_for(network, network.layers[0], TARGET)[0]
        if kernel.name.endswith("dsp"):
            found.append(case_of(network, inputs, kernel))
    return found


@pytest.mark.parametrize("kind", RANDOM)
def test_random_layers_on_the_board(kind):
    require_board()
    for batch in batches(cases(kind, thorough(120, 2000), 1)):
        check_on_board(batch)


@pytest.mark.parametrize("flags", [("-O0",), ("-Os",), ("-Ofast", "-flto")])
def test_any_optimisation_level(flags):
    require_board()
    check_on_board([c for kind in RANDOM for c in cases(kind, 10, 2)], flags=flags)


def pool(kind, size, channels, kernel, stride=(1, 1), fill=None) -> Case:
    q = quantisation(np.random.default_rng(0))
    out = tuple((d - k) // s + 1 for d, k, s in zip(size, kernel, stride, strict=True))
    x = Tensor("x", (1, *size, channels), "int8", q)
    y = Tensor("y", (1, *out, channels), "int8", q)
    network = one_layer("tflite", kind("p", ("x",), "y", kernel, stride), [x], y)
    given = values(np.random.default_rng(1), x.shape)
    return case_of(network, [given if fill is None else np.full_like(given, fill)])


@pytest.mark.parametrize("fill", [-128, 127])
def test_sums_do_not_overflow(fill):
    """256 inputs are the most that 16 bits hold; beyond that the sums move to 32 bits."""
    require_board()
    given = [
        pool(AveragePool2D, size, 5, size, fill=fill)
        for size in ((16, 16), (16, 17), (1, 256), (2, 256), (2, 200), (40, 30))
    ]
    results = check_on_board(given)
    assert all(r.kernel == "average_pool2d_s8_4_dsp" for r in results)
    assert all((r.output == fill).all() for r in results)


def test_a_row_that_16_bits_do_not_hold_is_declined():
    case = pool(AveragePool2D, (1, 257), 8, (1, 257))
    assert kernels_for(case.network, case.layer, TARGET)[0].name == "average_pool2d_s8_portable"


def test_ties_of_a_mean_in_mode_onnx():
    """Scales that put many means on a tie, which float32 decides."""
    require_board()
    rng = np.random.default_rng(5)
    given = []
    for factor in (1.0, 2.0, 4.0):
        x = Tensor("x", (1, 4, 4, 37), "int8", Quantisation(0.1, 3))
        y = Tensor("y", (1, 37), "int8", Quantisation(0.1 * factor, -9))
        network = one_layer("onnx", Mean("m", ("x",), "y", (1, 2)), [x], y)
        given += [case_of(network, [values(rng, x.shape)]) for _ in range(4)]
    assert {r.kernel for r in check_on_board(given)} == {"mean_s8_4_dsp"}


def test_price():
    """Instructions per input: the plane of kws, a 2x2 maximum, the mean of mcunet."""
    require_board()
    rng = np.random.default_rng(0)
    q = quantisation(rng)
    x, y = Tensor("x", (1, 3, 3, 160), "int8", q), Tensor("y", (1, 160), "int8", q)
    layer = Mean("m", ("x",), "y", (1, 2))
    plane = case_of(one_layer("tflite", layer, [x], y), [values(rng, x.shape)])
    given = [
        pool(AveragePool2D, (3, 3), 4, (3, 3)),  # what comes before the first is counted with it
        pool(AveragePool2D, (25, 5), 64, (25, 5)),
        pool(MaxPool2D, (16, 16), 32, (2, 2), (2, 2)),
        plane,
    ]
    _, average, largest, means = check_on_board(given, count=True)
    assert average.instructions / 8000 < 2.0
    assert largest.instructions / (256 * 32) < 2.5
    assert means.instructions / 1440 < 6.0


@pytest.mark.parametrize("kind", RANDOM)
def test_the_output_may_lie_over_the_input(kind):
    require_board()
    given = [c for c in cases(kind, 80, 7) if c.kernel.overlap(c.network, c.layer, {})]
    assert len(given) > 15
    check_on_board([in_place(c) for c in given])


def test_padding_forbids_it():
    padded = [c for c in cases("max", 60, 8) if c.layer.padding]
    assert padded
    assert not any(c.kernel.overlap(c.network, c.layer, {}) for c in padded)
