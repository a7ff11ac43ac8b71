# SPDX-License-Identifier: Apache-2.0
"""Which ONNX operators, and which of their attributes, this compiler takes.

The whole graph is looked through before TVM sees it, so that one error lists everything, by the
names of the file. The model has passed onnx.checker and shape inference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import ModelError, UnsupportedOperators
from .input_shapes import hint
from .onnx_shapes import dimensions_of

ADVICE = "Replace or quantise them in the model; docs/operators.md lists what is supported"
OPSETS = range(11, 24)
MAX_ELEMENTS = 1 << 28
_MOST = 1 << 15


FLOAT_OPSETS = range(7, 29)
"""For models without quantised operators."""
_CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")
SLOW = frozenset("Conv ConvTranspose Gemm MatMul MatMulInteger Einsum Attention".split())
SLOW_ADVICE = (
    "These are where a network spends its time: quantise them to int8 in a form that "
    "docs/operators.md lists, or give --allow-slow"
)


class Fallback(Protocol):
    """What computes operators that no kernel takes."""

    @property
    def allow_slow(self) -> bool:
        """Whether convolutions and dense layers may be among them."""

    def refusal(
        self,
        node: onnx.NodeProto,
        kind: str,
        constants: Mapping[str, np.ndarray],
        types: Mapping[str, int],
    ) -> str | None:
        """Why it doesn't compute this operator either, or None; empty if there's no more to say.

        `constants` and `types` (ONNX's element types) are by the names of values.
        """


class _Unsupported(Exception):
    pass


class _UnknownShape(_Unsupported):
    """Behind an operator of the user's own, whose shapes only its converter knows."""


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise _Unsupported(reason)


@dataclass
class _Graph:
    constants: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, ...]]
    producers: dict[str, onnx.NodeProto] = field(default_factory=dict)
    consumers: dict[str, list[onnx.NodeProto]] = field(default_factory=dict)

    def rank(self, name: str) -> int:
        if name not in self.shapes:
            raise _UnknownShape("its input has no known shape")
        return len(self.shapes[name])

    def constant(self, node: onnx.NodeProto, index: int, what: str) -> np.ndarray | None:
        """The constant input of this position, None where it is left out."""
        if index >= len(node.input) or not node.input[index]:
            return None
        _require(node.input[index] in self.constants, f"its {what} isn't constant")
        return self.constants[node.input[index]]

    def required(self, node: onnx.NodeProto, index: int, what: str) -> np.ndarray:
        found = self.constant(node, index, what)
        if found is None:
            raise _Unsupported(f"its {what} is missing")
        return found

    def from_dequantize(self, name: str) -> bool:
        producer = self.producers.get(name)
        while producer is not None and producer.op_type in _MOVES:
            producer = self.producers.get(producer.input[0])
        return producer is not None and producer.op_type == "DequantizeLinear"

    def constant_dequantize(self, name: str) -> bool:
        producer = self.producers.get(name)
        while producer is not None and producer.op_type in ("Reshape", "Transpose"):
            producer = self.producers.get(producer.input[0])
        return (
            producer is not None
            and producer.op_type == "DequantizeLinear"
            and producer.input[0] in self.constants
        )


_MOVES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "MaxPool")
Check = Callable[[_Graph, onnx.NodeProto, dict[str, Any]], None]


def _any(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    pass


def _window(attributes: dict[str, Any], spatial: int = 2) -> None:
    _require(len(attributes.get("kernel_shape", (1, 1))) == spatial, "it isn't two-dimensional")
    dilations = tuple(attributes.get("dilations", (1,) * spatial))
    _require(all(d == 1 for d in dilations), f"dilation {dilations}; only 1 is supported")
    for key in ("kernel_shape", "strides", "pads"):
        sizes = tuple(attributes.get(key, (1,)))
        least = 0 if key == "pads" else 1
        _require(all(least <= s < _MOST for s in sizes), f"{key} {sizes}")


def _conv(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    _window(attributes)
    _require(graph.rank(node.input[0]) == 4, "it isn't two-dimensional")
    weights = graph.shapes[node.input[1]]
    group, channels = attributes.get("group", 1), graph.shapes[node.input[0]][1]
    _require(weights[1] * group == channels, f"weights of shape {weights}")
    _require(group in (1, channels), f"grouped convolution ({group} groups of {channels} channels)")
    _quantised(graph, node, 0, "input")
    _require(graph.constant_dequantize(node.input[1]), "its weights aren't constant int8")


def _quantised(graph: _Graph, node: onnx.NodeProto, index: int, what: str) -> None:
    name = node.input[index]
    _require(graph.from_dequantize(name), f"its {what} '{name}' isn't quantised")


def _gemm(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    for key, default in (("alpha", 1.0), ("beta", 1.0), ("transA", 0)):
        value = attributes.get(key, default)
        _require(value == default, f"{key} {value:g}; only {default:g} is supported")
    _matmul(graph, node, attributes)


def _matmul(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    _quantised(graph, node, 0, "input")
    _require(graph.constant_dequantize(node.input[1]), "its weights aren't constant int8")
    _require(graph.rank(node.input[1]) == 2, "weights that aren't a matrix")


def _binary(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    products = ("Conv", "Gemm", "MatMul")
    producers = [graph.producers.get(name) for name in node.input]
    if node.op_type == "Add" and any(p is not None and p.op_type in products for p in producers):
        return
    for index in range(2):
        _quantised(graph, node, index, "operand")


def _pool(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    _window(attributes)
    _require(graph.rank(node.input[0]) == 4, "it isn't two-dimensional")
    _require(not attributes.get("storage_order", 0), "storage_order")
    _quantised(graph, node, 0, "input")


def _unary(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    _quantised(graph, node, 0, "input")


def _reduce_mean(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    _quantised(graph, node, 0, "input")
    axes = graph.constant(node, 1, "list of axes")
    given = attributes.get("axes") if axes is None else axes.reshape(-1).tolist()
    _require(bool(given), "it names no axes")


def _clip(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    for index in (1, 2):
        bound = graph.constant(node, index, "bound")
        _require(bound is None or (bound.size == 1 and not np.isnan(bound.item())), "its bound")


def _pad(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    mode = attributes.get("mode", b"constant")
    _require(mode == b"constant", f"mode {mode.decode(errors='replace')}")
    rank = graph.rank(node.input[0])
    pads = graph.required(node, 1, "padding")
    axes = graph.constant(node, 3, "list of axes")
    count = rank if axes is None else axes.size
    if axes is not None:
        _require(all(-rank <= a < rank for a in axes.reshape(-1).tolist()), "its axes")
        _require(len({int(a) % rank for a in axes.reshape(-1)}) == count, "its axes")
    _require(pads.size == 2 * count and bool(np.all((pads >= 0) & (pads < _MOST))), "its padding")
    value = graph.constant(node, 2, "value")
    _require(value is None or value.size == 1, "its value")
    _quantised(graph, node, 0, "input")


def _resize(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    mode = attributes.get("mode", b"nearest").decode(errors="replace")
    _require(mode == "nearest", f"mode {mode}; only nearest is supported")
    for key in ("antialias", "exclude_outside"):
        _require(not attributes.get(key, 0), key)
    _require(not attributes.get("axes"), "a list of axes")
    policy = attributes.get("keep_aspect_ratio_policy", b"stretch")
    _require(policy == b"stretch", "keep_aspect_ratio_policy")
    coordinates = attributes.get("coordinate_transformation_mode", b"half_pixel")
    known = (b"half_pixel", b"pytorch_half_pixel", b"align_corners", b"asymmetric")
    _require(coordinates in known, f"coordinates {coordinates.decode(errors='replace')}")
    shape = graph.shapes[node.input[0]]
    _require(len(shape) == 4, "it isn't two-dimensional")
    scales = graph.constant(node, 2, "scale")
    if scales is not None and scales.size:
        _require(scales.size == 4 and bool(np.all(scales[:2] == 1)), f"scales {scales.tolist()}")
        exact = np.array(shape) * scales.astype(np.float64)
        _require(bool(np.all(np.rint(exact) == exact)), f"scales {scales.tolist()}")
    else:
        given = graph.required(node, 3, "size").tolist()
        _require(len(given) == 4 and tuple(given[:2]) == shape[:2], f"sizes {given}")
    _quantised(graph, node, 0, "input")


def _softmax(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    rank = graph.rank(node.input[0])
    axis = attributes.get("axis", -1)
    _require(axis % rank == rank - 1, f"axis {axis}; only the last one is supported")


def _shape_operand(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    graph.constant(node, 1, "shape")


def _conversion(graph: _Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    scale = graph.required(node, 1, "scale")
    zero_point = graph.constant(node, 2, "zero point")
    _require(scale.dtype == np.float32, "its scale isn't float32")
    _require(bool(np.all(np.isfinite(scale)) and np.all(scale >= 0)), "its scale")
    _require(not attributes.get("block_size", 0), "blocks of scales")
    _require(attributes.get("saturate", 1) == 1, "saturate 0")
    if zero_point is not None:
        _require(zero_point.size == scale.size, "as many zero points as scales are needed")
    if scale.size > 1:
        shape = graph.shapes[node.input[0]]
        axis = attributes.get("axis", 1)
        fits = -len(shape) <= axis < len(shape) and shape[axis] == scale.size
        _require(fits, f"{scale.size} scales along axis {axis} of shape {shape}")
    if node.op_type == "QuantizeLinear":
        kind = np.dtype(np.uint8) if zero_point is None else zero_point.dtype
        _require(kind in (np.int8, np.uint8), f"it quantises to {kind}")
    else:
        source = graph.constants.get(node.input[0])
        allowed = (np.int8, np.uint8, np.int32)
        _require(source is None or source.dtype in allowed, "its input isn't int8, uint8 or int32")


_CHECKS: dict[str, Check] = {
    "Add": _binary,
    "AveragePool": _pool,
    "Clip": _clip,
    "Concat": _any,
    "Constant": _any,
    "Conv": _conv,
    "DequantizeLinear": _conversion,
    "Flatten": _any,
    "Gemm": _gemm,
    "GlobalAveragePool": _unary,
    "Identity": _any,
    "MatMul": _matmul,
    "MaxPool": _pool,
    "Mul": _binary,
    "Pad": _pad,
    "QuantizeLinear": _conversion,
    "ReduceMean": _reduce_mean,
    "Relu": _any,
    "Reshape": _shape_operand,
    "Resize": _resize,
    "Softmax": _softmax,
    "Squeeze": _shape_operand,
    "Transpose": _any,
    "Unsqueeze": _shape_operand,
}


def check_operators(model: onnx.ModelProto, fallback: Fallback | None = None) -> int:
    """Looks through the whole model and gives its operator set's version.

    `fallback`: what to do with operators that no kernel takes; without it they're refused.

    Raises:
        ModelError: not quantised, a dynamic shape, another batch than 1, an unknown operator set.
        UnsupportedOperators: lists every operator that isn't taken.
    """
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    quantised = any(node.op_type in _CONVERSIONS for node in model.graph.node)
    opsets = OPSETS if quantised or fallback is None else FLOAT_OPSETS
    if opset not in opsets:
        raise ModelError(
            f"ONNX operator set {opset}; export the model with opset {opsets[0]} to {opsets[-1]}"
        )
    graph = _graph(model.graph)
    _check_interface(model.graph, graph, quantised, fallback)
    types = {
        info.name: info.type.tensor_type.elem_type
        for info in [*model.graph.value_info, *model.graph.input, *model.graph.output]
    }
    own = any(node.domain not in ("", "ai.onnx") for node in model.graph.node)
    problems, slow = [], []
    for index, node in enumerate(model.graph.node):
        label = node.name or (node.output[0] if node.output else "")
        kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        where = f"{kind} '{label}' (node {index})"
        try:
            _check(graph, node, kind)
        except _Unsupported as problem:
            reason = f": {problem}" if str(problem) else ""
            if fallback is None:
                problems.append(where + reason)
                continue
            if isinstance(problem, _UnknownShape) and own:
                # What follows looks at every shape again.
                continue
            refusal = fallback.refusal(node, kind, graph.constants, types)
            if refusal is not None:
                problems.append(f"{where}: {refusal}" if refusal else where + reason)
            elif kind in SLOW and not fallback.allow_slow:
                slow.append(where + reason)
    if not quantised and (fallback is None or slow):
        if any(node.op_type.startswith("QLinear") for node in model.graph.node):
            raise ModelError("the model uses QLinear operators; export it in QDQ form instead")
        raise ModelError(
            "the model computes in float32; quantise it to int8 "
            "(onnxruntime.quantization.quantize_static with QuantFormat.QDQ)"
            + (f", or give --allow-slow for its {'; '.join(slow)}" if slow else "")
        )
    if problems:
        raise UnsupportedOperators(problems, ADVICE)
    if slow:
        raise UnsupportedOperators(slow, SLOW_ADVICE)
    return int(opset)


def _check(graph: _Graph, node: onnx.NodeProto, kind: str) -> None:
    if kind not in _CHECKS:
        raise _Unsupported("")
    _require(len([o for o in node.output if o]) == 1, "more than one output")
    for name in (n for n in node.input if n):
        if name not in graph.shapes and name not in graph.constants:
            raise _UnknownShape(f"its input '{name}' has no static shape")
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    _CHECKS[kind](graph, node, values)


def _graph(proto: onnx.GraphProto) -> _Graph:
    constants: dict[str, np.ndarray] = {}
    for tensor in proto.initializer:
        constants[tensor.name] = _array(tensor)
    for node in proto.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    constants[node.output[0]] = _array(attribute.t)
                elif attribute.name in ("value_float", "value_floats"):
                    value = helper.get_attribute_value(attribute)
                    constants[node.output[0]] = np.array(value, np.float32)
                elif attribute.name in ("value_int", "value_ints"):
                    value = helper.get_attribute_value(attribute)
                    constants[node.output[0]] = np.array(value, np.int64)
    shapes = {name: value.shape for name, value in constants.items()}
    for info in [*proto.value_info, *proto.input, *proto.output]:
        tensor_type = info.type.tensor_type
        if tensor_type.HasField("shape"):
            sizes = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor_type.shape.dim]
            if all(size > 0 for size in sizes):
                shapes.setdefault(info.name, tuple(sizes))
    graph = _Graph(constants, shapes)
    for node in proto.node:
        for name in node.output:
            graph.producers[name] = node
        for name in node.input:
            graph.consumers.setdefault(name, []).append(node)
    for name, shape in shapes.items():
        if len(shape) > 8 or int(np.prod(shape, dtype=np.float64)) > MAX_ELEMENTS:
            raise ModelError(f"tensor '{name}' has shape {shape}; too large for a microcontroller")
    return graph


def _array(tensor: onnx.TensorProto) -> np.ndarray:
    if np.prod(tensor.dims, dtype=np.float64) > MAX_ELEMENTS or min(tensor.dims, default=1) < 0:
        raise ModelError(f"constant '{tensor.name}' has shape {list(tensor.dims)}; it is damaged")
    try:
        return numpy_helper.to_array(tensor)
    except Exception as error:
        raise ModelError(f"constant '{tensor.name}' is damaged; export the model again") from error


_INTERFACE = (TensorProto.INT8, TensorProto.FLOAT)
_MORE_INTERFACES = (
    TensorProto.BOOL,
    TensorProto.DOUBLE,
    TensorProto.INT16,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.UINT16,
    TensorProto.UINT32,
    TensorProto.UINT64,
)
"""For operators that no kernel of ours takes."""


def _check_interface(
    proto: onnx.GraphProto, graph: _Graph, quantised: bool, fallback: Fallback | None
) -> None:
    if not proto.output or not proto.node:
        raise ModelError("the model holds no operator; nothing to compile")
    for kind, infos in (("input", proto.input), ("output", proto.output)):
        for info in infos:
            if info.name in graph.constants:
                continue
            if info.name not in graph.shapes:
                cure = "export the model with fixed shapes"
                if kind == "input":
                    cure = hint(info.name, dimensions_of(info))
                raise ModelError(f"{kind} '{info.name}' has a dynamic shape; {cure}")
            shape = graph.shapes[info.name]
            single = quantised or fallback is None
            if kind == "input" and len(shape) > 1 and shape[0] != 1 and single:
                raise ModelError(
                    f"input '{info.name}' has batch {shape[0]}; export the model with batch 1"
                )
            element = info.type.tensor_type.elem_type
            if element not in (_INTERFACE if fallback is None else _INTERFACE + _MORE_INTERFACES):
                name = TensorProto.DataType.Name(element).lower()
                raise ModelError(
                    f"{kind} '{info.name}' is {name}; export the model with an int8 or "
                    "float32 interface"
                )
