# SPDX-License-Identifier: Apache-2.0
"""Random networks whose first layers can be computed a few rows at a time."""

from __future__ import annotations

import numpy as np

from tests.networks import int8_tensor
from tinyengine_tvm.network import (
    Add,
    AveragePool2D,
    Clip,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    MaxPool2D,
    Mean,
    Mode,
    Network,
    Padding,
    Quantize,
    Requantize,
    Reshape,
    Tensor,
    verify,
)

KINDS = (
    "conv conv pointwise pointwise depthwise depthwise bottleneck bottleneck residual "
    "max average clip requantize"
).split()


class RandomNetwork:
    """Sizes, strides, kernels and paddings of every kind, rows of odd lengths among them."""

    def __init__(self, seed: int, mode: Mode, *, float_input: bool = False) -> None:
        self.rng = np.random.default_rng(seed)
        self.mode = mode
        self.tensors: dict[str, Tensor] = {}
        self.layers: list[Layer] = []
        height, width = (int(n) for n in self.rng.integers(6, 23, 2))
        channels = int(self.rng.choice([1, 3, 4, 5]))
        if float_input:
            self.last = "image"
            self.tensors["image"] = Tensor("image", (1, height, width, channels), "float32")
            self._append(Quantize, (1, height, width, channels))
        else:
            self.last = self._tensor("image", (1, height, width, channels))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensors[self.last].shape

    def _pick(self, *values: int) -> int:
        return int(self.rng.choice(values))

    def _tensor(self, name: str, shape: tuple[int, ...], like: str | None = None) -> str:
        made = int8_tensor(name, shape, float(self.rng.uniform(0.04, 0.07)), self._pick(-9, 0, 11))
        if like is not None:
            made = Tensor(name, shape, "int8", self.tensors[like].quantisation)
        self.tensors[name] = made
        return name

    def _append(self, kind, shape, *arguments, inputs=None, like=None, **options) -> str:
        number = len(self.layers)
        output = self._tensor(f"t{number}", shape, like)
        name = f"{kind.op}_{number}"
        self.layers.append(kind(name, inputs or (self.last,), output, *arguments, **options))
        self.last = output
        return output

    def _weights(self, shape: tuple[int, ...], taps: int, channels: int) -> tuple[np.ndarray, ...]:
        weight = self.rng.integers(-127, 128, shape).astype(np.int8)
        scale = (self.rng.uniform(0.7, 1.3, channels) / (60 * np.sqrt(taps))).astype(np.float32)
        return weight, scale, self.rng.integers(-2000, 2000, channels).astype(np.int32)

    def _window(self) -> tuple[tuple[int, int], tuple[int, int], Padding, tuple[int, int]] | None:
        _, height, width, _ = self.shape
        kernel = (self._pick(1, 2, 3, 3, 3, 5, 7), self._pick(1, 2, 3, 3, 3, 5, 7))
        stride = (self._pick(1, 1, 2, 2, 3), self._pick(1, 1, 2))
        pads = [int(self.rng.integers(0, k)) for k in (*kernel, *kernel)]
        padding = Padding(*pads)
        out = (
            (height + padding.top + padding.bottom - kernel[0]) // stride[0] + 1,
            (width + padding.left + padding.right - kernel[1]) // stride[1] + 1,
        )
        fits = min(out) >= 1 and kernel[0] <= height and kernel[1] <= width
        return (kernel, stride, padding, out) if fits else None

    def pointwise(self, channels: int) -> None:
        depth = self.shape[3]
        weights = self._weights((channels, 1, 1, depth), depth, channels)
        self._append(Conv2D, (*self.shape[:3], channels), *weights)

    def depthwise(self, kernel: int = 3) -> None:
        depth, half = self.shape[3], kernel // 2
        weights = self._weights((kernel, kernel, depth), kernel * kernel, depth)
        self._append(DepthwiseConv2D, self.shape, *weights, padding=Padding(half, half, half, half))

    def grow(self, kind: str) -> None:
        depth = self.shape[3]
        if kind in ("clip", "requantize"):
            like = self.last if kind == "clip" else None
            layer = Clip if kind == "clip" else Requantize
            self._append(layer, self.shape, (-100, 90), like=like)
        elif kind == "pointwise":
            self.pointwise(self._pick(3, 4, 6, 8))
        elif kind in ("bottleneck", "residual"):
            before = self.last
            self.pointwise(self._pick(16, 18, 24))
            self.depthwise(self._pick(3, 3, 5))
            self.pointwise(depth)
            if kind == "residual":
                self._append(Add, self.shape, inputs=(before, self.last))
        else:
            window = self._window()
            if window is None:
                return
            kernel, stride, padding, out = window
            options = {"stride": stride, "padding": padding}
            if kind == "conv":
                channels = self._pick(2, 4, 5, 8)
                weights = self._weights(
                    (channels, *kernel, depth), kernel[0] * kernel[1] * depth, channels
                )
                self._append(Conv2D, (1, *out, channels), *weights, **options)
            elif kind == "depthwise":
                weights = self._weights((*kernel, depth), kernel[0] * kernel[1], depth)
                self._append(DepthwiseConv2D, (1, *out, depth), *weights, **options)
            else:
                layer = MaxPool2D if kind == "max" else AveragePool2D
                shape = (1, *out, depth)
                self._append(layer, shape, kernel, **options, like=self.last)

    def finish(self) -> Network:
        if self.rng.random() < 0.5:
            self.pointwise(48)
            self._append(Mean, (1, 48), axes=(1, 2))
        else:
            self._append(Reshape, (1, int(np.prod(self.shape))), like=self.last)
        length = self.shape[1]
        self._append(Dense, (1, 5), *self._weights((5, length), length, 5))
        layers = tuple(self.layers)
        return verify(Network("net", self.mode, self.tensors, layers, ("image",), (self.last,)))


def random_network(seed: int, mode: Mode = "tflite", *, float_input: bool = False) -> Network:
    """A network of some ten layers; the same for the same arguments."""
    made = RandomNetwork(seed, mode, float_input=float_input)
    for _ in range(int(made.rng.integers(3, 7))):
        made.grow(str(made.rng.choice(KINDS)))
    return made.finish()


def samples_of(network: Network, seed: int, count: int) -> np.ndarray:
    """Inputs over the whole range of values."""
    rng = np.random.default_rng(seed)
    x = network.tensor("image")
    if x.dtype == "float32":
        return rng.uniform(-6, 6, (count, *x.shape)).astype(np.float32)
    return rng.integers(-128, 128, (count, *x.shape)).astype(np.int8)
