# SPDX-License-Identifier: Apache-2.0
"""TFLite flatbuffer to TVM module, with what TVM's importer lacks for quantised models."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import tvm
from tvm import relax
from tvm.relax.frontend.tflite import from_tflite
from tvm.relax.frontend.tflite.tflite_frontend import OperatorConverter

from ..errors import ModelError
from .input_shapes import InputShapes
from .tflite_model import activation_bounds, check_shape, interface, parsed, softmax_beta


def load_tflite(data: bytes, shapes: InputShapes | None = None) -> tvm.IRModule:
    """The module of a flatbuffer's bytes; `load_model` documents the errors."""
    model = parsed(data, shapes)
    module = from_tflite(model, op_converter=_Converter)
    module, _ = relax.frontend.detach_params(module)
    return module.with_attrs(interface(model))


class _Converter(OperatorConverter):
    """TVM's converter, extended by moves of quantised tensors and freed of approximations."""

    _SUPPORTED_QUANTIZED_OPS = OperatorConverter._SUPPORTED_QUANTIZED_OPS | {
        "PAD",
        "PADV2",
        "RESIZE_NEAREST_NEIGHBOR",
        "SQUEEZE",
        "TRANSPOSE",
    }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        converters: dict[str, Callable[..., Any]] = vars(self)["convert_map"]
        self.convert_map = {
            name: functools.partial(self._checked, name, convert)
            for name, convert in converters.items()
        }

    def _checked(self, name: str, convert: Callable[..., Any], op: Any) -> Any:
        """Converts one operator and holds its result against what the file declares."""
        result = convert(op=op)
        if result is None:
            return None
        # Bound here and now: TVM would bind it where it is first read, in another order.
        result = self.bb.emit(result)
        tensor = self.get_output_tensors(op)[0].tensor
        check_shape(name, tensor, tuple(int(d) for d in result.ty.shape))
        return result

    def get_tensors(self, tensors_idx_list: Any) -> list[Any]:
        """One scale for the whole tensor has no axis, whatever the file says of it."""
        wrappers = super().get_tensors(tensors_idx_list)
        for wrapper in wrappers:
            if wrapper.qnn_params and wrapper.tensor.Quantization().ScaleLength() == 1:
                wrapper.qnn_params["axis"] = 0
        return list(wrappers)

    def convert_qnn_fused_activation_function(
        self, expr: Any, fused_activation_fn: int, scale: Any, zero_point: Any, dtype: str
    ) -> Any:
        """TFLite divides in float32 and rounds halves away from zero; TVM does neither."""
        value, offset = float(scale), int(zero_point)
        bounds = activation_bounds(fused_activation_fn, value, offset, dtype)
        return expr if bounds is None else relax.op.clip(expr, *bounds)

    def convert_fully_connected(self, op: Any) -> Any:
        """TFLite flattens the input to [rows, features], whatever its rank."""
        source, weight = self.get_input_tensors(op)[:2]
        features = int(self.get_tensor_shape(weight)[1])
        name = source.tensor.Name().decode("utf-8")
        original = self.get_tensor_expr(source)
        shape = [int(d) for d in self.bb.normalize(original).ty.shape]
        rows = math.prod(shape) // features
        if rows * features != math.prod(shape):
            raise ModelError(f"FULLY_CONNECTED can't take {shape} with {features} features")
        if len(shape) == 2:
            result = super().convert_fully_connected(op)
        else:
            flat = self.bb.emit(relax.op.reshape(original, (rows, features)))
            self.exp_tab.set_expr(name, flat, force_override=True)
            result = super().convert_fully_connected(op)
            self.exp_tab.set_expr(name, original, force_override=True)
        declared = [int(d) for d in self.get_output_tensors(op)[0].tensor.ShapeAsNumpy()]
        result = self.bb.normalize(result)
        computed = [int(d) for d in result.ty.shape]
        if math.prod(computed) != math.prod(declared):
            raise ModelError(f"FULLY_CONNECTED gives {computed}, the file says {declared}")
        if computed != declared:
            result = relax.op.reshape(self.bb.emit(result), declared)
        return result

    def convert_softmax(self, op: Any) -> Any:
        """TVM leaves out beta; here it becomes a factor where it isn't 1."""
        beta = softmax_beta(op)
        if beta == 1.0:
            return super().convert_softmax(op)
        source, target = self.get_input_tensors(op)[0], self.get_output_tensors(op)[0]
        value = self.dequantize(self.get_expr(source.tensor_idx), source)
        value = relax.op.multiply(value, relax.const(beta, "float32"))
        return self.quantize(relax.op.nn.softmax(value, axis=-1), target)
