# SPDX-License-Identifier: Apache-2.0
"""ONNX file to TVM module, with what TVM's importer lacks for quantised models."""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
from onnx import helper
from tvm import relax
from tvm.relax.frontend.onnx.onnx_frontend import ONNXGraphImporter

from ..errors import ModelError
from ..fallback.own import own_operator
from .input_shapes import InputShapes
from .onnx_fallback import OnnxFallback
from .onnx_model import interface, parsed


def load_onnx(
    data: bytes, shapes: InputShapes | None = None, allow_slow: bool = False
) -> tvm.IRModule:
    """The module of an ONNX file's bytes; `load_model` documents the arguments and errors."""
    model, opset = parsed(data, shapes, OnnxFallback(allow_slow))
    for node in model.graph.node:
        # TVM's importer looks at the type alone.
        if node.domain not in ("", "ai.onnx"):
            node.op_type, node.domain = f"{node.domain}.{node.op_type}", ""
    module = _Importer(None, "float32").from_onnx(model.graph, opset)
    module, _ = relax.frontend.detach_params(module)
    return module.with_attrs(interface(model))


def _number(expr: Any) -> np.ndarray:
    if not isinstance(expr, tvm.ir.GenericConst):
        raise ModelError("an attribute of an operator is computed at run time; make it constant")
    return np.asarray(expr.value.numpy())


class _Importer(ONNXGraphImporter):
    """TVM's importer, where it loses the structure of an operator: Clip and Pad become loops."""

    def _convert_operator(self, op_name: str, inputs: Any, attrs: Any, opset: int) -> Any:
        given = [inputs[i] for i in range(len(inputs))]
        own = own_operator(op_name)
        if own is not None:
            known = {key: value for key, value in attrs.items() if key != "tvm_custom"}
            return self.bb.normalize(own(self.bb, *given, **known))
        given += [None] * (4 - len(given))
        if op_name == "Clip":
            low = attrs.get("min", -np.inf) if given[1] is None else _number(given[1]).item()
            high = attrs.get("max", np.inf) if given[2] is None else _number(given[2]).item()
            # ONNX takes the upper bound where the two cross.
            low = min(low, high)
            return self.bb.normalize(relax.op.clip(given[0], float(low), float(high)))
        if op_name == "Pow" and str(given[0].ty.dtype) != str(given[1].ty.dtype):
            power = relax.op.astype(given[1], str(given[0].ty.dtype))
            return self.bb.normalize(relax.op.power(given[0], self.bb.normalize(power)))
        if op_name == "Pad" and attrs.get("mode", b"constant") in (b"constant", "constant"):
            return self.bb.normalize(self._pad(given, attrs))
        return super()._convert_operator(op_name, inputs, attrs, opset)

    def _check_for_unsupported_ops(self, graph: Any) -> None:
        kept = [node for node in graph.node if own_operator(node.op_type) is None]
        super()._check_for_unsupported_ops(helper.make_graph(kept, "graph", [], []))

    def _pad(self, given: list[Any], attrs: Any) -> Any:
        rank = len(given[0].ty.shape)
        pads = attrs.get("pads") if given[1] is None else _number(given[1]).reshape(-1).tolist()
        axes = range(rank) if given[3] is None else [int(a) % rank for a in _number(given[3])]
        value = attrs.get("value", 0.0) if given[2] is None else _number(given[2]).item()
        before, after = [0] * rank, [0] * rank
        for position, axis in enumerate(axes):
            before[axis], after[axis] = pads[position], pads[position + len(pads) // 2]
        widths = [int(w) for pair in zip(before, after, strict=True) for w in pair]
        return relax.op.nn.pad(given[0], widths, "constant", float(value))
