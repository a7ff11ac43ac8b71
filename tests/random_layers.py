# SPDX-License-Identifier: Apache-2.0
"""Random networks of one layer each, with inputs that reach the corners of int8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinyengine_tvm.network import (
    Add,
    AveragePool2D,
    Clip,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dequantize,
    Layer,
    MaxPool2D,
    Mean,
    Mode,
    Mul,
    Network,
    Pad,
    Padding,
    Quantisation,
    Quantize,
    Requantize,
    Reshape,
    ResizeNearest,
    Softmax,
    Tensor,
    Transpose,
    verify,
)

Sample = tuple[Network, list[np.ndarray]]
Rng = np.random.Generator


def one_layer(mode: Mode, layer: Layer, inputs: list[Tensor], output: Tensor) -> Network:
    """A verified network of this layer alone."""
    return verify(
        Network(
            "one",
            mode,
            {t.name: t for t in [*inputs, output]},
            (layer,),
            tuple(t.name for t in inputs),
            (output.name,),
        )
    )


def quantisation(rng: Rng, low: float = 0.001, high: float = 0.5) -> Quantisation:
    """A scale between the limits, and a zero point that is often at the end of its range."""
    zero = int(rng.choice([-128, 127, 0, -1, *rng.integers(-128, 128, 4)]))
    return Quantisation(float(np.exp(rng.uniform(np.log(low), np.log(high)))), zero)


def tensor(name: str, shape: tuple[int, ...], quantisation: Quantisation) -> Tensor:
    return Tensor(name, shape, "int8", quantisation)


def values(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
    """int8, a quarter of it at the ends of the range."""
    result = rng.integers(-128, 128, shape)
    ends = rng.choice([-128, 127], shape)
    return np.where(rng.random(shape) < 0.25, ends, result).astype(np.int8)


def clamp(rng: Rng, output: Quantisation) -> tuple[int, int]:
    """No activation, or the clamp of a fused relu or relu6."""
    relu = max(-128, output.zero_point)
    six = output.zero_point + int(np.floor(np.float32(6) / np.float32(output.scale) + 0.5))
    choices = [(-128, 127), (-128, 127), (relu, 127)]
    # TFLite Micro itself overflows where 6 lies beyond int32.
    if six < 1 << 20:
        choices.append((relu, max(relu, min(127, six))))
    return choices[rng.integers(len(choices))]


def _shape(rng: Rng, rank: int, limit: int = 7) -> tuple[int, ...]:
    return tuple(int(d) for d in rng.integers(1, limit + 1, rank))


def _binary(rng: Rng, mode: Mode, kind: type[Add] | type[Mul]) -> Sample:
    shape = _shape(rng, int(rng.integers(1, 5)))
    part = list(shape)
    style = rng.integers(4)
    if style == 1:
        part = [1] * len(shape)
    elif style == 2:
        part = [1] * (len(shape) - 1) + [shape[-1]]
    elif style == 3:
        part = [1 if rng.random() < 0.5 else d for d in shape]
    shapes = [shape, tuple(part)]
    if rng.random() < 0.5:
        shapes.reverse()
    qa, qb = quantisation(rng), quantisation(rng)
    real = max(qa.scale, qb.scale) if kind is Add else 60 * qa.scale * qb.scale
    qy = Quantisation(real * float(np.exp(rng.uniform(-2, 2))), quantisation(rng).zero_point)
    if rng.random() < 0.3:
        # Equal scales put every odd sum on a tie.
        qb = Quantisation(qa.scale, qb.zero_point)
        qy = Quantisation(qa.scale * float(rng.choice([1, 2, 4])), qy.zero_point)
    tensors = [tensor("a", shapes[0], qa), tensor("b", shapes[1], qb)]
    layer = kind("binary", ("a", "b"), "y", clamp=clamp(rng, qy))
    network = one_layer(mode, layer, tensors, tensor("y", shape, qy))
    return network, [values(rng, s) for s in shapes]


def add(rng: Rng, mode: Mode) -> Sample:
    return _binary(rng, mode, Add)


def mul(rng: Rng, mode: Mode) -> Sample:
    return _binary(rng, mode, Mul)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """(before, after) of TFLite's SAME padding."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def window(rng: Rng, limit: int = 9) -> tuple[Any, ...]:
    """((height, width), kernel, stride, padding, (out height, out width)) as TFLite has them."""
    size = _shape(rng, 2, limit)
    same = rng.random() < 0.5
    kernel = tuple(int(rng.integers(1, (5 if same else d) + 1)) for d in size)
    stride = tuple(int(s) for s in rng.integers(1, 4, 2))
    pads = [
        same_padding(d, k, s) if same else (0, 0)
        for d, k, s in zip(size, kernel, stride, strict=True)
    ]
    padding = Padding(pads[0][0], pads[1][0], pads[0][1], pads[1][1])
    out = tuple(
        (d + sum(p) - k) // s + 1 for d, k, s, p in zip(size, kernel, stride, pads, strict=True)
    )
    return size, kernel, stride, padding, out


def _pool(rng: Rng, mode: Mode, kind: type[MaxPool2D] | type[AveragePool2D]) -> Sample:
    size, kernel, stride, padding, out = window(rng)
    channels = int(rng.integers(1, 9))
    qx = quantisation(rng)
    qy = qx
    extra = {}
    if mode == "onnx" and kind is AveragePool2D:
        extra["count_padding"] = bool(rng.random() < 0.5)
        if rng.random() < 0.7:
            qy = Quantisation(qx.scale * float(rng.uniform(0.4, 1.3)), quantisation(rng).zero_point)
    layer = kind("pool", ("x",), "y", kernel, stride, padding, clamp(rng, qy), **extra)
    x, y = tensor("x", (1, *size, channels), qx), tensor("y", (1, *out, channels), qy)
    return one_layer(mode, layer, [x], y), [values(rng, x.shape)]


def max_pool(rng: Rng, mode: Mode) -> Sample:
    return _pool(rng, mode, MaxPool2D)


def average_pool(rng: Rng, mode: Mode) -> Sample:
    return _pool(rng, mode, AveragePool2D)


def mean(rng: Rng, mode: Mode) -> Sample:
    shape = _shape(rng, int(rng.integers(1, 5)), 9)
    count = int(rng.integers(1, len(shape) + 1))
    axes = tuple(sorted(int(a) for a in rng.choice(len(shape), count, replace=False)))
    kept = tuple(1 if i in axes else d for i, d in enumerate(shape))
    dropped = tuple(d for i, d in enumerate(shape) if i not in axes)
    qx = quantisation(rng)
    qy = Quantisation(qx.scale * float(np.exp(rng.uniform(-2, 1))), quantisation(rng).zero_point)
    if rng.random() < 0.3:
        qy = qx
    x = tensor("x", shape, qx)
    y = tensor("y", kept if rng.random() < 0.5 or not dropped else dropped, qy)
    return one_layer(mode, Mean("mean", ("x",), "y", axes), [x], y), [values(rng, shape)]


def pad(rng: Rng, mode: Mode) -> Sample:
    shape = _shape(rng, int(rng.integers(1, 5)))
    pads = tuple(
        tuple(int(p) for p in rng.integers(0, 4, 2)) if rng.random() < 0.6 else (0, 0)
        for _ in shape
    )
    q = quantisation(rng)
    out = tuple(d + sum(p) for d, p in zip(shape, pads, strict=True))
    layer = Pad("pad", ("x",), "y", pads, q.zero_point)
    network = one_layer(mode, layer, [tensor("x", shape, q)], tensor("y", out, q))
    return network, [values(rng, shape)]


def reshape(rng: Rng, mode: Mode) -> Sample:
    shape = _shape(rng, 4)
    q = quantisation(rng)
    out = (shape[0] * shape[1], shape[2] * shape[3])
    layer = Reshape("reshape", ("x",), "y")
    network = one_layer(mode, layer, [tensor("x", shape, q)], tensor("y", out, q))
    return network, [values(rng, shape)]


def transpose(rng: Rng, mode: Mode) -> Sample:
    shape = _shape(rng, int(rng.integers(1, 5)))
    permutation = tuple(int(p) for p in rng.permutation(len(shape)))
    q = quantisation(rng)
    out = tuple(shape[p] for p in permutation)
    layer = Transpose("transpose", ("x",), "y", permutation)
    network = one_layer(mode, layer, [tensor("x", shape, q)], tensor("y", out, q))
    return network, [values(rng, shape)]


def concat(rng: Rng, mode: Mode) -> Sample:
    shape = _shape(rng, int(rng.integers(1, 5)))
    axis = int(rng.integers(len(shape)))
    q = quantisation(rng)
    shapes = [
        (*shape[:axis], int(d), *shape[axis + 1 :]) for d in rng.integers(1, 6, rng.integers(2, 5))
    ]
    out = (*shape[:axis], sum(s[axis] for s in shapes), *shape[axis + 1 :])
    tensors = [tensor(f"x{i}", s, q) for i, s in enumerate(shapes)]
    layer = Concat("concat", tuple(t.name for t in tensors), "y", axis)
    network = one_layer(mode, layer, tensors, tensor("y", out, q))
    return network, [values(rng, s) for s in shapes]


def softmax(rng: Rng, mode: Mode) -> Sample:
    depth = int(rng.choice([1, 2, 3, 10, 100, 300, rng.integers(1, 40)]))
    shape = (*_shape(rng, int(rng.integers(0, 3)), 4), depth)
    qx = quantisation(rng, 0.002, 1.0)
    qy = Quantisation(1 / 256, -128)
    if mode == "onnx" and rng.random() < 0.5:
        qy = Quantisation(float(rng.uniform(0.0005, 0.02)), quantisation(rng).zero_point)
    beta = 1.0 if mode == "onnx" else float(rng.choice([1.0, 1.0, 0.5, 2.0]))
    layer = Softmax("softmax", ("x",), "y", beta)
    network = one_layer(mode, layer, [tensor("x", shape, qx)], tensor("y", shape, qy))
    data = values(rng, shape)
    if rng.random() < 0.3:
        data = np.clip(rng.normal(0, 4, shape), -128, 127).astype(np.int8)
    return network, [data]


def clip(rng: Rng, mode: Mode) -> Sample:
    shape = _shape(rng, int(rng.integers(1, 5)))
    q = quantisation(rng, 0.01, 0.2)
    relu = max(-128, q.zero_point)
    six = q.zero_point + int(np.floor(np.float32(6) / np.float32(q.scale) + 0.5))
    limits = (relu, 127) if rng.random() < 0.5 else (relu, min(127, six))
    layer = Clip("clip", ("x",), "y", limits)
    network = one_layer(mode, layer, [tensor("x", shape, q)], tensor("y", shape, q))
    return network, [values(rng, shape)]


def quantize(rng: Rng, mode: Mode) -> Sample:
    shape = _shape(rng, int(rng.integers(1, 5)))
    q = quantisation(rng)
    data = rng.uniform(-140, 140, shape) * q.scale
    # Multiples of half a step are the ties.
    ties = rng.integers(-300, 300, shape) / 2 * q.scale
    data = np.where(rng.random(shape) < 0.4, ties, data)
    data = np.where(rng.random(shape) < 0.1, rng.choice([0.0, -0.0, 1e6, -1e6], shape), data)
    layer = Quantize("quantize", ("x",), "y")
    network = one_layer(mode, layer, [Tensor("x", shape, "float32")], tensor("y", shape, q))
    return network, [data.astype(np.float32)]


def dequantize(rng: Rng, mode: Mode) -> Sample:
    shape = _shape(rng, int(rng.integers(1, 5)))
    layer = Dequantize("dequantize", ("x",), "y")
    x = tensor("x", shape, quantisation(rng, 1e-6, 1e3))
    return one_layer(mode, layer, [x], Tensor("y", shape, "float32")), [values(rng, shape)]


def requantize(rng: Rng, mode: Mode) -> Sample:
    shape = _shape(rng, int(rng.integers(1, 5)))
    qx = quantisation(rng)
    factor = float(rng.choice([1.0, 2.0, 0.5, np.exp(rng.uniform(-3, 3))]))
    qy = Quantisation(qx.scale * factor, quantisation(rng).zero_point)
    layer = Requantize("requantize", ("x",), "y")
    network = one_layer(mode, layer, [tensor("x", shape, qx)], tensor("y", shape, qy))
    return network, [values(rng, shape)]


def nearest(size: int, out: int, align_corners: bool, half_pixel: bool) -> tuple[int, ...]:
    """TFLite's source index of each output index, with its float32 steps."""
    f = np.float32
    scale = f(size - 1) / f(out - 1) if align_corners and out > 1 else f(size) / f(out)
    places = (np.arange(out, dtype=np.float32) + f(0.5 if half_pixel else 0)) * scale
    index = np.floor(places.astype(np.float64) + 0.5) if align_corners else np.floor(places)
    return tuple(int(i) for i in np.clip(index, 0, size - 1))


def resize(rng: Rng, mode: Mode) -> Sample:
    height, width, channels = _shape(rng, 3, 8)
    rows, columns = _shape(rng, 2, 12)
    style = rng.integers(3)
    maps = [
        nearest(n, o, bool(style == 1), bool(style == 2))
        for n, o in ((height, rows), (width, columns))
    ]
    q = quantisation(rng)
    layer = ResizeNearest("resize", ("x",), "y", *maps)
    x, y = (
        tensor("x", (1, height, width, channels), q),
        tensor("y", (1, rows, columns, channels), q),
    )
    return one_layer(mode, layer, [x], y), [values(rng, x.shape)]


WEIGHTLESS: dict[str, Callable[[Rng, Mode], Sample]] = {
    f.__name__: f
    for f in (
        add,
        mul,
        max_pool,
        average_pool,
        mean,
        pad,
        reshape,
        transpose,
        concat,
        softmax,
        clip,
        quantize,
        dequantize,
        requantize,
        resize,
    )
}
"""Operator to generator of random samples."""


def _weights(
    rng: Rng, shape: tuple[int, ...], channels: int, fan_in: int, x: Quantisation
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Quantisation]:
    """Weights, scales, bias, and an output quantisation that saturates now and then."""
    weight = rng.integers(-127, 128, shape).astype(np.int8)
    if rng.random() < 0.3:
        weight[rng.random(shape) < 0.7] = 0
    scales = np.exp(rng.uniform(-9, -4, channels if rng.random() < 0.8 else 1))
    bias = rng.integers(-(1 << 14), 1 << 14, channels).astype(np.int32)
    spread = 74 * 74 * np.sqrt(fan_in) * x.scale * float(scales.mean())
    scale = spread / 60 * float(np.exp(rng.uniform(-1, 1.5)))
    y = Quantisation(scale, quantisation(rng).zero_point)
    return weight, scales.astype(np.float32), bias, y


def conv2d(rng: Rng, mode: Mode) -> Sample:
    size, kernel, stride, padding, out = window(rng, 8)
    depth, channels = (int(v) for v in rng.integers(1, 11, 2))
    qx = quantisation(rng)
    weight, scales, bias, qy = _weights(
        rng, (channels, *kernel, depth), channels, depth * kernel[0] * kernel[1], qx
    )
    layer = Conv2D("conv", ("x",), "y", weight, scales, bias, clamp(rng, qy), stride, padding)
    x, y = tensor("x", (1, *size, depth), qx), tensor("y", (1, *out, channels), qy)
    return one_layer(mode, layer, [x], y), [values(rng, x.shape)]


def depthwise_conv2d(rng: Rng, mode: Mode) -> Sample:
    size, kernel, stride, padding, out = window(rng, 8)
    depth, multiplier = int(rng.integers(1, 10)), int(rng.choice([1, 1, 1, 2, 3]))
    channels = depth * multiplier
    qx = quantisation(rng)
    weight, scales, bias, qy = _weights(
        rng, (*kernel, channels), channels, kernel[0] * kernel[1], qx
    )
    layer = DepthwiseConv2D(
        "depthwise", ("x",), "y", weight, scales, bias, clamp(rng, qy), stride, padding, multiplier
    )
    x, y = tensor("x", (1, *size, depth), qx), tensor("y", (1, *out, channels), qy)
    return one_layer(mode, layer, [x], y), [values(rng, x.shape)]


def dense(rng: Rng, mode: Mode) -> Sample:
    rows, depth, channels = (
        int(rng.integers(1, 4)),
        int(rng.integers(1, 70)),
        int(rng.integers(1, 20)),
    )
    qx = quantisation(rng)
    weight, scales, bias, qy = _weights(rng, (channels, depth), channels, depth, qx)
    layer = Dense("dense", ("x",), "y", weight, scales, bias, clamp(rng, qy))
    x, y = tensor("x", (rows, depth), qx), tensor("y", (rows, channels), qy)
    return one_layer(mode, layer, [x], y), [values(rng, x.shape)]


WEIGHTED: dict[str, Callable[[Rng, Mode], Sample]] = {
    f.__name__: f for f in (conv2d, depthwise_conv2d, dense)
}


def samples(operator: str, mode: Mode, count: int, seed: int = 0) -> list[Sample]:
    """`count` random layers of one operator."""
    rng = np.random.default_rng([seed, *operator.encode()])
    generate = {**WEIGHTLESS, **WEIGHTED}[operator]
    return [generate(rng, mode) for _ in range(count)]
