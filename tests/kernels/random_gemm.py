# SPDX-License-Identifier: Apache-2.0
"""Random layers that reach every path of the matrix multiplication: sizes, clamps, extremes."""

from __future__ import annotations

import numpy as np

from tests.kernel_harness import Case, case_of
from tests.random_layers import one_layer, tensor, values
from tinyengine_tvm.network import Conv2D, Dense, Mode, Padding, Quantisation

Rng = np.random.Generator


def cases(kind: str, count: int, seed: int) -> list[Case]:
    """`count` random layers, in turn of either mode."""
    rng = np.random.default_rng([seed, *kind.encode()])
    make = {"points": points, "windows": windows, "dense": dense}[kind]
    return [make(rng, ("tflite", "onnx")[i % 2]) for i in range(count)]


def points(rng: Rng, mode: Mode) -> Case:
    """1x1, stride 1."""
    size = _any(rng, (1, 2, 3, 5, 7)), _any(rng, (1, 2, 3, 4))
    depth = _any(rng, (1, 2, 3, 4, 5, 8, 16, 24, 40, 64, 84, 100, 132, *rng.integers(1, 150, 4)))
    return _convolution(rng, mode, size, depth, (1, 1), (1, 1), Padding())


def windows(rng: Rng, mode: Mode) -> Case:
    """Any window, stride and padding, also larger than the image."""
    kernel = _any(rng, (1, 2, 3, 3, 3, 5, 10)), _any(rng, (1, 2, 3, 3, 3, 4, 5))
    stride = _any(rng, (1, 1, 2, 2, 3)), _any(rng, (1, 1, 2, 2, 3))
    depth = _any(rng, (1, 1, 2, 3, 3, 4, 4, 5, 8, 12, 16, 17))
    pads = [int(rng.integers(0, k)) if rng.random() < 0.5 else 0 for k in (*kernel, *kernel)]
    size = [
        max(int(rng.integers(1, 12)), k - a - b)
        for k, a, b in zip(kernel, pads[:2], pads[2:], strict=True)
    ]
    padding = Padding(pads[0], pads[1], pads[2], pads[3])
    return _convolution(rng, mode, (size[0], size[1]), depth, kernel, stride, padding)


def dense(rng: Rng, mode: Mode) -> Case:
    rows = _any(rng, (1, 1, 1, 2, 5))
    depth = _any(rng, (1, 3, 4, 8, 15, 16, 17, 64, 128, *rng.integers(1, 300, 4)))
    channels = _any(rng, (1, 2, 3, 4, 5, 8, *rng.integers(1, 40, 3)))
    qx = _quantisation(rng)
    weight, scales, bias, qy = _parameters(rng, (channels, depth), qx)
    layer = Dense("dense", ("x",), "y", weight, scales, bias, _clamp(rng, qy))
    x, y = tensor("x", (rows, depth), qx), tensor("y", (rows, channels), qy)
    return case_of(one_layer(mode, layer, [x], y), [values(rng, x.shape)])


def _convolution(
    rng: Rng,
    mode: Mode,
    size: tuple[int, int],
    depth: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
) -> Case:
    channels = _any(rng, (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 21))
    qx = _quantisation(rng)
    weight, scales, bias, qy = _parameters(rng, (channels, *kernel, depth), qx)
    layer = Conv2D("conv", ("x",), "y", weight, scales, bias, _clamp(rng, qy), stride, padding)
    height = (size[0] + padding.top + padding.bottom - kernel[0]) // stride[0] + 1
    width = (size[1] + padding.left + padding.right - kernel[1]) // stride[1] + 1
    x, y = tensor("x", (1, *size, depth), qx), tensor("y", (1, height, width, channels), qy)
    return case_of(one_layer(mode, layer, [x], y), [values(rng, x.shape)])


def _any(rng: Rng, choices: tuple[int, ...]) -> int:
    return int(rng.choice(np.array(choices)))


def _quantisation(rng: Rng) -> Quantisation:
    zero = _any(rng, (-128, -128, 127, 0, -1, *rng.integers(-128, 128, 4)))
    return Quantisation(float(np.exp(rng.uniform(-6, 0))), zero)


def _parameters(
    rng: Rng, shape: tuple[int, ...], qx: Quantisation
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Quantisation]:
    """Weights, scales, biases and the output's quantisation, from tame to extreme."""
    channels, inputs = shape[0], int(np.prod(shape[1:]))
    style = rng.random()
    weight = rng.integers(-127, 128, shape)
    if style < 0.15:
        weight = rng.choice([-127, 127], shape)
    elif style < 0.3:
        weight = rng.integers(-128, 128, shape)
    elif style < 0.5:
        weight = np.where(rng.random(shape) < 0.7, 0, weight)
    if rng.random() < 0.3:
        weight[rng.random(channels) < 0.4] = 0
    spread = rng.choice([0.0, 0.5, 3.0])
    scales = np.exp(-6 + rng.uniform(-spread, spread, channels if rng.random() < 0.8 else 1))
    # The real multiplier is about 1 / (74 * sqrt(inputs)) where outputs fill their range.
    fill = 74 * np.sqrt(inputs) * qx.scale * float(scales.mean())
    scale = fill * float(
        np.exp(rng.choice([rng.uniform(-1, 2), rng.uniform(-6, 9)], p=[0.85, 0.15]))
    )
    limit = int(rng.choice([0, 100, 1 << 14, 1 << 22]))
    bias = rng.integers(-limit, limit, channels, endpoint=True).astype(np.int32)
    qy = Quantisation(scale, _quantisation(rng).zero_point)
    return weight.astype(np.int8), scales.astype(np.float32), bias, qy


def _clamp(rng: Rng, output: Quantisation) -> tuple[int, int]:
    relu = output.zero_point
    low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
    choices = [(-128, 127), (relu, 127), (relu, 127), (relu, max(relu, high)), (low, high)]
    return choices[rng.integers(len(choices))]
