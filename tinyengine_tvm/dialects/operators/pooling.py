# SPDX-License-Identifier: Apache-2.0
"""Pooling and mean composites."""

from __future__ import annotations

from ...network import AveragePool2D, Layer, MaxPool2D, Mean, Padding, Quantisation, Tensor
from ..lower import Lowering
from ..stored import UnsupportedError, as_node
from ..tree import Call, Node
from .activation import FULL, Clamp, result_of, stored_clamp
from .convolution import padding_of


def max_pool2d(lowering: Lowering, call: Call) -> Tensor:
    """Maximum pooling of stored values, with clip."""
    pool, clamp = _clipped(call)
    x = lowering.tensor(pool[0])
    if x.quantisation is None:
        raise UnsupportedError("pooling of float32; quantise its input and output")
    return _pool(lowering, call, MaxPool2D, pool, x, x.quantisation, clamp)


def average_pool2d(lowering: Lowering, call: Call) -> Tensor:
    """Average pooling: between dequantize and quantize, or as TVM imports it from TFLite.

    TVM's TFLite importer truncates the mean; only the structure is taken from it, and the layer
    rounds as TFLite does.
    """
    root = call.root
    under = as_node(root[0]) if root.op == "clip" else root
    if under.op == "astype":
        cast, clamp = _clipped(call)
        pool = as_node(cast[0])
        x = lowering.tensor(as_node(pool[0])[0])
        if x.quantisation is None:
            raise UnsupportedError("pooling of float32; quantise its input and output")
        return _pool(lowering, call, AveragePool2D, pool, x, x.quantisation, clamp)
    value, quantised, clamp = result_of(root, lowering.mode)
    value = as_node(value)
    x, read = lowering.operand(value[0])
    if lowering.mode == "tflite" and read != quantised:
        raise UnsupportedError("average pooling between two quantisations")
    return _pool(lowering, call, AveragePool2D, value, x, quantised, clamp)


def _clipped(call: Call) -> tuple[Node, Clamp]:
    root = call.root
    if root.op != "clip":
        return root, FULL
    return as_node(root[0]), stored_clamp(root, root.dtype)


def _pool(
    lowering: Lowering,
    call: Call,
    kind: type[Layer],
    pool: Node,
    x: Tensor,
    quantised: Quantisation,
    clamp: Clamp,
) -> Tensor:
    attributes = pool.attributes
    if attributes["dilation"] != (1, 1):
        raise UnsupportedError(f"dilation {attributes['dilation']}; only 1 is supported")
    layout = attributes["layout"]
    x = lowering.to_nhwc(x, layout)
    shape = call.result.shape
    if len(shape) != 4 or len(x.shape) != 4:
        raise UnsupportedError(f"pooling of shape {x.shape}")
    if layout == "NCHW":
        shape = (shape[0], shape[2], shape[3], shape[1])
    kernel, stride = attributes["pool_size"], attributes["strides"]
    padding = _stretched(x.shape, shape, kernel, stride, padding_of(attributes["padding"]))
    counted = bool(attributes["count_include_pad"]) and bool(padding)
    if counted and padding != padding_of(attributes["padding"]):
        raise UnsupportedError("ceil_mode together with count_include_pad")
    fields = {"kernel": kernel, "stride": stride, "padding": padding, "clamp": clamp}
    if kind is AveragePool2D:
        fields["count_padding"] = counted
    y = lowering.emit(kind, (x.name,), shape, quantised, **fields)
    return lowering.from_nhwc(y, layout)


def _stretched(
    source: tuple[int, ...],
    result: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Padding,
) -> Padding:
    """The padding with what ceil_mode adds at the bottom and right to reach the result's shape."""
    missing = [
        (result[axis] - 1) * stride[axis - 1] + kernel[axis - 1] - source[axis] for axis in (1, 2)
    ]
    return Padding(
        padding.top,
        padding.left,
        max(padding.bottom, missing[0] - padding.top),
        max(padding.right, missing[1] - padding.left),
    )


def mean(lowering: Lowering, call: Call) -> Tensor:
    """quantize(mean(dequantize(x)))."""
    value, quantised, clamp = result_of(call.root, lowering.mode)
    value = as_node(value)
    if clamp != FULL:
        raise UnsupportedError("a clip after a mean")
    x, _ = lowering.operand(value[0])
    rank = len(x.shape)
    axes = value.attributes["axis"]
    axes = range(rank) if axes is None else [a % rank for a in axes]
    return lowering.emit(
        Mean, (x.name,), call.result.shape, quantised, axes=tuple(sorted(set(axes)))
    )
