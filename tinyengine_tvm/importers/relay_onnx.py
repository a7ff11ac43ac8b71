# SPDX-License-Identifier: Apache-2.0
"""ONNX file to Relay module, with what TVM's importer lacks for quantised models."""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
from tvm import relay
from tvm.relay.frontend.onnx import GraphProto

from ..dialects.attributes import INPUT_NAMES
from ..dialects.relay_order import marked
from ..errors import ModelError
from .input_shapes import InputShapes
from .onnx_model import interface, parsed
from .relay_module import finished


def load_onnx(data: bytes, shapes: InputShapes | None = None) -> tvm.IRModule:
    """The module of an ONNX file's bytes; `load_model` documents the errors."""
    model, opset = parsed(data, shapes)
    with _Importer({}, "float32", freeze_params=True) as importer:
        module, params = importer.from_onnx(model.graph, opset)
    module = relay.transform.DynamicToStatic()(module)
    found = interface(model)
    return finished(module, params, found, found[INPUT_NAMES])


def _number(expr: Any) -> np.ndarray:
    if not isinstance(expr, relay.Constant):
        raise ModelError("an attribute of an operator is computed at run time; make it constant")
    return np.asarray(expr.data.numpy())


class _Importer(GraphProto):
    """TVM's importer, which notes where each operator stands, and keeps the structure of Clip."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._position = -1

    def _convert_operator(self, op_name: str, inputs: Any, attrs: Any, opset: int) -> Any:
        self._position += 1
        given = [inputs[i] for i in range(len(inputs))]
        given += [None] * (4 - len(given))
        if op_name == "Clip":
            low = attrs.get("min", -np.inf) if given[1] is None else _number(given[1]).item()
            high = attrs.get("max", np.inf) if given[2] is None else _number(given[2]).item()
            result = relay.clip(given[0], float(low), float(high))
        else:
            result = super()._convert_operator(op_name, inputs, attrs, opset)
        if isinstance(result, relay.expr.TupleWrapper):
            return result
        return marked(result, self._position)
