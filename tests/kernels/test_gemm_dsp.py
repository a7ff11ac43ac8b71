# SPDX-License-Identifier: Apache-2.0
"""conv2d and dense on the DSP extension, on emulated boards, against their numpy semantics."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.kernel_harness import Case, case_of
from tests.kernels.qemu_harness import (
    batches,
    check_on_board,
    require_board,
    run_on_board,
    thorough,
)
from tests.kernels.random_gemm import cases
from tests.random_layers import one_layer, tensor, values
from tinyengine_tvm.kernels.conv2d.dsp_gemm import Conv2DGemm
from tinyengine_tvm.kernels.conv2d.dsp_slide import Conv2DSlide
from tinyengine_tvm.kernels.dense.dsp_gemm import DenseGemm
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.network import Conv2D, Dense, Padding, Quantisation
from tinyengine_tvm.targets import get_target

M4 = get_target("cortex-m4")
DSP = (Conv2DGemm(), Conv2DSlide(), DenseGemm())


def chosen(case: Case, objective: str) -> Case:
    """The case with the default kernel and its configuration for this objective."""
    kernel = kernels_for(case.network, case.layer, M4)[0]
    configuration = dict(kernel.choose(case.network, case.layer, M4, objective))
    return replace(case, kernel=kernel, configuration=configuration)


@pytest.mark.parametrize("kind", ["points", "windows", "dense"])
def test_random_layers(kind):
    require_board()
    kernels: Counter[str] = Counter()
    layers = cases(kind, thorough(200, 1500), 1)
    # Every third one as for size; configured alike, layers share their routines.
    configured = [chosen(case, "size" if i % 3 == 2 else "speed") for i, case in enumerate(layers)]
    for batch in batches(configured):
        kernels.update(result.kernel for result in check_on_board(batch))
    portable = sum(count for name, count in kernels.items() if name.endswith("_portable"))
    # What the portable kernels take over are shifts to the left and the like.
    assert portable < 0.25 * kernels.total(), kernels


@pytest.mark.parametrize(
    "board, target", [("mps2-an500", "cortex-m7"), ("mps2-an505", "cortex-m33")]
)
def test_other_cores(board, target):
    require_board(board)
    batch = [case for kind in ("points", "windows", "dense") for case in cases(kind, 20, 2)]
    check_on_board(batch, board=board, target=target)


@pytest.mark.parametrize("flags", [("-O0",), ("-Os",), ("-O3", "-funroll-loops")])
def test_optimisation_levels(flags):
    require_board()
    check_on_board(
        [c for k in ("points", "windows", "dense") for c in cases(k, 10, 3)], flags=flags
    )


@pytest.mark.parametrize("kind", ["points", "windows", "dense"])
def test_all_configurations(kind):
    require_board()
    batch = []
    for case in cases(kind, 24, 4):
        for kernel in DSP:
            if not isinstance(case.layer, kernel.layer):
                continue
            if kernel.supports(case.network, case.layer, M4):
                space = kernel.configurations(case.network, case.layer, M4)
                batch += [replace(case, kernel=kernel, configuration=dict(c)) for c in space]
                for objective in ("speed", "size"):
                    assert kernel.choose(case.network, case.layer, M4, objective) in space
    assert len({tuple(c.configuration.items()) for c in batch}) >= (4 if kind == "dense" else 6)
    for part in batches(batch):
        check_on_board(part)


@pytest.mark.parametrize("kind", ["points", "windows", "dense"])
def test_outputs_over_their_inputs(kind):
    require_board()
    batch = cases(kind, 60, 5)
    shared = []
    for case in batch:
        case = chosen(case, "speed")
        shared.append(case.kernel.overlap(case.network, case.layer, case.configuration).get(0, 0))
    assert sum(bytes_ > 0 for bytes_ in shared) > 20
    check_on_board(batch, overlapped=True)


def test_outputs_over_their_inputs_from_widened_rows():
    require_board()
    kernel, batch = Conv2DSlide(), []
    for case in cases("windows", 120, 6):
        if kernel.supports(case.network, case.layer, M4):
            space = kernel.configurations(case.network, case.layer, M4)
            batch += [replace(case, kernel=kernel, configuration=dict(c)) for c in space[::5]]
    shared = [c.kernel.overlap(c.network, c.layer, c.configuration)[0] for c in batch]
    assert sum(bytes_ > 0 for bytes_ in shared) > 20
    assert {c.configuration["band"] for c in batch} == {1, 2, 4}
    for part in batches(batch):
        check_on_board(part, overlapped=True)


def convolution(
    size: tuple[int, int, int],
    channels: int,
    kernel: int = 1,
    stride: int = 1,
    padding: Padding | None = None,
    relu: bool = True,
) -> Case:
    """A layer of ordinary scales, as networks have them."""
    rng = np.random.default_rng(7)
    padding = padding or Padding()
    qx, qy = Quantisation(0.05, -3), Quantisation(0.1, -128 if relu else 5)
    inputs = size[2] * kernel * kernel
    scales = rng.uniform(0.5, 2, channels) * 0.1 / (74 * np.sqrt(inputs) * 0.05)
    layer = Conv2D(
        "conv",
        ("x",),
        "y",
        rng.integers(-127, 128, (channels, kernel, kernel, size[2])).astype(np.int8),
        scales.astype(np.float32),
        rng.integers(-3000, 3000, channels).astype(np.int32),
        stride=(stride, stride),
        padding=padding,
    )
    height = (size[0] + padding.top + padding.bottom - kernel) // stride + 1
    width = (size[1] + padding.left + padding.right - kernel) // stride + 1
    x, y = tensor("x", (1, *size), qx), tensor("y", (1, height, width, channels), qy)
    return case_of(one_layer("tflite", layer, [x], y), [values(rng, x.shape)])


def vector(inputs: int, channels: int) -> Case:
    rng = np.random.default_rng(8)
    qx, qy = Quantisation(0.05, -3), Quantisation(0.1, -128)
    layer = Dense(
        "dense",
        ("x",),
        "y",
        rng.integers(-127, 128, (channels, inputs)).astype(np.int8),
        np.array([0.1 / (74 * np.sqrt(inputs) * 0.05)], np.float32),
        rng.integers(-3000, 3000, channels).astype(np.int32),
    )
    x, y = tensor("x", (1, inputs), qx), tensor("y", (1, channels), qy)
    return case_of(one_layer("tflite", layer, [x], y), [values(rng, x.shape)])


AROUND = Padding(1, 1, 1, 1)
PRICES = {
    "8 to 16": (convolution((24, 24, 8), 16), 1.29),
    "16 to 32": (convolution((24, 24, 16), 32), 0.98),
    "64 to 64": (convolution((12, 12, 64), 64), 0.86),
    "64 to 64, any zero point": (convolution((12, 12, 64), 64, relu=False), 0.87),
    "128 to 128": (convolution((6, 6, 128), 128), 0.82),
    "first layer": (convolution((64, 64, 3), 16, 3, 2, Padding(0, 0, 1, 1)), 1.05),
    "3x3 of 16": (convolution((32, 32, 16), 16, 3, 1, AROUND), 0.88),
    "3x3 of 64": (convolution((8, 8, 64), 64, 3, 1, AROUND), 0.80),
    "vector of 640": (vector(640, 128), 0.89),
    "vector of 128": (vector(128, 640), 0.92),
}
"""Instructions per multiply-accumulate that a layer may take at most."""


def test_instructions_per_mac():
    require_board()
    results = check_on_board([case for case, _ in PRICES.values()], count=True)
    found = {}
    for (name, (case, limit)), result in zip(PRICES.items(), results, strict=True):
        macs = result.output.size * case.layer.weight[0].size
        found[name] = (round(result.instructions / macs, 3), limit)
    assert all(price <= limit for price, limit in found.values()), found


def test_cores_without_the_extension_are_declined():
    for case in (convolution((4, 4, 8), 8), vector(16, 8)):
        for kernel in DSP:
            if isinstance(case.layer, kernel.layer):
                assert not kernel.supports(case.network, case.layer, get_target("cortex-m3"))


def test_multipliers_above_one_are_declined():
    case = vector(16, 8)
    layer = replace(case.layer, weight_scale=np.array([4.0], np.float32))
    assert not DenseGemm().supports(replace(case.network, layers=(layer,)), layer, M4)


def test_a_planted_fault_is_seen():
    require_board()
    case = convolution((5, 3, 8), 5)

    class Broken(Conv2DGemm):
        def emit(self, network, layer, configuration):
            weight = layer.weight.copy()
            weight[4, 0, 0, 7] += 1 if weight[4, 0, 0, 7] < 127 else -1
            return super().emit(network, replace(layer, weight=weight), configuration)

    broken = replace(case, kernel=Broken())
    with pytest.raises(AssertionError, match="differ, the first at"):
        check_on_board([broken])
    assert run_on_board([case])[0].output.shape == (1, 5, 3, 5)
