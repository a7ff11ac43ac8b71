# SPDX-License-Identifier: Apache-2.0
"""Networks of inverted bottlenecks with random weights, as large as those that people run."""

from __future__ import annotations

import numpy as np

from tests.networks import int8_tensor
from tinyengine_tvm.network import (
    Add,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    Mean,
    Network,
    Padding,
    Tensor,
    verify,
)


class Builder:
    """Appends layers to a network; scales are such that values spread over the int8 range."""

    def __init__(self, height: int, width: int, channels: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: dict[str, Tensor] = {}
        self.layers: list[Layer] = []
        self.last = self._tensor("image", (1, height, width, channels))

    def _tensor(self, name: str, shape: tuple[int, ...], scale: float = 0.05) -> str:
        self.tensors[name] = int8_tensor(name, shape, scale, int(self.rng.integers(-20, 20)))
        return name

    def _weights(self, shape: tuple[int, ...], taps: int, channels: int) -> tuple[np.ndarray, ...]:
        weight = self.rng.integers(-127, 128, shape).astype(np.int8)
        scale = self.rng.uniform(0.7, 1.3, channels) / (60 * np.sqrt(taps))
        bias = self.rng.integers(-2000, 2000, channels)
        return weight, scale.astype(np.float32), bias.astype(np.int32)

    def conv(self, channels: int, kernel: int = 1, stride: int = 1) -> str:
        _, height, width, depth = self.tensors[self.last].shape
        padding, out = _same(height, width, kernel, stride)
        weights = self._weights(
            (channels, kernel, kernel, depth), kernel * kernel * depth, channels
        )
        return self._add(Conv2D, weights, (1, *out, channels), stride, padding)

    def depthwise(self, kernel: int = 3, stride: int = 1) -> str:
        _, height, width, depth = self.tensors[self.last].shape
        padding, out = _same(height, width, kernel, stride)
        weights = self._weights((kernel, kernel, depth), kernel * kernel, depth)
        return self._add(DepthwiseConv2D, weights, (1, *out, depth), stride, padding)

    def _add(self, kind, weights, shape, stride, padding) -> str:
        number = len(self.layers)
        output = self._tensor(f"t{number}", shape)
        self.layers.append(
            kind(
                f"{kind.op}_{number}",
                (self.last,),
                output,
                *weights,
                stride=(stride, stride),
                padding=padding,
            )
        )
        self.last = output
        return output

    def add(self, other: str) -> str:
        number = len(self.layers)
        output = self._tensor(f"t{number}", self.tensors[self.last].shape, 0.07)
        self.layers.append(Add(f"add_{number}", (other, self.last), output))
        self.last = output
        return output

    def bottleneck(self, expansion: int, channels: int, stride: int, kernel: int = 3) -> None:
        before, depth = self.last, self.tensors[self.last].shape[3]
        if expansion > 1:
            self.conv(depth * expansion)
        self.depthwise(kernel, stride)
        self.conv(channels)
        if stride == 1 and channels == depth:
            self.add(before)

    def finish(self, classes: int) -> Network:
        channels = self.tensors[self.last].shape[3]
        self.layers.append(
            Mean("pool", (self.last,), self._tensor("pooled", (1, channels)), axes=(1, 2))
        )
        weight, scale, bias = self._weights((classes, channels), channels, classes)
        self.layers.append(
            Dense(
                "classify", ("pooled",), self._tensor("scores", (1, classes)), weight, scale, bias
            )
        )
        return verify(
            Network("net", "tflite", self.tensors, tuple(self.layers), ("image",), ("scores",))
        )


def _same(height: int, width: int, kernel: int, stride: int) -> tuple[Padding, tuple[int, int]]:
    """TFLite's SAME padding, and the sizes that it gives."""
    out = -(-height // stride), -(-width // stride)
    rows = max((out[0] - 1) * stride + kernel - height, 0)
    columns = max((out[1] - 1) * stride + kernel - width, 0)
    return Padding(rows // 2, columns // 2, rows - rows // 2, columns - columns // 2), out


def mobilenet_v2(size: int = 144, classes: int = 10) -> Network:
    """MobileNetV2 of width 0.35: 16 channels, 17 bottlenecks, 1,280 channels, global mean."""
    net = Builder(size, size, 3, seed=35)
    net.conv(16, 3, 2)
    for expansion, channels, repeats, stride in (
        (1, 8, 1, 1),
        (6, 8, 2, 2),
        (6, 16, 3, 2),
        (6, 24, 4, 2),
        (6, 32, 3, 1),
        (6, 56, 3, 2),
        (6, 112, 1, 1),
    ):
        for i in range(repeats):
            net.bottleneck(expansion, channels, stride if i == 0 else 1)
    net.conv(1280)
    return net.finish(classes)


def mcunet_like(size: int = 80, classes: int = 2) -> Network:
    """A network of bottlenecks with kernels of 3 to 7, as MCUNet's for visual wake words."""
    net = Builder(size, size, 3, seed=80)
    net.conv(16, 3, 2)
    net.bottleneck(1, 8, 1)
    for expansion, channels, stride, kernel in (
        (6, 16, 2, 3),
        (3, 16, 1, 3),
        (3, 16, 1, 3),
        (3, 24, 2, 7),
        (6, 24, 1, 3),
        (5, 24, 1, 5),
        (6, 40, 2, 7),
        (6, 40, 1, 7),
        (6, 48, 1, 3),
        (4, 48, 1, 3),
        (5, 96, 2, 5),
        (5, 96, 1, 3),
        (4, 96, 1, 3),
        (3, 160, 1, 7),
    ):
        net.bottleneck(expansion, channels, stride, kernel)
    return net.finish(classes)
