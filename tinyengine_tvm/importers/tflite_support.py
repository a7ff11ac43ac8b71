# SPDX-License-Identifier: Apache-2.0
"""Which TFLite operators, and which of their options, this compiler takes.

The whole model is looked through before TVM sees it, so that one error lists everything, by the
names of the file. `check_structure` has run before: the readers may be used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite

from ..errors import ModelError, UnsupportedOperators
from .input_shapes import InputShapes, check_against_tflite, hint

ADVICE = "Replace them in the model; docs/operators.md lists what is supported"

_TYPES = {v: k.lower() for k, v in vars(tflite.TensorType).items() if isinstance(v, int)}
_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
_ACTIVATIONS = (
    tflite.ActivationFunctionType.NONE,
    tflite.ActivationFunctionType.RELU,
    tflite.ActivationFunctionType.RELU_N1_TO_1,
    tflite.ActivationFunctionType.RELU6,
)
_MOST = 1 << 15
"""Bound of strides and windows, so that products of sizes stay far from overflow."""


class _Unsupported(Exception):
    pass


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise _Unsupported(reason)


@dataclass(frozen=True)
class _Operator:
    """One operator of the file with its tensors."""

    model: Any
    graph: Any
    operator: Any

    def tensor(self, index: int) -> Any:
        found = self.maybe(index)
        _require(found is not None, f"input {index} is missing")
        return found

    def maybe(self, index: int) -> Any:
        if index >= self.operator.InputsLength() or self.operator.Inputs(index) < 0:
            return None
        return self.graph.Tensors(self.operator.Inputs(index))

    @property
    def result(self) -> Any:
        return self.graph.Tensors(self.operator.Outputs(0))

    def options(self, kind: type[Any], number: int) -> Any:
        _require(self.operator.BuiltinOptionsType() == number, "its options are missing")
        table, options = self.operator.BuiltinOptions(), kind()
        options.Init(table.Bytes, table.Pos)
        return options

    def constant(self, index: int, kinds: tuple[str, ...]) -> np.ndarray:
        tensor = self.tensor(index)
        buffer = self.model.Buffers(tensor.Buffer())
        _require(buffer.DataLength() > 0, f"input {index} isn't constant")
        kind = _type(tensor)
        _require(kind in kinds, f"input {index} is {kind}")
        return buffer.DataAsNumpy().view(kind)

    def inputs(self, least: int, most: int) -> None:
        count = self.operator.InputsLength()
        _require(least <= count <= most, f"{count} inputs")


def _type(tensor: Any) -> str:
    return _TYPES.get(tensor.Type(), f"type {tensor.Type()}")


def _parameters(tensor: Any) -> tuple[float, int] | None:
    found = tensor.Quantization()
    if found is None or found.ScaleLength() == 0:
        return None
    return float(found.Scale(0)), int(found.ZeroPoint(0))


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))


def _signature(tensor: Any) -> tuple[int, ...]:
    """The shape with -1 for each size that the model leaves free; empty if it says nothing."""
    return tuple(int(tensor.ShapeSignature(i)) for i in range(tensor.ShapeSignatureLength()))


def _int8(tensor: Any, what: str) -> None:
    kind = _type(tensor)
    _require(kind == "int8", f"its {what} is {kind}, not int8")
    found = tensor.Quantization()
    _require(found is not None and found.ScaleLength() == 1, f"its {what} has no single scale")
    scale, zero_point = _parameters(tensor) or (0.0, 0)
    _require(scale > 0, f"its {what} has scale {scale}")
    _require(-128 <= zero_point <= 127, f"its {what} has zero point {zero_point}")


def _activation(function: int) -> None:
    _require(function in _ACTIVATIONS, f"fused activation {function}")


def _window(options: Any, *sizes: int) -> None:
    _require(options.Padding() in (0, 1), f"padding {options.Padding()}")
    for size in (options.StrideH(), options.StrideW(), *sizes):
        _require(0 < size < _MOST, f"stride or window {size}")


def _weights(op: _Operator, rank: int, axis: int) -> tuple[int, ...]:
    weight = op.tensor(1)
    op.constant(1, ("int8",))
    shape = _shape(weight)
    _require(len(shape) == rank, f"weights of rank {len(shape)}")
    found = weight.Quantization()
    _require(found is not None and found.ScaleLength() > 0, "weights without scale")
    _require(not np.any(found.ZeroPointAsNumpy()), "weights with a zero point")
    if found.ScaleLength() > 1:
        _require(found.QuantizedDimension() == axis, "weights scaled along another axis")
    bias = op.maybe(2)
    if bias is not None:
        op.constant(2, ("int32",))
        _require(_shape(bias) == (shape[axis],), f"a bias of shape {_shape(bias)}")
    return shape


def _conv2d(op: _Operator) -> None:
    op.inputs(2, 3)
    options = op.options(tflite.Conv2DOptions, 1)
    _window(options)
    _activation(options.FusedActivationFunction())
    dilation = options.DilationHFactor(), options.DilationWFactor()
    _require(dilation == (1, 1), f"dilation {dilation}; only 1 is supported")
    shape, source = _weights(op, 4, 0), _shape(op.tensor(0))
    _require(len(source) == 4, f"input of shape {source}")
    groups = source[3] / shape[3]
    _require(groups == 1, f"grouped convolution ({groups:g} groups)")


def _depthwise(op: _Operator) -> None:
    op.inputs(2, 3)
    options = op.options(tflite.DepthwiseConv2DOptions, 2)
    _window(options)
    _activation(options.FusedActivationFunction())
    dilation = options.DilationHFactor(), options.DilationWFactor()
    _require(dilation == (1, 1), f"dilation {dilation}; only 1 is supported")
    shape, source = _weights(op, 4, 3), _shape(op.tensor(0))
    _require(len(source) == 4 and shape[0] == 1, f"input {source} with weights {shape}")
    multiplier = options.DepthMultiplier()
    _require(source[3] * multiplier == shape[3], f"depth multiplier {multiplier}")


def _dense(op: _Operator) -> None:
    op.inputs(2, 3)
    options = op.options(tflite.FullyConnectedOptions, 8)
    _activation(options.FusedActivationFunction())
    _require(options.WeightsFormat() == 0, "shuffled weights")
    _weights(op, 2, 0)


def _binary(kind: type[Any], number: int) -> Callable[[_Operator], None]:
    def check(op: _Operator) -> None:
        op.inputs(2, 2)
        _int8(op.tensor(1), "second input")
        _activation(op.options(kind, number).FusedActivationFunction())

    return check


def _pool(op: _Operator) -> None:
    op.inputs(1, 1)
    options = op.options(tflite.Pool2DOptions, 5)
    _window(options, options.FilterHeight(), options.FilterWidth())
    _activation(options.FusedActivationFunction())
    _require(len(_shape(op.tensor(0))) == 4, f"input of shape {_shape(op.tensor(0))}")
    _same(op)


def _same(op: _Operator) -> None:
    same = _parameters(op.tensor(0)) == _parameters(op.result)
    _require(same, "input and output are quantised differently")


def _mean(op: _Operator) -> None:
    op.inputs(2, 2)
    op.options(tflite.ReducerOptions, 27)
    _axes(op, 1)


def _axes(op: _Operator, index: int) -> np.ndarray:
    rank = len(_shape(op.tensor(0)))
    axes = op.constant(index, ("int32",))
    _require(bool(np.all((axes >= -rank) & (axes < rank))), f"axes {axes.tolist()}")
    return axes


def _pad(op: _Operator) -> None:
    op.inputs(2, 3)
    widths = op.constant(1, ("int32", "int64"))
    rank = len(_shape(op.tensor(0)))
    _require(_shape(op.tensor(1)) == (rank, 2), "paddings of another rank")
    _require(bool(np.all((widths >= 0) & (widths < _MOST))), f"paddings {widths.tolist()}")
    if op.operator.InputsLength() == 3:
        _int8(op.tensor(2), "pad value")
        _require(op.constant(2, ("int8",)).size == 1, "more than one pad value")
        same = _parameters(op.tensor(2)) == _parameters(op.tensor(0))
        _require(same, "its pad value is quantised differently")
    _same(op)


def _reshape(op: _Operator) -> None:
    op.inputs(1, 2)
    _same(op)


def _squeeze(op: _Operator) -> None:
    op.inputs(1, 1)
    options = op.options(tflite.SqueezeOptions, 30)
    rank = len(_shape(op.tensor(0)))
    axes = options.SqueezeDimsAsNumpy() if options.SqueezeDimsLength() else np.zeros(0, np.int32)
    _require(bool(np.all((axes >= -rank) & (axes < rank))), f"axes {axes.tolist()}")
    _same(op)


def _transpose(op: _Operator) -> None:
    op.inputs(2, 2)
    axes = op.constant(1, ("int32",)).tolist()
    _require(sorted(axes) == list(range(len(_shape(op.tensor(0))))), f"permutation {axes}")
    _same(op)


def _concatenation(op: _Operator) -> None:
    function = op.options(tflite.ConcatenationOptions, 10).FusedActivationFunction()
    _require(function == 0, f"fused activation {function}")
    for index in range(op.operator.InputsLength()):
        _int8(op.tensor(index), f"input {index}")
        same = _parameters(op.tensor(index)) == _parameters(op.result)
        _require(same, "its inputs and output are quantised differently")


def _softmax(op: _Operator) -> None:
    op.inputs(1, 1)
    beta = op.options(tflite.SoftmaxOptions, 9).Beta()
    _require(bool(np.isfinite(beta)) and beta > 0, f"beta {beta}")
    if _type(op.result) == "int8":
        wanted = _parameters(op.result) == (1 / 256, -128)
        _require(wanted, "its output isn't quantised with scale 1/256 and zero point -128")


def _resize(op: _Operator) -> None:
    op.inputs(2, 2)
    op.options(tflite.ResizeNearestNeighborOptions, 74)
    size = op.constant(1, ("int32",))
    _require(size.size == 2 and bool(np.all((size > 0) & (size < _MOST))), f"size {size.tolist()}")
    _require(len(_shape(op.tensor(0))) == 4, f"input of shape {_shape(op.tensor(0))}")
    _same(op)


def _relu(op: _Operator) -> None:
    op.inputs(1, 1)


def _relu6(op: _Operator) -> None:
    op.inputs(1, 1)
    _same(op)


def _quantize(op: _Operator) -> None:
    op.inputs(1, 1)
    if _type(op.tensor(0)) != "float32":
        _int8(op.tensor(0), "input")
    _int8(op.result, "output")


def _dequantize(op: _Operator) -> None:
    op.inputs(1, 1)
    _int8(op.tensor(0), "input")
    _require(_type(op.result) == "float32", f"its output is {_type(op.result)}")


_CHECKS: dict[str, Callable[[_Operator], None]] = {
    "ADD": _binary(tflite.AddOptions, 11),
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv2d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEQUANTIZE": _dequantize,
    "FULLY_CONNECTED": _dense,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "MUL": _binary(tflite.MulOptions, 21),
    "PAD": _pad,
    "PADV2": _pad,
    "QUANTIZE": _quantize,
    "RELU": _relu,
    "RELU6": _relu6,
    "RESHAPE": _reshape,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SOFTMAX": _softmax,
    "SQUEEZE": _squeeze,
    "TRANSPOSE": _transpose,
}

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
_ALSO_FLOAT = ("RESHAPE", "SQUEEZE", "SOFTMAX", "TRANSPOSE")


def operator_name(model: Any, operator: Any) -> str:
    """The schema's name of an operator, such as CONV_2D; CUSTOM ones with their own name."""
    code = model.OperatorCodes(operator.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = _NAMES.get(number, f"operator {number}")
    custom = code.CustomCode()
    return f"CUSTOM {custom.decode(errors='replace')}" if name == "CUSTOM" and custom else name


def check_operators(model: Any, shapes: InputShapes) -> None:
    """Looks through the whole model. `shapes` confirm those of inputs that the file leaves free.

    Raises:
        TinyEngineError: a shape given isn't that of an input.
        ModelError: it has no int8 tensor, a dynamic shape, or another batch than 1.
        UnsupportedOperators: lists every operator that isn't taken.
    """
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    _check_interface(graph, shapes)
    problems = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        name = operator_name(model, operator)
        op = _Operator(model, graph, operator)
        try:
            if name not in _CHECKS:
                raise _Unsupported("")
            _check(op, name)
        except _Unsupported as problem:
            where = "without output"
            if operator.OutputsLength():
                where = f"'{op.result.Name().decode(errors='replace')}'"
            reason = f": {problem}" if str(problem) else ""
            problems.append(f"{name} {where} (operator {index}){reason}")
    if not any(_type(t) in ("int8", "uint8", "int16") and _parameters(t) for t in tensors):
        raise ModelError(
            "the model computes in float32; quantise it to int8 (TFLiteConverter with a "
            "representative data set)"
        )
    if problems:
        raise UnsupportedOperators(problems, ADVICE)


def _check(op: _Operator, name: str) -> None:
    _require(op.operator.OutputsLength() == 1, f"{op.operator.OutputsLength()} outputs")
    _require(op.operator.InputsLength() > 0, "no input")
    if name not in _CONVERSIONS:
        floating = {_type(op.tensor(0)), _type(op.result)} == {"float32"}
        if not (floating and name in _ALSO_FLOAT):
            _int8(op.tensor(0), "input")
            _int8(op.result, "output")
    if name not in ("ADD", "MUL", "CONCATENATION"):
        source = op.model.Buffers(op.tensor(0).Buffer())
        _require(source.DataLength() == 0, "its input is constant; fold it in the model")
    _CHECKS[name](op)


def _check_interface(graph: Any, shapes: InputShapes) -> None:
    stated = {}
    for index in graph.InputsAsNumpy():
        tensor = graph.Tensors(int(index))
        stated[tensor.Name().decode(errors="replace")] = _shape(tensor), _signature(tensor)
    confirmed = check_against_tflite(stated, shapes)
    for kind, indices in (("input", graph.InputsAsNumpy()), ("output", graph.OutputsAsNumpy())):
        for index in indices:
            tensor = graph.Tensors(int(index))
            name, shape = tensor.Name().decode(errors="replace"), _shape(tensor)
            # A free batch in the signature is the converter's habit; the shape then says 1.
            free = any(size == -1 for size in _signature(tensor)[1:])
            if free and kind == "input" and name not in confirmed:
                raise ModelError(f"input '{name}' has a dynamic shape; {hint(name, shape)}")
            # The shapes of outputs follow from those of the inputs.
            if free and kind == "output" and not confirmed:
                raise ModelError(
                    f"output '{name}' has a dynamic shape; export the model with fixed shapes"
                )
            if kind == "input" and len(shape) > 1 and shape[0] != 1:
                raise ModelError(
                    f"input '{name}' has batch {shape[0]}; export the model with batch 1"
                )
            if _type(tensor) not in ("int8", "float32"):
                raise ModelError(
                    f"{kind} '{name}' is {_type(tensor)}; export the model with an int8 or "
                    "float32 interface"
                )
