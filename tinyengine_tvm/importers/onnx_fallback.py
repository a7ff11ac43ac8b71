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

from ..fallback.own import own_operator

Attributes = Mapping[str, Any]
Constants = Mapping[str, np.ndarray]
Types = Mapping[str, int]
Refusal = Callable[[onnx.NodeProto, Attributes, Constants, Types], "str | None"]


KINDS = frozenset(
    (
        "Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool "
        "BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast Ceil Clip "
        "Concat Conv ConvTranspose Cos Cosh CumSum DepthToSpace Div Dropout Einsum Elu Equal Erf "
        "Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool "
        "GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish "
        "Hardmax Identity InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less "
        "LessOrEqual Log LogSoftmax LpPool MatMul Max MaxPool MaxUnpool Mean Min Mish Mod Mul Neg "
        "Or PRelu Pad Pow RMSNormalization Reciprocal ReduceL1 ReduceL2 ReduceLogSum "
        "ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu "
        "Reshape Resize RoiAlign Round Scatter ScatterElements ScatterND Selu Shrink Sigmoid Sign "
        "Sin Sinh Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh "
        "ThresholdedRelu Tile Transpose Trilu Unsqueeze Where Xor"
    ).split()
)
"""Operators that pass ONNX's tests, but for what is refused below."""
FOLDED = frozenset("CastLike Constant ConstantOfShape Not Range Shape Size".split())
"""Operators that TVM's importer computes itself where their inputs are known, or that C has."""
CONVERSIONS = ("DequantizeLinear", "QuantizeLinear")
"""What our own check refuses of these, such as blocks of scales, TVM's importer doesn't look at."""


@dataclass(frozen=True)
class OnnxFallback:
    """Implements `onnx_support.Fallback`."""

    allow_slow: bool = False

    def refusal(
        self, node: onnx.NodeProto, kind: str, constants: Constants, types: Types
    ) -> str | None:
        """Why TVM doesn't compute this operator as ONNX defines it, or None."""
        if own_operator(kind) is not None:
            return None
        if kind not in KINDS | FOLDED or kind in CONVERSIONS:
            return ""
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        check = _REFUSALS.get(kind)
        return None if check is None else check(node, attributes, constants, types)


def _text(attributes: Attributes, name: str, default: str) -> str:
    value = attributes.get(name, default)
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _resize(
    node: onnx.NodeProto, attributes: Attributes, constants: Constants, types: Types
) -> str | None:
    for key in ("antialias", "exclude_outside", "axes"):
        if attributes.get(key, 0):
            return key
    if _text(attributes, "keep_aspect_ratio_policy", "stretch") != "stretch":
        return "keep_aspect_ratio_policy"
    if _text(attributes, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        return "coordinates tf_crop_and_resize"
    return _whole_sizes(node, constants)


def _pad(
    node: onnx.NodeProto, attributes: Attributes, constants: Constants, types: Types
) -> str | None:
    pads = constants.get(node.input[1]) if len(node.input) > 1 else attributes.get("pads")
    if pads is None:
        return "padding that isn't constant"
    return "negative padding" if bool(np.any(np.asarray(pads) < 0)) else None


def _whole_sizes(node: onnx.NodeProto, constants: Constants) -> str | None:
    """TVM takes the ratio of the sizes for the scale."""
    scales = constants.get(node.input[2]) if len(node.input) > 2 else None
    if scales is None or not scales.size:
        return None
    exact = [float(s) == int(s) or float(1 / s) == int(1 / s) for s in scales.reshape(-1)]
    return None if all(exact) else f"scales {scales.reshape(-1).tolist()}"


_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
_UNSIGNED = tuple(getattr(onnx.TensorProto, f"UINT{bits}") for bits in (8, 16, 32, 64))


def _mod(
    node: onnx.NodeProto, attributes: Attributes, constants: Constants, types: Types
) -> str | None:
    if types.get(node.input[0]) in _FLOATS and not attributes.get("fmod", 0):
        return "fmod 0 of floats"
    return None


def _shift(
    node: onnx.NodeProto, attributes: Attributes, constants: Constants, types: Types
) -> str | None:
    return None if types.get(node.input[0]) in _UNSIGNED else "a shift of signed integers"


def _only(name: str, *allowed: object) -> Refusal:
    """An attribute that must have one of these values; the first is its default."""

    def check(
        node: onnx.NodeProto, attributes: Attributes, constants: Constants, types: Types
    ) -> str | None:
        value = attributes.get(name, allowed[0])
        value = value.decode(errors="replace") if isinstance(value, bytes) else value
        return None if value in allowed else f"{name} {value}"

    return check


def _without(*names: str) -> Refusal:
    """Attributes that must be left out."""

    def check(
        node: onnx.NodeProto, attributes: Attributes, constants: Constants, types: Types
    ) -> str | None:
        found = [name for name in names if name in attributes]
        return found[0] if found else None

    return check


def _both(first: Refusal, second: Refusal) -> Refusal:
    return lambda *given: first(*given) or second(*given)


def _outputs(count: int) -> Refusal:
    """No more results than these are asked for."""

    def check(
        node: onnx.NodeProto, attributes: Attributes, constants: Constants, types: Types
    ) -> str | None:
        more = [name for name in node.output[count:] if name]
        return f"output '{more[0]}'" if more else None

    return check


def _inference(
    node: onnx.NodeProto, attributes: Attributes, constants: Constants, types: Types
) -> str | None:
    mode = constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    return "training_mode" if mode is not None and bool(np.any(mode)) else None


_REFUSALS: dict[str, Refusal] = {
    "BitShift": _shift,
    "BatchNormalization": _both(_only("training_mode", 0), _outputs(1)),
    "ConvTranspose": _without("output_shape"),
    "Dropout": _both(_inference, _outputs(1)),
    "IsInf": _both(_only("detect_positive", 1), _only("detect_negative", 1)),
    "LayerNormalization": _outputs(1),
    "MaxPool": _outputs(1),
    "Mod": _mod,
    "Pad": _pad,
    "Resize": _resize,
    "RoiAlign": _only("mode", "avg"),
    "SpaceToDepth": _only("mode", "DCR"),
}
"""Operator -> what of it TVM's importer ignores or computes otherwise."""
