# SPDX-License-Identifier: Apache-2.0
"""Operators of Relay, and in which words of `tree.py` they are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm
from tvm import relay

WORDS = {
    "cast": "astype",
    "concatenate": "concat",
    "nn.batch_flatten": "flatten",
    "nn.bias_add": "add",
    "nn.dense": "matmul",
    "nn.global_avg_pool2d": "mean",
    "qnn.dequantize": "dequantize",
    "qnn.quantize": "quantize",
    "transpose": "permute_dims",
}
"""Relay's names that differ."""


def operator(expr: Any) -> str:
    """The word for an operator's call, Relay's own name where there is none; else empty."""
    if not isinstance(expr, relay.Call) or not isinstance(expr.op, tvm.ir.Op):
        return ""
    name = str(expr.op.name)
    return WORDS.get(name, name)


def integers(value: Any) -> tuple[int, ...]:
    """A TVM array of integers, or one integer, as a tuple."""
    return (int(value),) if not hasattr(value, "__len__") else tuple(int(v) for v in value)


def optional_integers(value: Any) -> tuple[int, ...] | None:
    return None if value is None else integers(value)


def _flat(pairs: Any) -> tuple[int, ...]:
    return tuple(int(v) for pair in pairs for v in pair)


_WINDOW: dict[str, Callable[[Any], Any]] = {
    "strides": integers,
    "padding": integers,
    "dilation": integers,
}
_POOL: dict[str, Callable[[Any], Any]] = {
    **_WINDOW,
    "pool_size": integers,
    "ceil_mode": bool,
    "layout": str,
}
ATTRIBUTES: dict[str, dict[str, Callable[[Any], Any]]] = {
    "quantize": {"axis": int},
    "dequantize": {"axis": int},
    "nn.conv2d": {**_WINDOW, "groups": int, "data_layout": str, "kernel_layout": str},
    "nn.avg_pool2d": {**_POOL, "count_include_pad": bool},
    "nn.max_pool2d": _POOL,
    "nn.softmax": {"axis": int},
    "nn.pad": {"pad_mode": str},
    "mean": {"axis": optional_integers, "keepdims": bool},
    "permute_dims": {"axes": optional_integers},
    "concat": {"axis": int},
    "image.resize2d": {
        "layout": str,
        "method": str,
        "coordinate_transformation_mode": str,
        "rounding_method": str,
    },
}
"""The attributes the lowering reads, with the Python type each becomes."""


def attributes(word: str, call: relay.Call) -> dict[str, Any]:
    """The attributes of a call in the form that the lowering reads."""
    attrs = call.attrs
    if call.op.name == "nn.global_avg_pool2d":
        axes = (1, 2) if str(attrs.layout) == "NHWC" else (2, 3)
        return {"axis": axes, "keepdims": True}
    found = {name: convert(getattr(attrs, name)) for name, convert in _of(word, attrs)}
    if word == "nn.max_pool2d":
        found["count_include_pad"] = False
    if word == "clip":
        found["scalars"] = [float(attrs.a_min), float(attrs.a_max)]
    if word == "nn.pad":
        found["pad_width"] = _flat(attrs.pad_width)
    return found


def _of(word: str, attrs: Any) -> list[tuple[str, Callable[[Any], Any]]]:
    # Attributes that came with later versions of TVM are read where they exist.
    known = set(attrs.keys()) if attrs is not None else set()
    return [(n, c) for n, c in ATTRIBUTES.get(word, {}).items() if n in known]
