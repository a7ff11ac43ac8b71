# SPDX-License-Identifier: Apache-2.0
"""Architectures as QDQ models, the way that torch and onnxruntime export them."""

from __future__ import annotations

import zlib

import numpy as np

from tests.onnx_models import Builder, quantise
from tinynas.space import Architecture, Layer


def exported(architecture: Architecture) -> bytes:
    """A model file of random weights, quantised per channel with asymmetric activations."""
    seed = zlib.crc32(repr(architecture).encode())
    shape = (1, *architecture.input)
    builder = Builder(seed, shape)
    model = builder.model([_graph(builder, architecture)])
    samples = np.random.default_rng(seed).uniform(0, 1, (4, *shape)).astype(np.float32)
    return quantise(model, samples)


def _graph(builder: Builder, architecture: Architecture) -> str:
    x = entry = wide = builder.x
    block = ""
    for layer in architecture.layers():
        name = layer.name.rpartition(".")[0]
        if name != block:
            block, entry = name, x
        if layer.kind in ("conv", "depthwise", "pointwise", "squeeze", "excite"):
            x = _convolution(builder, x, layer)
            wide = x if layer.kind == "depthwise" else wide
        elif layer.kind == "add":
            x = builder.node("Add", x, entry)
        elif layer.kind == "gate":
            x = builder.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)
        elif layer.kind == "scale":
            x = builder.node("Mul", wide, x)
        elif layer.kind == "pool" and block:
            x = builder.node("GlobalAveragePool", x)
        elif layer.kind == "pool":
            x = builder.node("Flatten", builder.node("GlobalAveragePool", x), axis=1)
        else:
            x = builder.dense(x, layer.inputs[0], layer.outputs[0])
    return x


def _convolution(builder: Builder, x: str, layer: Layer) -> str:
    group = layer.inputs[0] if layer.kind == "depthwise" else 1
    (kh, kw), channels = layer.kernel, layer.outputs[0]
    # Of one pixel and a few channels, random ones might all be below zero.
    few = builder.constant(np.ones(channels, np.float32)) if layer.kind == "squeeze" else None
    y = builder.node(
        "Conv",
        x,
        builder.weight(channels, layer.inputs[0] // group, kh, kw),
        few or builder.weight(channels),
        kernel_shape=[kh, kw],
        strides=list(layer.stride),
        pads=[kh // 2, kw // 2] * 2,
        group=group,
    )
    return builder.relu(y) if layer.relu else y
