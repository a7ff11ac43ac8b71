# SPDX-License-Identifier: Apache-2.0
"""Takes the quantize, clip and relu off the end of a composite."""

from __future__ import annotations

import numpy as np

from ...network import Mode, Quantisation
from ..stored import UnsupportedError, as_node, quantisation
from ..tree import Expression, Node

Clamp = tuple[int, int]
FULL: Clamp = (-128, 127)


def stored_clamp(node: Node, dtype: str) -> Clamp:
    """The bounds of a clip on stored integers, as int8."""
    low, high = node.attributes["scalars"]
    shift = 128 if dtype == "uint8" else 0
    return intersect(FULL, (_bounded(low - shift), _bounded(high - shift)))


def _bounded(value: float) -> int:
    if np.isnan(value):
        raise UnsupportedError("a clip at NaN")
    return int(min(max(value, -129), 128))


def intersect(a: Clamp, b: Clamp) -> Clamp:
    low, high = max(a[0], b[0]), min(a[1], b[1])
    if low > high:
        raise UnsupportedError("a clip that leaves no value")
    return low, high


def stored(value: float, quantised: Quantisation, mode: Mode) -> int:
    """A real bound as a stored value, not yet limited to int8.

    The quotient is a float32 in both. TFLite rounds halves away from zero, ONNX to even.
    """
    quotient = np.float32(value) / np.float32(quantised.scale)
    if not np.isfinite(quotient):
        return 128 if quotient > 0 else -129
    if mode == "tflite":
        rounded = np.trunc(quotient + np.copysign(np.float32(0.5), quotient))
    else:
        rounded = np.rint(quotient)
    return int(min(max(float(rounded) + quantised.zero_point, -129), 128))


def float_clamp(node: Node, quantised: Quantisation, mode: Mode) -> Clamp:
    """What a relu or a clip on real values means for the stored result."""
    low, high = (0.0, np.inf) if node.op == "nn.relu" else node.attributes["scalars"]
    if np.isnan(low) or np.isnan(high):
        raise UnsupportedError("a clip at NaN")
    return stored(low, quantised, mode), stored(high, quantised, mode)


def result_of(root: Node, mode: Mode) -> tuple[Expression, Quantisation, Clamp]:
    """The float expression under `clip(quantize(relu(x)))`, its quantisation and the clamp.

    Clip and relu may be missing.
    """
    clamp = FULL
    node = root
    if node.op == "clip":
        clamp = stored_clamp(node, node.dtype)
        node = as_node(node[0])
    if node.op != "quantize":
        raise UnsupportedError("a result that isn't quantised")
    quantised = quantisation(node)
    value = node[0]
    if isinstance(value, Node) and value.op in ("clip", "nn.relu"):
        clamp = intersect(clamp, float_clamp(value, quantised, mode))
        value = value[0]
    return value, quantised, clamp
