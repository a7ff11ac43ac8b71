# SPDX-License-Identifier: Apache-2.0
"""Which ONNX operators, and which of their attributes, this compiler takes.

The whole graph is looked through before TVM sees it, so that one error lists everything, by the
names of the file. The model has passed onnx.checker and shape inference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import TensorProto, helper

from ..errors import ModelError, UnsupportedOperators
from .input_shapes import hint
from .onnx_graph import Graph, UnknownShape, Unsupported, graph_of, require
from .onnx_shapes import dimensions_of

ADVICE = "Replace or quantise them in the model; docs/operators.md lists what is supported"
OPSETS = range(11, 24)
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


Check = Callable[[Graph, onnx.NodeProto, dict[str, Any]], None]


def _any(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    pass


def _window(attributes: dict[str, Any], spatial: int = 2) -> None:
    require(len(attributes.get("kernel_shape", (1, 1))) == spatial, "it isn't two-dimensional")
    dilations = tuple(attributes.get("dilations", (1,) * spatial))
    require(all(d == 1 for d in dilations), f"dilation {dilations}; only 1 is supported")
    for key in ("kernel_shape", "strides", "pads"):
        sizes = tuple(attributes.get(key, (1,)))
        least = 0 if key == "pads" else 1
        require(all(least <= s < _MOST for s in sizes), f"{key} {sizes}")


def _conv(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    _window(attributes)
    require(graph.rank(node.input[0]) == 4, "it isn't two-dimensional")
    weights = graph.shapes[node.input[1]]
    group, channels = attributes.get("group", 1), graph.shapes[node.input[0]][1]
    require(weights[1] * group == channels, f"weights of shape {weights}")
    require(group in (1, channels), f"grouped convolution ({group} groups of {channels} channels)")
    _quantised(graph, node, 0, "input")
    require(graph.constant_dequantize(node.input[1]), "its weights aren't constant int8")


def _quantised(graph: Graph, node: onnx.NodeProto, index: int, what: str) -> None:
    name = node.input[index]
    require(graph.from_dequantize(name), f"its {what} '{name}' isn't quantised")


def _gemm(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    for key, default in (("alpha", 1.0), ("beta", 1.0), ("transA", 0)):
        value = attributes.get(key, default)
        require(value == default, f"{key} {value:g}; only {default:g} is supported")
    _matmul(graph, node, attributes)


def _matmul(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    _quantised(graph, node, 0, "input")
    require(graph.constant_dequantize(node.input[1]), "its weights aren't constant int8")
    require(graph.rank(node.input[1]) == 2, "weights that aren't a matrix")


def _binary(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    products = ("Conv", "Gemm", "MatMul")
    producers = [graph.producers.get(name) for name in node.input]
    if node.op_type == "Add" and any(p is not None and p.op_type in products for p in producers):
        return
    for index in range(2):
        _quantised(graph, node, index, "operand")


def _pool(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    _window(attributes)
    require(graph.rank(node.input[0]) == 4, "it isn't two-dimensional")
    require(not attributes.get("storage_order", 0), "storage_order")
    _quantised(graph, node, 0, "input")


def _unary(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    _quantised(graph, node, 0, "input")


def _reduce_mean(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    _quantised(graph, node, 0, "input")
    axes = graph.constant(node, 1, "list of axes")
    given = attributes.get("axes") if axes is None else axes.reshape(-1).tolist()
    require(bool(given), "it names no axes")


def _clip(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    for index in (1, 2):
        bound = graph.constant(node, index, "bound")
        require(bound is None or (bound.size == 1 and not np.isnan(bound.item())), "its bound")


def _pad(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    mode = attributes.get("mode", b"constant")
    require(mode == b"constant", f"mode {mode.decode(errors='replace')}")
    rank = graph.rank(node.input[0])
    pads = graph.required(node, 1, "padding")
    axes = graph.constant(node, 3, "list of axes")
    count = rank if axes is None else axes.size
    if axes is not None:
        require(all(-rank <= a < rank for a in axes.reshape(-1).tolist()), "its axes")
        require(len({int(a) % rank for a in axes.reshape(-1)}) == count, "its axes")
    require(pads.size == 2 * count and bool(np.all((pads >= 0) & (pads < _MOST))), "its padding")
    value = graph.constant(node, 2, "value")
    require(value is None or value.size == 1, "its value")
    _quantised(graph, node, 0, "input")


def _resize(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    mode = attributes.get("mode", b"nearest").decode(errors="replace")
    require(mode == "nearest", f"mode {mode}; only nearest is supported")
    for key in ("antialias", "exclude_outside"):
        require(not attributes.get(key, 0), key)
    require(not attributes.get("axes"), "a list of axes")
    policy = attributes.get("keep_aspect_ratio_policy", b"stretch")
    require(policy == b"stretch", "keep_aspect_ratio_policy")
    coordinates = attributes.get("coordinate_transformation_mode", b"half_pixel")
    known = (b"half_pixel", b"pytorch_half_pixel", b"align_corners", b"asymmetric")
    require(coordinates in known, f"coordinates {coordinates.decode(errors='replace')}")
    shape = graph.shapes[node.input[0]]
    require(len(shape) == 4, "it isn't two-dimensional")
    scales = graph.constant(node, 2, "scale")
    if scales is not None and scales.size:
        require(scales.size == 4 and bool(np.all(scales[:2] == 1)), f"scales {scales.tolist()}")
        exact = np.array(shape) * scales.astype(np.float64)
        require(bool(np.all(np.rint(exact) == exact)), f"scales {scales.tolist()}")
    else:
        given = graph.required(node, 3, "size").tolist()
        require(len(given) == 4 and tuple(given[:2]) == shape[:2], f"sizes {given}")
    _quantised(graph, node, 0, "input")


def _softmax(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    rank = graph.rank(node.input[0])
    axis = attributes.get("axis", -1)
    require(axis % rank == rank - 1, f"axis {axis}; only the last one is supported")


def _shape_operand(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    graph.constant(node, 1, "shape")


def _conversion(graph: Graph, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
    scale = graph.required(node, 1, "scale")
    zero_point = graph.constant(node, 2, "zero point")
    require(scale.dtype == np.float32, "its scale isn't float32")
    require(bool(np.all(np.isfinite(scale)) and np.all(scale >= 0)), "its scale")
    require(not attributes.get("block_size", 0), "blocks of scales")
    require(attributes.get("saturate", 1) == 1, "saturate 0")
    if zero_point is not None:
        require(zero_point.size == scale.size, "as many zero points as scales are needed")
    if scale.size > 1:
        shape = graph.shapes[node.input[0]]
        axis = attributes.get("axis", 1)
        fits = -len(shape) <= axis < len(shape) and shape[axis] == scale.size
        require(fits, f"{scale.size} scales along axis {axis} of shape {shape}")
    if node.op_type == "QuantizeLinear":
        kind = np.dtype(np.uint8) if zero_point is None else zero_point.dtype
        require(kind in (np.int8, np.uint8), f"it quantises to {kind}")
    else:
        source = graph.constants.get(node.input[0])
        allowed = (np.int8, np.uint8, np.int32)
        require(source is None or source.dtype in allowed, "its input isn't int8, uint8 or int32")


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
    graph = graph_of(model.graph)
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
        except Unsupported as problem:
            reason = f": {problem}" if str(problem) else ""
            if fallback is None:
                problems.append(where + reason)
                continue
            if isinstance(problem, UnknownShape) and own:
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


def _check(graph: Graph, node: onnx.NodeProto, kind: str) -> None:
    if kind not in _CHECKS:
        raise Unsupported("")
    require(len([o for o in node.output if o]) == 1, "more than one output")
    for name in (n for n in node.input if n):
        if name not in graph.shapes and name not in graph.constants:
            raise UnknownShape(f"its input '{name}' has no static shape")
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    _CHECKS[kind](graph, node, values)


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
    proto: onnx.GraphProto, graph: Graph, quantised: bool, fallback: Fallback | None
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
