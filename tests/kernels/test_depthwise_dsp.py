# SPDX-License-Identifier: Apache-2.0
"""Depthwise kernels for the DSP extension, on an emulated Cortex-M4, against their semantics."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernel_harness import Case
from tests.kernels.qemu_harness import batches, check_on_board, require_board, thorough
from tinyengine_tvm.kernels.registry import kernels_for
from tinyengine_tvm.network import (
    DepthwiseConv2D,
    Network,
    Padding,
    Quantisation,
    Tensor,
    verify,
)
from tinyengine_tvm.targets import get_target

M4 = get_target("cortex-m4")


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TFLite's SAME padding before and after."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def random_layer(rng: np.random.Generator, kernel: int, stride: int) -> Network:
    """A layer of any size, padding, quantisation and mode that the kernels may meet."""
    height, width = (int(v) for v in rng.choice([1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 17, 25], 2))
    channels = int(rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 17]))
    if rng.random() < 0.6:
        (top, bottom), (left, right) = same(height, kernel, stride), same(width, kernel, stride)
    else:
        top, left, bottom, right = (int(v) for v in rng.integers(0, kernel // 2 + 1, 4))
    if height + top + bottom < kernel or width + left + right < kernel:
        top = left = bottom = right = kernel // 2
    out_height = (height + top + bottom - kernel) // stride + 1
    out_width = (width + left + right - kernel) // stride + 1
    mode = "tflite" if rng.random() < 0.7 else "onnx"
    zero_in = int(rng.choice([-128, 127, 0, rng.integers(-128, 128)]))
    zero_out = int(rng.choice([-128, 127, 0, rng.integers(-128, 128)], p=[0.5, 0.1, 0.2, 0.2]))
    clamp = (-128, 127)
    chance = rng.random()
    if chance < 0.4:
        clamp = (zero_out, 127)
    elif chance < 0.6:
        low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
        clamp = (max(low, zero_out) if rng.random() < 0.5 else low, 127)
        clamp = (clamp[0], max(high, clamp[0]))
    weight = rng.integers(-128, 128, (kernel, kernel, channels)).astype(np.int8)
    if rng.random() < 0.3:
        weight = rng.choice(np.array([-128, -127, 0, 127], np.int8), weight.shape)
    weight[..., rng.random(channels) < 0.1] = 0
    least = rng.uniform(2, 7)
    shifts = rng.uniform(least, least + rng.choice([1, 3, 5, 9]), channels)
    scale = np.exp2(-shifts).astype(np.float32)
    scale[rng.random(channels) < 0.05] = 1e-12
    reach = int(rng.choice([100, 20_000, 1_000_000]))
    bias = rng.integers(-reach, reach, channels).astype(np.int32)
    tensors = {
        "x": Tensor("x", (1, height, width, channels), "int8", Quantisation(1.0, zero_in)),
        "y": Tensor("y", (1, out_height, out_width, channels), "int8", Quantisation(1.0, zero_out)),
    }
    padding = Padding(top, left, bottom, right)
    layer = DepthwiseConv2D("d", ("x",), "y", weight, scale, bias, clamp, (stride, stride), padding)
    return verify(Network("n", mode, tensors, (layer,), ("x",), ("y",)))


def random_input(rng: np.random.Generator, network: Network) -> np.ndarray:
    """Random bytes, a fifth of them at the ends of the range."""
    x = rng.integers(-128, 128, network.tensor("x").shape).astype(np.int8)
    extreme = rng.random(x.shape) < 0.2
    return np.where(extreme, rng.choice(np.array([-128, 127], np.int8), x.shape), x)


def random_cases(seed: int, count: int, kernel: int, stride: int) -> list[Case]:
    """Layers that a DSP kernel takes, each with a random point of its configuration space."""
    rng = np.random.default_rng(seed)
    cases: list[Case] = []
    while len(cases) < count:
        network = random_layer(rng, kernel, stride)
        (layer,) = network.layers
        best = kernels_for(network, layer, M4)[0]
        if not best.name.endswith("_dsp"):
            continue
        space = best.configurations(network, layer, M4)
        configuration = dict(
            space[int(rng.integers(len(space)))] if rng.random() < 0.7 else space[0]
        )
        cases.append(Case(network, [random_input(rng, network)], layer, best, configuration))
    return cases


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_random_layers(kernel: int, stride: int) -> None:
    require_board()
    cases = random_cases(100 * kernel + stride, thorough(60, 400), kernel, stride)
    for batch in batches(cases, 60):
        check_on_board(batch)
