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
    mask = b.node("Sigmoid", b.conv(b.node("Add", up, x), 8, 1, 1))
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


QUANTISED: dict[str, tuple[tuple[int, ...], Callable[[Builder], list[str]]]] = {
    "mcunet_v3": ((1, 3, 16, 16), _mcunet_v3),
    "activations": ((1, 3, 8, 8), _activations),
    "branches": ((1, 3, 8, 8), _branches),
}


def float_model(name: str) -> onnx.ModelProto:
    shape, build = QUANTISED[name]
    builder = Builder(zlib.crc32(name.encode()), shape)
    return builder.model(build(builder))


def samples(name: str, count: int, seed: int) -> np.ndarray:
    shape, _ = QUANTISED[name]
    return np.random.default_rng(seed).normal(0, 1, (count, *shape)).astype(np.float32)


def quantised(name: str, unsigned: bool = False) -> bytes:
    return quantise(float_model(name), samples(name, 16, 0), unsigned=unsigned)
