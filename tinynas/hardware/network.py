# SPDX-License-Identifier: Apache-2.0
"""An architecture as the network that the compiler would hold after import and rewrites.

What a network costs depends on its shapes, and a little on its numbers: which requantisation is
exact for a layer decides what code it gets. Weights and scales here are nominal: drawn by the shape
of the layer, with the sizes that trained networks have. Layers of equal shape are equal, so that
whatever is derived from one holds for all.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinyengine_tvm import network as L
from tinyengine_tvm.network import Network, Quantisation, Tensor

from ..space import Architecture, Layer
from ..space.architecture import WITHOUT_WEIGHTS

_PIXEL = Quantisation(1 / 255, -128)
"""Inputs between 0 and 1."""
_RELU = Quantisation(0.0207, -128)
_LINEAR = Quantisation(0.0311, 3)
_SUM = Quantisation(0.0437, -5)
_POOLED = {_RELU: Quantisation(0.0089, -128), _LINEAR: Quantisation(0.0173, 9)}
_LOGITS = Quantisation(0.0951, 7)
_SCALED = Quantisation(0.0163, -128)
_HARD_SIGMOID = ("dequantize", "multiply", "add", "clip", "quantize")
"""In TVM's words, as the importer has it."""


def network_of(architecture: Architecture) -> Network:
    """The network with nominal weights, as `compile_network` takes it; its rewrites change nothing.

    It's the network of the QDQ model that `tinynas` exports, imported with interface int8: input
    int8 [1, channels, height, width], weights quantised per channel, relus part of the range.

    """
    outline, facts = outline_of(architecture)
    return outline.with_layers(weighted(*pair) for pair in zip(outline.layers, facts, strict=True))


class Shape(NamedTuple):
    """A layer without its name."""

    kind: str
    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]


Key = tuple[Shape | None, Quantisation, Quantisation]
"""What a layer's numbers are drawn by: its shape, its input's quantisation and its output's. None
where it has no numbers."""


def outline_of(architecture: Architecture) -> tuple[Network, list[Key]]:
    """The network with weights that have a shape and no memory, and its layers' keys."""
    tensors: dict[str, Tensor] = {}
    layers: list[L.Layer] = []
    keys: list[Key] = []

    def tensor(name: str, shape: tuple[int, ...], how: Quantisation) -> str:
        tensors[name] = Tensor(name, shape, "int8", how)
        return name

    channels, height, width = architecture.input
    x = tensor("input", (1, channels, height, width), _PIXEL)
    turned = tensor("pixels", (1, height, width, channels), _PIXEL)
    layers.append(_turned(architecture, x, turned))
    keys.append((None, _PIXEL, _PIXEL))
    x, entry, block, given = turned, turned, "", _PIXEL
    wide = x
    for layer in architecture.layers():
        how = _output(layer, given)
        name = layer.name.rpartition(".")[0]
        if name != block:
            block, entry = name, x
        inputs = {"add": (x, entry), "scale": (wide, x)}.get(layer.kind, (x,))
        depth, height, width = layer.outputs
        shape: tuple[int, ...] = (1, height, width, depth)
        if layer.kind == "dense":
            # A view of the pooled values, without rows and columns.
            flat = tensor("flat", (1, layer.inputs[0]), given)
            layers.append(L.Reshape("flatten", (x,), flat))
            keys.append((None, given, given))
            inputs, shape = (flat,), (1, depth)
        x = tensor(layer.name, shape, how)
        like = Shape(layer.kind, layer.inputs, layer.outputs, layer.kernel, layer.stride)
        layers.append(_named(_outline(like), x, inputs))
        keys.append((like, given, how))
        given = how
        if layer.kind == "depthwise":
            wide = x
    network = Network(
        "net", "onnx", tensors, tuple(layers), ("input",), (x,), {"input": "input", x: x}
    )
    return network, keys


def _output(layer: Layer, given: Quantisation) -> Quantisation:
    """The quantisation of a layer's output."""
    if layer.kind == "add":
        return _SUM
    if layer.kind == "gate":
        return _PIXEL
    if layer.kind == "scale":
        return _SCALED
    if layer.kind == "pool":
        return _POOLED[_RELU if given == _RELU else _LINEAR]
    if layer.kind == "dense":
        return _LOGITS
    return _RELU if layer.relu else _LINEAR


def _turned(architecture: Architecture, before: str, after: str) -> L.Layer:
    """From channels first to channels last; nothing moves if one dimension is all there is."""
    channels, height, width = architecture.input
    if channels == 1 or height * width == 1:
        return L.Reshape("turn", (before,), after)
    return L.Transpose("turn", (before,), after, (0, 2, 3, 1))


def _named(layer: L.Layer, name: str, inputs: tuple[str, ...]) -> L.Layer:
    """`dataclasses.replace` in a third of the time."""
    result = object.__new__(type(layer))
    result.__dict__.update(layer.__dict__, name=name, inputs=inputs, output=name)
    return result


@lru_cache(maxsize=1 << 16)
def _outline(layer: Shape) -> L.Layer:
    """A layer of the network, for a layer without its name; inputs and output aren't named."""
    if layer.kind == "add":
        return L.Add("", (), "")
    if layer.kind == "pool":
        return L.Mean("", (), "", (1, 2))
    if layer.kind == "scale":
        return L.Mul("", (), "")
    if layer.kind == "gate":
        return L.Lookup("", (), "", table=_hard_sigmoid(), operators=_HARD_SIGMOID)
    depth, channels = layer.inputs[0], layer.outputs[0]
    each = np.broadcast_to(np.float32(1), channels), np.broadcast_to(np.int32(0), channels)

    def weight(*shape: int) -> np.ndarray:
        return np.broadcast_to(np.int8(0), shape)

    if layer.kind == "dense":
        return L.Dense("", (), "", weight(channels, depth), *each)
    rows, columns = (k // 2 for k in layer.kernel)
    how: dict[str, Any] = {
        "stride": layer.stride,
        "padding": L.Padding(rows, columns, rows, columns),
    }
    if layer.kind == "depthwise":
        return L.DepthwiseConv2D("", (), "", weight(*layer.kernel, channels), *each, **how)
    return L.Conv2D("", (), "", weight(channels, *layer.kernel, depth), *each, **how)


@lru_cache
def _hard_sigmoid() -> np.ndarray:
    """int8 [256]: of values quantised as _LINEAR, in quantisation _PIXEL."""
    real = (np.arange(-128, 128) - _LINEAR.zero_point) * _LINEAR.scale
    stored = np.rint(np.clip(real / 6 + 0.5, 0, 1) / _PIXEL.scale) + _PIXEL.zero_point
    return stored.clip(-128, 127).astype(np.int8)


def weighted(layer: L.Layer, key: Key) -> L.Layer:
    """A layer of an outline with its nominal weights."""
    if key[0] is None or key[0].kind in WITHOUT_WEIGHTS:
        return layer
    # Sizes of the feature map don't matter to weights.
    kind, inputs, outputs, kernel, _ = key[0]
    weight, scale, bias = _weights(kind, inputs[0], outputs[0], kernel, key[1].scale)
    return replace(layer, weight=weight, weight_scale=scale, bias=bias)  # type: ignore[call-arg]


@lru_cache(maxsize=512)
def _weights(
    kind: str, inputs: int, channels: int, kernel: tuple[int, int], given: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight int8, scale float32 and bias int32 by He's rule, with channels of unlike magnitude.

    `given`: the scale of the input.
    """
    taps, depth = kernel[0] * kernel[1], 1 if kind == "depthwise" else inputs
    random = np.random.default_rng(zlib.crc32(repr((kind, inputs, channels, kernel)).encode()))
    magnitude = np.sqrt(2 / (taps * depth)) * random.uniform(0.5, 1.5, (channels, 1))
    real = random.normal(0, 1, (channels, taps * depth)) * magnitude
    # The greatest weight is positive, or a channel might be zero for any input, and removed.
    greatest = np.arange(channels), np.abs(real).argmax(axis=1)
    real[greatest] = np.abs(real[greatest])
    scale = (real[greatest] / 127).astype(np.float32)
    stored = np.rint(real / scale[:, None]).astype(np.int8)
    bias = np.rint(random.normal(0, 0.1, channels) / (given * scale)).astype(np.int32)
    if kind == "depthwise":
        stored = np.ascontiguousarray(stored.T).reshape(*kernel, channels)
    elif kind != "dense":
        stored = stored.reshape(channels, *kernel, depth)
    return stored, scale, bias
