# SPDX-License-Identifier: Apache-2.0
"""TFLite flatbuffer to Relay module, with what TVM's importer lacks for quantised models."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tvm
from tvm import relay
from tvm.relay.frontend.tflite import OperatorConverter, from_tflite
from tvm.relay.op.tensor import clip

from ..dialects.relay_order import marked, step_of
from ..errors import ModelError
from .input_shapes import InputShapes
from .relay_module import finished
from .tflite_model import (
    activation_bounds,
    check_shape,
    interface,
    name_of,
    parsed,
    softmax_beta,
)


def load_tflite(data: bytes, shapes: InputShapes | None = None) -> tvm.IRModule:
    """The module of a flatbuffer's bytes; `load_model` documents the errors."""
    model = parsed(data, shapes)
    module, params = from_tflite(model, op_converter=_Converter)
    module = finished(module, params, interface(model), _input_order(model))
    _check_shapes(module, model)
    return module


def _input_order(model: Any) -> list[str]:
    graph = model.Subgraphs(0)
    return [name_of(graph.Tensors(int(i))) for i in graph.InputsAsNumpy()]


def _check_shapes(module: tvm.IRModule, model: Any) -> None:
    """Holds the shape of each operator's result against what the file declares."""
    graph = model.Subgraphs(0)
    last: dict[int, tuple[int, ...]] = {}

    def visit(expr: Any) -> None:
        step = step_of(expr)
        # Operands come first, so the last call of an operator is its result.
        if step is not None and isinstance(expr.checked_type, tvm.ir.TensorType):
            last[step] = tuple(int(size) for size in expr.checked_type.shape)

    relay.analysis.post_order_visit(module["main"].body, visit)
    for step, shape in sorted(last.items()):
        tensor = graph.Tensors(graph.Operators(step).Outputs(0))
        check_shape("the operator of", tensor, shape)


class _Converter(OperatorConverter):
    """TVM's converter, which notes where each operator stands, freed of approximations."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.position = -1
        converters: dict[str, Callable[..., Any]] = dict(vars(self)["convert_map"])
        for kind in ("RELU", "RELU6"):
            converters[kind] = functools.partial(self.convert_activation, kind)
        self.convert_map = {
            name: functools.partial(self._converted, convert)
            for name, convert in converters.items()
        }

    def _converted(self, convert: Any, op: Any) -> Any:
        self.position += 1
        result = convert(op)
        return None if result is None else marked(result, self.position)

    def convert_qnn_fused_activation_function(
        self, expr: Any, fused_activation_fn: int, scale: Any, zero_point: Any, dtype: str
    ) -> Any:
        """TFLite divides in float32 and rounds halves away from zero; TVM does neither."""
        value, offset = float(scale), int(zero_point)
        bounds = activation_bounds(fused_activation_fn, value, offset, dtype)
        return expr if bounds is None else clip(expr, *bounds)

    def convert_activation(self, kind: str, op: Any) -> Any:
        """RELU or RELU6: requantised, then limited, as TFLite's kernels do."""
        source, target = self.get_input_tensors(op)[0], self.get_output_tensors(op)[0]
        x = self.get_expr(source.tensor_idx)
        if not source.qnn_params:
            return relay.nn.relu(x) if kind == "RELU" else clip(x, 0.0, 6.0)
        read, made = source.qnn_params, target.qnn_params
        dtype = self.get_tensor_type_str(target.tensor.Type())
        y = relay.qnn.op.requantize(
            x,
            read["scale"],
            read["zero_point"],
            made["scale"],
            made["zero_point"],
            out_dtype=dtype,
        )
        function = {v: k for k, v in self.activation_fn_type.items()}[kind]
        return self.convert_qnn_fused_activation_function(
            y, function, made["scale"].data.numpy(), made["zero_point"].data.numpy(), dtype
        )

    def convert_fully_connected(self, op: Any) -> Any:
        """TFLite flattens the input to [rows, features], whatever its rank."""
        source, weight = self.get_input_tensors(op)[:2]
        features = int(self.get_tensor_shape(weight)[1])
        shape = [int(d) for d in self.get_tensor_shape(source)]
        if math.prod(shape) % features:
            raise ModelError(f"FULLY_CONNECTED can't take {shape} with {features} features")
        result = super().convert_fully_connected(op)
        declared = [int(d) for d in self.get_output_tensors(op)[0].tensor.ShapeAsNumpy()]
        units = int(self.get_tensor_shape(weight)[0])
        computed = [math.prod(shape) // features, units]
        if math.prod(computed) != math.prod(declared):
            raise ModelError(f"FULLY_CONNECTED gives {computed}, the file says {declared}")
        return result if computed == declared else relay.reshape(result, declared)

    def convert_softmax(self, op: Any) -> Any:
        """TVM leaves out beta; here it becomes a factor where it isn't 1."""
        beta = softmax_beta(op)
        if beta == 1.0:
            return super().convert_softmax(op)
        source, target = self.get_input_tensors(op)[0], self.get_output_tensors(op)[0]
        value = self.get_expr(source.tensor_idx)
        if source.qnn_params:
            value = self.dequantize(value, source)
        value = relay.nn.softmax(value * relay.const(np.float32(beta)), axis=-1)
        return self.quantize(value, target) if target.qnn_params else value
