# SPDX-License-Identifier: Apache-2.0
"""Networks with operators that no kernel takes."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import onnx

from tests.onnx_models import Builder, quantise


def hard_swish(b: Builder, x: str) -> str:
    return b.node("HardSwish", x)


def squeeze_excite(b: Builder, x: str, channels: int) -> str:
    """A gate per channel: mean, two 1x1 convolutions, hard sigmoid."""
    s = b.node("GlobalAveragePool", x)
    s = b.relu(b.conv(s, channels, channels // 2, 1))
    s = b.node("HardSigmoid", b.conv(s, channels // 2, channels, 1), alpha=1 / 6, beta=0.5)
    return b.node("Mul", x, s)


def _mobile_block(b: Builder, x: str, channels: int, expanded: int, kernel: int) -> str:
    y = hard_swish(b, b.conv(x, channels, expanded, 1))
    y = hard_swish(b, b.conv(y, expanded, expanded, kernel, group=expanded))
    y = squeeze_excite(b, y, expanded)
    return b.node("Add", x, b.conv(y, expanded, channels, 1))


def _mcunet_v3(b: Builder) -> list[str]:
    """Inverted residuals with squeeze-and-excite and hard-swish; classes and a mask."""
    x = hard_swish(b, b.conv(b.x, 3, 8, 3, stride=2))
    x = _mobile_block(b, x, 8, 16, 3)
    y = hard_swish(b, b.conv(x, 8, 12, 3, stride=2))
    y = _mobile_block(b, y, 12, 24, 5)
    up = b.node(
        "Resize",
        b.conv(y, 12, 8, 1),
        "",
        b.constant(np.array([1, 1, 2, 2], np.float32)),
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )
    mask = b.conv(b.node("Sigmoid", b.node("Add", up, x)), 8, 1, 1)
    pooled = b.node("Flatten", b.node("GlobalAveragePool", y), axis=1)
    return [b.dense(pooled, 12, 5), mask]


def _activations(b: Builder) -> list[str]:
    x = b.conv(b.x, 3, 8, 3)
    for kind in ("Sigmoid", "Tanh", "HardSwish", "Elu", "LeakyRelu", "Softplus", "Erf"):
        x = b.conv(b.node(kind, x), 8, 8, 1)
    return [x]


def _branches(b: Builder) -> list[str]:
    """Halves of the channels that go different ways; a comparison that chooses."""
    x = b.relu(b.conv(b.x, 3, 8, 3))
    parts = b.constant(np.array([4, 4], np.int64))
    b.nodes.append(onnx.helper.make_node("Split", [x, parts], ["low", "high"], axis=1))
    y = b.node("Where", b.node("Greater", "low", "high"), "low", b.node("Neg", "high"))
    z = b.node("Concat", y, b.conv("high", 4, 4, 3), axis=1)
    return [b.conv(z, 8, 4, 1), b.node("ReduceMax", z, axes=[2, 3], keepdims=0)]


def _cnn(b: Builder) -> list[str]:
    x = b.relu(b.conv(b.x, 3, 8, 3, stride=2))
    x = b.relu(b.conv(x, 8, 8, 3, group=8))
    x = b.node("BatchNormalization", b.conv(x, 8, 12, 1), *_normalisation(b, 12))
    x = b.node("MaxPool", b.relu(x), kernel_shape=[2, 2], strides=[2, 2])
    x = b.node("Flatten", x, axis=1)
    return [b.node("Softmax", b.dense(x, 12 * 4 * 4, 6), axis=-1)]


def _normalisation(b: Builder, channels: int) -> list[str]:
    mean, offset = (b.random.normal(0, 0.3, channels).astype(np.float32) for _ in range(2))
    scale, variance = (b.random.uniform(0.5, 2, channels).astype(np.float32) for _ in range(2))
    return [b.constant(v) for v in (scale, offset, mean, variance)]


def _mlp(b: Builder) -> list[str]:
    x = b.node("Tanh", b.dense(b.x, 20, 32))
    x = b.node("LayerNormalization", x, b.constant(np.ones(32, np.float32)), axis=-1)
    return [b.dense(b.node("Elu", x), 32, 4)]


def _lstm(b: Builder) -> list[str]:
    """Four steps of a long short-term memory of eight cells, and the last hidden state."""
    cells, features = 8, 5
    weights = b.constant(b.random.normal(0, 0.5, (features + cells, 4 * cells)).astype(np.float32))
    bias = b.weight(4 * cells)
    parts = b.constant(np.full(4, cells, np.int64))
    state = hidden = b.constant(np.zeros((1, cells), np.float32))
    for step in range(4):
        begin, end, axis = (b.constant(np.array([v], np.int64)) for v in (step, step + 1, 1))
        x = b.node("Squeeze", b.node("Slice", b.x, begin, end, axis), axis)
        gates = b.node("Add", b.node("MatMul", b.node("Concat", x, hidden, axis=1), weights), bias)
        names = [f"{kind}_{step}" for kind in ("input", "output", "forget", "cell")]
        b.nodes.append(onnx.helper.make_node("Split", [gates, parts], names, axis=1))
        i, o, f = (b.node("Sigmoid", name) for name in names[:3])
        new = b.node("Mul", i, b.node("Tanh", names[3]))
        state = b.node("Add", b.node("Mul", f, state), new)
        hidden = b.node("Mul", o, b.node("Tanh", state))
    return [hidden, state]


FLOAT: dict[str, tuple[tuple[int, ...], Callable[[Builder], list[str]]]] = {
    "cnn": ((1, 3, 16, 16), _cnn),
    "mlp": ((1, 20), _mlp),
    "lstm": ((1, 4, 5), _lstm),
}
QUANTISED: dict[str, tuple[tuple[int, ...], Callable[[Builder], list[str]]]] = {
    "mcunet_v3": ((1, 3, 16, 16), _mcunet_v3),
    "activations": ((1, 3, 8, 8), _activations),
    "branches": ((1, 3, 8, 8), _branches),
}


def float_model(name: str) -> onnx.ModelProto:
    shape, build = (QUANTISED | FLOAT)[name]
    builder = Builder(zlib.crc32(name.encode()), shape)
    return builder.model(build(builder))


def samples(name: str, count: int, seed: int) -> np.ndarray:
    shape, _ = (QUANTISED | FLOAT)[name]
    return np.random.default_rng(seed).normal(0, 1, (count, *shape)).astype(np.float32)


def quantised(name: str, unsigned: bool = False) -> bytes:
    return quantise(float_model(name), samples(name, 16, 0), unsigned=unsigned)
