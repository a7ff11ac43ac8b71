# SPDX-License-Identifier: Apache-2.0
"""Which ONNX operators TVM computes as ONNX defines them, where no kernel of ours does.

`benchmarks/onnx_operators.py` holds them to ONNX's backend tests. An operator that passes none of
them isn't listed, and an attribute with which TVM's importer gives something else is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper
from tvm.relax.frontend.onnx.onnx_frontend import _get_convert_map

Attributes = Mapping[str, Any]
Constants = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class OnnxFallback:
    """Implements `onnx_support.Fallback`."""

    allow_slow: bool = False

    def refusal(
        self, node: onnx.NodeProto, kind: str, constants: Constants, opset: int
    ) -> str | None:
        """Why TVM doesn't compute this operator as ONNX defines it, or None."""
        if kind not in _get_convert_map():
            return ""
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        check = _REFUSALS.get(kind)
        return None if check is None else check(node, attributes, constants)


def _text(attributes: Attributes, name: str, default: str) -> str:
    value = attributes.get(name, default)
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _resize(node: onnx.NodeProto, attributes: Attributes, constants: Constants) -> str | None:
    for key in ("antialias", "exclude_outside"):
        if attributes.get(key, 0):
            return key
    if attributes.get("axes"):
        return "a list of axes"
    if _text(attributes, "keep_aspect_ratio_policy", "stretch") != "stretch":
        return "keep_aspect_ratio_policy"
    return None


_REFUSALS: dict[str, Callable[[onnx.NodeProto, Attributes, Constants], str | None]] = {
    "Resize": _resize,
}
