# SPDX-License-Identifier: Apache-2.0
"""Writes Networks of mode tflite as .tflite files, and runs such files in TFLite Micro.

So one description of a layer, a Network, gives both sides of a comparison: its own semantics and
the reference interpreter's, and a file for the tests of the importer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite

from tests.random_layers import nearest, same_padding
from tinyengine_tvm.network import (
    Add,
    AveragePool2D,
    Clip,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dequantize,
    Layer,
    MaxPool2D,
    Mean,
    Mul,
    Network,
    Pad,
    Quantisation,
    Quantize,
    Requantize,
    Reshape,
    ResizeNearest,
    Softmax,
    Tensor,
    Transpose,
)

_TYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "int32": tflite.TensorType.INT32,
    "int8": tflite.TensorType.INT8,
}


def run_tflite_micro(model: bytes, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs of a model for one set of inputs, in the model's order."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model, arena_size=1 << 22)
    for i, value in enumerate(inputs):
        interpreter.set_input(np.ascontiguousarray(value), i)
    interpreter.invoke()
    subgraph = tflite.Model.GetRootAsModel(model, 0).Subgraphs(0)
    return [np.array(interpreter.get_output(i)) for i in range(subgraph.OutputsLength())]


def write_tflite(network: Network, free: Sequence[int] = ()) -> bytes:
    """A .tflite file of this network.

    `free` are the dimensions that its activations' signatures leave open, where they have them.

    Raises:
        ValueError: a layer has a clamp, a padding or an index map that TFLite can't express.
    """
    return _Writer(network, free).model()


class _Writer:
    def __init__(self, network: Network, free: Sequence[int] = ()) -> None:
        assert network.mode == "tflite"
        self.free = free
        self.network = network
        self.builder = flatbuffers.Builder(1 << 16)
        self.buffers = [b""]
        self.tensors: list[int] = []
        self.index: dict[str, int] = {}
        self.codes: list[int] = []
        self.operators: list[int] = []

    def model(self) -> bytes:
        b, network = self.builder, self.network
        for tensor in network.tensors.values():
            self.index[tensor.name] = self._tensor(
                tensor.name, tensor.shape, tensor.dtype, tensor.quantisation, tensor.data
            )
        for layer in network.layers:
            self._layer(layer)
        tensors = self._offsets(self.tensors)
        inputs = self._ints([self.index[n] for n in network.inputs])
        outputs = self._ints([self.index[n] for n in network.outputs])
        operators = self._offsets(self.operators)
        name = b.CreateString(network.name)
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, operators)
        tflite.SubGraphAddName(b, name)
        subgraphs = self._offsets([tflite.SubGraphEnd(b)])
        codes = self._offsets([self._code(code) for code in self.codes])
        buffers = self._offsets([self._buffer(data) for data in self.buffers])
        description = b.CreateString("tests")
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, codes)
        tflite.ModelAddSubgraphs(b, subgraphs)
        tflite.ModelAddDescription(b, description)
        tflite.ModelAddBuffers(b, buffers)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def _ints(self, values: Sequence[int]) -> int:
        return self.builder.CreateNumpyVector(np.asarray(values, np.int32))

    def _offsets(self, offsets: Sequence[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return self.builder.EndVector()

    def _buffer(self, data: bytes) -> int:
        b, vector = self.builder, None
        if data:
            # TFLite Micro reads constants in place, so they must be aligned.
            b.StartVector(1, len(data), 16)
            b.head -= len(data)
            b.Bytes[b.head : b.head + len(data)] = data
            vector = b.EndVector()
        tflite.BufferStart(b)
        if vector is not None:
            tflite.BufferAddData(b, vector)
        return tflite.BufferEnd(b)

    def _code(self, code: int) -> int:
        b = self.builder
        tflite.OperatorCodeStart(b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, 127))
        tflite.OperatorCodeAddBuiltinCode(b, code)
        tflite.OperatorCodeAddVersion(b, 1)
        return tflite.OperatorCodeEnd(b)

    def _tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        quantisation: Quantisation | tuple[np.ndarray, int] | None = None,
        data: np.ndarray | None = None,
    ) -> int:
        """Adds a tensor; `quantisation` may be (scales, quantised dimension) for weights."""
        b = self.builder
        buffer = 0
        if data is not None:
            self.buffers.append(np.ascontiguousarray(data).tobytes())
            buffer = len(self.buffers) - 1
        parameters = None
        if quantisation is not None:
            if isinstance(quantisation, Quantisation):
                scales, dimension = np.array([quantisation.scale]), 0
                zeros = np.array([quantisation.zero_point], np.int64)
            else:
                scales, dimension = quantisation
                zeros = np.zeros(len(scales), np.int64)
            scale_vector = b.CreateNumpyVector(np.asarray(scales, np.float32))
            zero_vector = b.CreateNumpyVector(zeros)
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scale_vector)
            tflite.QuantizationParametersAddZeroPoint(b, zero_vector)
            tflite.QuantizationParametersAddQuantizedDimension(b, dimension)
            parameters = tflite.QuantizationParametersEnd(b)
        shape_vector, label = self._ints(shape), b.CreateString(name)
        signature = None
        if self.free and data is None:
            signature = self._ints([-1 if i in self.free else d for i, d in enumerate(shape)])
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape_vector)
        tflite.TensorAddType(b, _TYPES[dtype])
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, label)
        if parameters is not None:
            tflite.TensorAddQuantization(b, parameters)
        if signature is not None:
            tflite.TensorAddShapeSignature(b, signature)
        self.tensors.append(tflite.TensorEnd(b))
        return len(self.tensors) - 1

    def _constant(self, layer: Layer, what: str, data: np.ndarray, quantisation: Any = None) -> int:
        return self._tensor(f"{layer.name}/{what}", data.shape, data.dtype.name, quantisation, data)

    def _options(self, kind: str, **values: Any) -> tuple[int, int]:
        """(offset, type) of a table <kind>Options with these fields."""
        b = self.builder
        getattr(tflite, f"{kind}OptionsStart")(b)
        for field, value in values.items():
            getattr(tflite, f"{kind}OptionsAdd{field}")(b, value)
        offset = getattr(tflite, f"{kind}OptionsEnd")(b)
        return offset, getattr(tflite.BuiltinOptions, f"{kind}Options")

    def _layer(self, layer: Layer) -> None:
        code, options, extra = self._operator(layer)
        if code not in self.codes:
            self.codes.append(code)
        b = self.builder
        inputs = self._ints([*(self.index[n] for n in layer.inputs), *extra])
        outputs = self._ints([self.index[layer.output]])
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, self.codes.index(code))
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if options is not None:
            tflite.OperatorAddBuiltinOptions(b, options[0])
            tflite.OperatorAddBuiltinOptionsType(b, options[1])
        self.operators.append(tflite.OperatorEnd(b))

    def _operator(self, layer: Layer) -> tuple[int, tuple[int, int] | None, list[int]]:
        """(builtin code, options, constant inputs) of a layer."""
        op, x, y = tflite.BuiltinOperator, self._x(layer), self.network.output_of(layer)
        if isinstance(layer, (Conv2D, DepthwiseConv2D, Dense)):
            return self._weighted(layer, x, y)
        if isinstance(layer, (Add, Mul)):
            kind = "Add" if isinstance(layer, Add) else "Mul"
            options = self._options(kind, FusedActivationFunction=activation(layer.clamp, y))
            return getattr(op, kind.upper()), options, []
        if isinstance(layer, (MaxPool2D, AveragePool2D)):
            options = self._options(
                "Pool2D",
                Padding=_padding(layer, x.shape),
                StrideH=layer.stride[0],
                StrideW=layer.stride[1],
                FilterHeight=layer.kernel[0],
                FilterWidth=layer.kernel[1],
                FusedActivationFunction=activation(layer.clamp, y),
            )
            largest = isinstance(layer, MaxPool2D)
            return op.MAX_POOL_2D if largest else op.AVERAGE_POOL_2D, options, []
        if isinstance(layer, Mean):
            axes = self._constant(layer, "axes", np.array(layer.axes, np.int32))
            keep = len(y.shape) == len(x.shape)
            return op.MEAN, self._options("Reducer", KeepDims=keep), [axes]
        if isinstance(layer, Pad):
            pads = self._constant(layer, "pads", np.array(layer.pads, np.int32))
            if layer.value == x.zero_point:
                return op.PAD, self._options("Pad"), [pads]
            value = np.array([layer.value], np.int8)
            return (
                op.PADV2,
                self._options("PadV2"),
                [pads, self._constant(layer, "value", value, x.quantisation)],
            )
        if isinstance(layer, Reshape):
            shape = self._constant(layer, "shape", np.array(y.shape, np.int32))
            return op.RESHAPE, None, [shape]
        if isinstance(layer, Transpose):
            order = self._constant(layer, "order", np.array(layer.permutation, np.int32))
            return op.TRANSPOSE, self._options("Transpose"), [order]
        if isinstance(layer, Concat):
            options = self._options("Concatenation", Axis=layer.axis, FusedActivationFunction=0)
            return op.CONCATENATION, options, []
        if isinstance(layer, Softmax):
            return op.SOFTMAX, self._options("Softmax", Beta=layer.beta), []
        if isinstance(layer, (Quantize, Requantize)):
            return op.QUANTIZE, self._options("Quantize"), []
        if isinstance(layer, Dequantize):
            return op.DEQUANTIZE, self._options("Dequantize"), []
        if isinstance(layer, Clip):
            codes = {1: op.RELU, 3: op.RELU6, 2: op.RELU_N1_TO_1}
            return codes[activation(layer.clamp, y, tuple(codes))], None, []
        if isinstance(layer, ResizeNearest):
            size = self._constant(layer, "size", np.array(y.shape[1:3], np.int32))
            corners, half = _resize_style(layer, x.shape)
            options = self._options(
                "ResizeNearestNeighbor", AlignCorners=corners, HalfPixelCenters=half
            )
            return op.RESIZE_NEAREST_NEIGHBOR, options, [size]
        raise ValueError(f"no TFLite operator for {layer.op}")

    def _x(self, layer: Layer) -> Tensor:
        return self.network.input_of(layer)

    def _weighted(
        self, layer: Conv2D | DepthwiseConv2D | Dense, x: Tensor, y: Tensor
    ) -> tuple[int, tuple[int, int], list[int]]:
        op, weight, dimension = tflite.BuiltinOperator, layer.weight, 0
        if isinstance(layer, DepthwiseConv2D):
            weight, dimension = weight[None], 3
        scales = np.asarray(layer.weight_scale, np.float32).reshape(-1)
        bias_scales = (np.float32(x.scale) * scales, 0)
        constants = [
            self._constant(layer, "weight", weight, (scales, dimension)),
            self._constant(layer, "bias", layer.bias, bias_scales),
        ]
        fused = activation(layer.clamp, y)
        if isinstance(layer, Dense):
            options = self._options("FullyConnected", FusedActivationFunction=fused)
            return op.FULLY_CONNECTED, options, constants
        common = {
            "Padding": _padding(layer, x.shape),
            "StrideH": layer.stride[0],
            "StrideW": layer.stride[1],
            "DilationHFactor": 1,
            "DilationWFactor": 1,
            "FusedActivationFunction": fused,
        }
        if isinstance(layer, Conv2D):
            return op.CONV_2D, self._options("Conv2D", **common), constants
        options = self._options("DepthwiseConv2D", DepthMultiplier=layer.multiplier, **common)
        return op.DEPTHWISE_CONV_2D, options, constants


def activation(clamp: tuple[int, int], y: Tensor, allowed: Sequence[int] = (0, 1, 3, 2)) -> int:
    """The first activation of TFLite among those allowed that clamps like this; 0 is none.

    Raises:
        ValueError: there is none.
    """

    def stored(real: float) -> int:
        ratio = np.float32(real) / np.float32(y.scale)
        return y.zero_point + int(np.trunc(ratio + np.copysign(np.float32(0.5), ratio)))

    zero, one, six, minus = (max(-128, min(127, stored(v))) for v in (0, 1, 6, -1))
    kinds = tflite.ActivationFunctionType
    limits = {
        kinds.NONE: (-128, 127),
        kinds.RELU: (zero, 127),
        kinds.RELU6: (zero, six),
        kinds.RELU_N1_TO_1: (minus, one),
    }
    for kind in allowed:
        if clamp == limits[kind]:
            return kind
    raise ValueError(f"no activation of TFLite clamps to {clamp}")


def _padding(
    layer: Conv2D | DepthwiseConv2D | MaxPool2D | AveragePool2D, shape: Sequence[int]
) -> int:
    if not layer.padding:
        return tflite.Padding.VALID
    vertical, horizontal = (
        same_padding(shape[1 + i], layer.kernel[i], layer.stride[i]) for i in range(2)
    )
    p = layer.padding
    if (p.top, p.bottom, p.left, p.right) != (*vertical, *horizontal):
        raise ValueError(f"padding {p} is neither VALID nor SAME")
    return tflite.Padding.SAME


def _resize_style(layer: ResizeNearest, shape: Sequence[int]) -> tuple[bool, bool]:
    for corners, half in ((False, False), (True, False), (False, True)):
        rows = nearest(shape[1], len(layer.rows), corners, half)
        columns = nearest(shape[2], len(layer.columns), corners, half)
        if (layer.rows, layer.columns) == (rows, columns):
            return corners, half
    raise ValueError("no convention of TFLite gives these index maps")
