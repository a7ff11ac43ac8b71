# SPDX-License-Identifier: Apache-2.0
"""Which TFLite operators, and which of their options, this compiler takes.

The whole model is looked through before TVM sees it, so that one error lists everything, by the
names of the file. `check_structure` has run before: the readers may be used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tflite

from ..errors import ModelError, UnsupportedOperators
from .input_shapes import InputShapes, check_against_tflite, hint
from .tflite_reading import (
    Operator,
    Unsupported,
    parameters_of,
    require,
    require_int8,
    shape_of,
    signature_of,
    type_of,
)

ADVICE = "Replace them in the model; docs/operators.md lists what is supported"

_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
_ACTIVATIONS = (
    tflite.ActivationFunctionType.NONE,
    tflite.ActivationFunctionType.RELU,
    tflite.ActivationFunctionType.RELU_N1_TO_1,
    tflite.ActivationFunctionType.RELU6,
)
_MOST = 1 << 15
"""Bound of strides and windows, so that products of sizes stay far from overflow."""


def _activation(function: int) -> None:
    require(function in _ACTIVATIONS, f"fused activation {function}")


def _window(options: Any, *sizes: int) -> None:
    require(options.Padding() in (0, 1), f"padding {options.Padding()}")
    for size in (options.StrideH(), options.StrideW(), *sizes):
        require(0 < size < _MOST, f"stride or window {size}")


def _weights(op: Operator, rank: int, axis: int) -> tuple[int, ...]:
    weight = op.tensor(1)
    op.constant(1, ("int8",))
    shape = shape_of(weight)
    require(len(shape) == rank, f"weights of rank {len(shape)}")
    found = weight.Quantization()
    require(found is not None and found.ScaleLength() > 0, "weights without scale")
    require(not np.any(found.ZeroPointAsNumpy()), "weights with a zero point")
    if found.ScaleLength() > 1:
        require(found.QuantizedDimension() == axis, "weights scaled along another axis")
    bias = op.maybe(2)
    if bias is not None:
        op.constant(2, ("int32",))
        require(shape_of(bias) == (shape[axis],), f"a bias of shape {shape_of(bias)}")
    return shape


def _conv2d(op: Operator) -> None:
    op.inputs(2, 3)
    options = op.options(tflite.Conv2DOptions, 1)
    _window(options)
    _activation(options.FusedActivationFunction())
    dilation = options.DilationHFactor(), options.DilationWFactor()
    require(dilation == (1, 1), f"dilation {dilation}; only 1 is supported")
    shape, source = _weights(op, 4, 0), shape_of(op.tensor(0))
    require(len(source) == 4, f"input of shape {source}")
    groups = source[3] / shape[3]
    require(groups == 1, f"grouped convolution ({groups:g} groups)")


def _depthwise(op: Operator) -> None:
    op.inputs(2, 3)
    options = op.options(tflite.DepthwiseConv2DOptions, 2)
    _window(options)
    _activation(options.FusedActivationFunction())
    dilation = options.DilationHFactor(), options.DilationWFactor()
    require(dilation == (1, 1), f"dilation {dilation}; only 1 is supported")
    shape, source = _weights(op, 4, 3), shape_of(op.tensor(0))
    require(len(source) == 4 and shape[0] == 1, f"input {source} with weights {shape}")
    multiplier = options.DepthMultiplier()
    require(source[3] * multiplier == shape[3], f"depth multiplier {multiplier}")


def _dense(op: Operator) -> None:
    op.inputs(2, 3)
    options = op.options(tflite.FullyConnectedOptions, 8)
    _activation(options.FusedActivationFunction())
    require(options.WeightsFormat() == 0, "shuffled weights")
    _weights(op, 2, 0)


def _binary(kind: type[Any], number: int) -> Callable[[Operator], None]:
    def check(op: Operator) -> None:
        op.inputs(2, 2)
        require_int8(op.tensor(1), "second input")
        _activation(op.options(kind, number).FusedActivationFunction())

    return check


def _pool(op: Operator) -> None:
    op.inputs(1, 1)
    options = op.options(tflite.Pool2DOptions, 5)
    _window(options, options.FilterHeight(), options.FilterWidth())
    _activation(options.FusedActivationFunction())
    require(len(shape_of(op.tensor(0))) == 4, f"input of shape {shape_of(op.tensor(0))}")
    _same(op)


def _same(op: Operator) -> None:
    same = parameters_of(op.tensor(0)) == parameters_of(op.result)
    require(same, "input and output are quantised differently")


def _mean(op: Operator) -> None:
    op.inputs(2, 2)
    op.options(tflite.ReducerOptions, 27)
    _axes(op, 1)


def _axes(op: Operator, index: int) -> np.ndarray:
    rank = len(shape_of(op.tensor(0)))
    axes = op.constant(index, ("int32",))
    require(bool(np.all((axes >= -rank) & (axes < rank))), f"axes {axes.tolist()}")
    return axes


def _pad(op: Operator) -> None:
    op.inputs(2, 3)
    widths = op.constant(1, ("int32", "int64"))
    rank = len(shape_of(op.tensor(0)))
    require(shape_of(op.tensor(1)) == (rank, 2), "paddings of another rank")
    require(bool(np.all((widths >= 0) & (widths < _MOST))), f"paddings {widths.tolist()}")
    if op.operator.InputsLength() == 3:
        require_int8(op.tensor(2), "pad value")
        require(op.constant(2, ("int8",)).size == 1, "more than one pad value")
        same = parameters_of(op.tensor(2)) == parameters_of(op.tensor(0))
        require(same, "its pad value is quantised differently")
    _same(op)


def _reshape(op: Operator) -> None:
    op.inputs(1, 2)
    _same(op)


def _squeeze(op: Operator) -> None:
    op.inputs(1, 1)
    options = op.options(tflite.SqueezeOptions, 30)
    rank = len(shape_of(op.tensor(0)))
    axes = options.SqueezeDimsAsNumpy() if options.SqueezeDimsLength() else np.zeros(0, np.int32)
    require(bool(np.all((axes >= -rank) & (axes < rank))), f"axes {axes.tolist()}")
    _same(op)


def _transpose(op: Operator) -> None:
    op.inputs(2, 2)
    axes = op.constant(1, ("int32",)).tolist()
    require(sorted(axes) == list(range(len(shape_of(op.tensor(0))))), f"permutation {axes}")
    _same(op)


def _concatenation(op: Operator) -> None:
    function = op.options(tflite.ConcatenationOptions, 10).FusedActivationFunction()
    require(function == 0, f"fused activation {function}")
    for index in range(op.operator.InputsLength()):
        require_int8(op.tensor(index), f"input {index}")
        same = parameters_of(op.tensor(index)) == parameters_of(op.result)
        require(same, "its inputs and output are quantised differently")


def _softmax(op: Operator) -> None:
    op.inputs(1, 1)
    beta = op.options(tflite.SoftmaxOptions, 9).Beta()
    require(bool(np.isfinite(beta)) and beta > 0, f"beta {beta}")
    if type_of(op.result) == "int8":
        wanted = parameters_of(op.result) == (1 / 256, -128)
        require(wanted, "its output isn't quantised with scale 1/256 and zero point -128")


def _resize(op: Operator) -> None:
    op.inputs(2, 2)
    op.options(tflite.ResizeNearestNeighborOptions, 74)
    size = op.constant(1, ("int32",))
    require(size.size == 2 and bool(np.all((size > 0) & (size < _MOST))), f"size {size.tolist()}")
    require(len(shape_of(op.tensor(0))) == 4, f"input of shape {shape_of(op.tensor(0))}")
    _same(op)


def _relu(op: Operator) -> None:
    op.inputs(1, 1)


def _relu6(op: Operator) -> None:
    op.inputs(1, 1)
    _same(op)


def _quantize(op: Operator) -> None:
    op.inputs(1, 1)
    if type_of(op.tensor(0)) != "float32":
        require_int8(op.tensor(0), "input")
    require_int8(op.result, "output")


def _dequantize(op: Operator) -> None:
    op.inputs(1, 1)
    require_int8(op.tensor(0), "input")
    require(type_of(op.result) == "float32", f"its output is {type_of(op.result)}")


_CHECKS: dict[str, Callable[[Operator], None]] = {
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
        op = Operator(model, graph, operator)
        try:
            if name not in _CHECKS:
                raise Unsupported("")
            _check(op, name)
        except Unsupported as problem:
            where = "without output"
            if operator.OutputsLength():
                where = f"'{op.result.Name().decode(errors='replace')}'"
            reason = f": {problem}" if str(problem) else ""
            problems.append(f"{name} {where} (operator {index}){reason}")
    if not any(type_of(t) in ("int8", "uint8", "int16") and parameters_of(t) for t in tensors):
        raise ModelError(
            "the model computes in float32; quantise it to int8 (TFLiteConverter with a "
            "representative data set)"
        )
    if problems:
        raise UnsupportedOperators(problems, ADVICE)


def _check(op: Operator, name: str) -> None:
    require(op.operator.OutputsLength() == 1, f"{op.operator.OutputsLength()} outputs")
    require(op.operator.InputsLength() > 0, "no input")
    if name not in _CONVERSIONS:
        floating = {type_of(op.tensor(0)), type_of(op.result)} == {"float32"}
        if not (floating and name in _ALSO_FLOAT):
            require_int8(op.tensor(0), "input")
            require_int8(op.result, "output")
    if name not in ("ADD", "MUL", "CONCATENATION"):
        source = op.model.Buffers(op.tensor(0).Buffer())
        require(source.DataLength() == 0, "its input is constant; fold it in the model")
    _CHECKS[name](op)


def _check_interface(graph: Any, shapes: InputShapes) -> None:
    stated = {}
    for index in graph.InputsAsNumpy():
        tensor = graph.Tensors(int(index))
        stated[tensor.Name().decode(errors="replace")] = shape_of(tensor), signature_of(tensor)
    confirmed = check_against_tflite(stated, shapes)
    for kind, indices in (("input", graph.InputsAsNumpy()), ("output", graph.OutputsAsNumpy())):
        for index in indices:
            tensor = graph.Tensors(int(index))
            name, shape = tensor.Name().decode(errors="replace"), shape_of(tensor)
            # A free batch in the signature is the converter's habit; the shape then says 1.
            free = any(size == -1 for size in signature_of(tensor)[1:])
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
            if type_of(tensor) not in ("int8", "float32"):
                raise ModelError(
                    f"{kind} '{name}' is {type_of(tensor)}; export the model with an int8 or "
                    "float32 interface"
                )
