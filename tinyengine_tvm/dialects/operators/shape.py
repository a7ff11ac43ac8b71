# SPDX-License-Identifier: Apache-2.0
"""Composites that move values: pad, reshape, transpose, concat, resize."""

from __future__ import annotations

import math

import numpy as np

from ...network import Concat, Mode, Pad, ResizeNearest, Tensor
from ..lower import Lowering
from ..stored import UnsupportedError, as_node
from ..tree import Call, Node
from .activation import FULL, result_of, stored, stored_clamp


def reshape(lowering: Lowering, call: Call) -> Tensor:
    """reshape, squeeze, expand_dims and flatten."""
    return lowering.reshaped(lowering.any_tensor(call.root[0]), call.result.shape)


def transpose(lowering: Lowering, call: Call) -> Tensor:
    """permute_dims; without axes it reverses them."""
    x = lowering.tensor(call.root[0])
    axes = call.root.attributes["axes"]
    rank = len(x.shape)
    axes = tuple(reversed(range(rank))) if axes is None else tuple(a % rank for a in axes)
    return lowering.permuted(x, axes)


def concat(lowering: Lowering, call: Call) -> Tensor:
    """Concatenation of stored values, or of float32."""
    root = call.root
    if root.op == "clip" and stored_clamp(root, root.dtype) != FULL:
        raise UnsupportedError("a clip after a concatenation")
    node = as_node(root[0]) if root.op == "clip" else root
    fields = node.operands
    if len(fields) == 1 and isinstance(fields[0], Node) and fields[0].op == "tuple":
        fields = fields[0].operands
    parts = [lowering.tensor(field) for field in fields]
    quantised = parts[0].quantisation
    if any(part.quantisation != quantised for part in parts):
        raise UnsupportedError("inputs of different quantisations")
    axis = node.attributes["axis"] % len(call.result.shape)
    if len(parts) == 1:
        return parts[0]
    return lowering.emit(
        Concat, tuple(part.name for part in parts), call.result.shape, quantised, axis=axis
    )


def pad(lowering: Lowering, call: Call) -> Tensor:
    """pad of stored values, or between dequantize and quantize of one quantisation."""
    node = call.root
    if node.op == "nn.pad":
        x = lowering.tensor(node[0])
        if x.quantisation is None:
            raise UnsupportedError("pad of float32; quantise its input and output")
        value = node.attributes["pad_value"] - (128 if node.dtype == "uint8" else 0)
    else:
        inner, quantised, clamp = result_of(node, lowering.mode)
        node = as_node(inner)
        x, read = lowering.operand(node[0])
        if read != quantised or clamp != FULL:
            raise UnsupportedError("pad between two quantisations")
        value = min(max(stored(node.attributes["pad_value"], quantised, lowering.mode), -128), 127)
    if node.attributes["pad_mode"] != "constant":
        raise UnsupportedError(f"pad mode {node.attributes['pad_mode']}")
    if not -128 <= value <= 127:
        raise UnsupportedError(f"pad value {value}")
    widths = node.attributes["pad_width"]
    pads = tuple(zip(widths[::2], widths[1::2], strict=True))
    if any(w < 0 for w in widths):
        raise UnsupportedError("negative padding")
    return lowering.emit(
        Pad, (x.name,), call.result.shape, x.quantisation, pads=pads, value=int(value)
    )


def resize2d(lowering: Lowering, call: Call) -> Tensor:
    """Nearest-neighbour resize of stored values, or between two equal quantisations."""
    node = call.root
    if node.op == "image.resize2d":
        x = lowering.tensor(node[0])
        if x.quantisation is None:
            raise UnsupportedError("resize of float32; quantise its input and output")
    else:
        inner, quantised, clamp = result_of(node, lowering.mode)
        node = as_node(inner)
        x, read = lowering.operand(node[0])
        if read != quantised or clamp != FULL:
            raise UnsupportedError("resize between two quantisations")
    attributes = node.attributes
    if attributes["method"] != "nearest_neighbor":
        raise UnsupportedError(f"resize by {attributes['method']}; only nearest is supported")
    layout = attributes["layout"]
    x = lowering.to_nhwc(x, layout)
    shape = call.result.shape
    if layout == "NCHW":
        shape = (shape[0], shape[2], shape[3], shape[1])
    convention = attributes["coordinate_transformation_mode"], attributes["rounding_method"]
    rows, columns = (
        nearest(x.shape[axis], shape[axis], *convention, lowering.mode) for axis in (1, 2)
    )
    y = lowering.emit(ResizeNearest, (x.name,), shape, x.quantisation, rows=rows, columns=columns)
    return lowering.from_nhwc(y, layout)


def nearest(size: int, result: int, coordinates: str, rounding: str, mode: Mode) -> tuple[int, ...]:
    """For each of `result` positions the position among `size` that it copies.

    TFLite computes in float32 (reference resize_nearest_neighbor), ONNX as its operator says.
    """
    if mode == "tflite":
        single = np.float32
        aligned = coordinates == "align_corners"
        offset = single(0.5) if coordinates == "half_pixel" else single(0)
        shrink = aligned and result > 1
        scale = single(size - 1) / single(result - 1) if shrink else single(size) / single(result)
        found = []
        for i in range(result):
            position = (single(i) + offset) * scale
            whole = math.floor(float(position) + 0.5) if aligned else math.floor(position)
            found.append(max(0, min(whole, size - 1)))
        return tuple(found)
    return tuple(
        max(0, min(_rounded(_coordinate(i, size, result, coordinates), rounding), size - 1))
        for i in range(result)
    )


def _coordinate(i: int, size: int, result: int, convention: str) -> float:
    if convention == "half_pixel":
        return (i + 0.5) * size / result - 0.5
    if convention == "pytorch_half_pixel":
        return (i + 0.5) * size / result - 0.5 if result > 1 else 0.0
    if convention == "align_corners":
        return i * (size - 1) / (result - 1) if result > 1 else 0.0
    if convention == "asymmetric":
        return i * size / result
    raise UnsupportedError(f"resize with coordinates {convention}")


def _rounded(position: float, method: str) -> int:
    if method == "floor":
        return math.floor(position)
    if method == "ceil":
        return math.ceil(position)
    if method in ("round", "round_prefer_floor"):
        return math.ceil(position - 0.5)
    if method == "round_prefer_ceil":
        return math.floor(position + 0.5)
    raise UnsupportedError(f"resize with rounding {method or 'unnamed'}")
