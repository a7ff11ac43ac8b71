# SPDX-License-Identifier: Apache-2.0
"""The verifier that runs after the import and after every rewrite."""

from __future__ import annotations

import numpy as np

from . import layers as L
from .network import Network
from .tensor import DTYPES


class NetworkError(AssertionError):
    """The network breaks a rule of its own representation: a defect of this compiler."""


def _require(condition: bool, where: str, what: str) -> None:
    if not condition:
        raise NetworkError(f"{where}: {what}")


def verify(network: Network) -> Network:
    """Checks every rule of a Network and returns it.

    Raises:
        NetworkError: names the layer or tensor, and the rule.
    """
    _require(network.mode in ("tflite", "onnx"), network.name, f"mode {network.mode!r}")
    for name, tensor in network.tensors.items():
        _require(name == tensor.name, name, "the key differs from the tensor's name")
        _require(tensor.dtype in DTYPES, name, f"dtype {tensor.dtype}")
        _require(all(d > 0 for d in tensor.shape), name, f"shape {tensor.shape}")
        if tensor.dtype == "int8":
            _require(tensor.quantisation is not None, name, "int8 without quantisation")
            _require(-128 <= tensor.zero_point <= 127, name, f"zero point {tensor.zero_point}")
            _require(np.isfinite(tensor.scale) and tensor.scale > 0, name, f"scale {tensor.scale}")
        if tensor.data is not None:
            _require(tensor.data.shape == tensor.shape, name, "data of another shape")
            _require(tensor.data.dtype == np.dtype(tensor.dtype), name, "data of another dtype")

    _require(bool(network.layers), network.name, "no layer")
    _require(bool(network.outputs), network.name, "no output")
    ready = set(network.inputs) | {n for n, t in network.tensors.items() if t.data is not None}
    names: set[str] = set()
    for layer in network.layers:
        _require(layer.name not in names, layer.name, "two layers of this name")
        names.add(layer.name)
        for name in layer.inputs:
            _require(name in network.tensors, layer.name, f"input {name} is not a tensor")
            _require(name in ready, layer.name, f"input {name} is used before it is computed")
        _require(layer.output in network.tensors, layer.name, f"output {layer.output} unknown")
        _require(layer.output not in ready, layer.name, f"output {layer.output} written twice")
        ready.add(layer.output)
        _verify_layer(network, layer)
    for name in network.outputs:
        _require(name in ready, name, "this output is never computed")
    return network


def _verify_layer(network: Network, layer: L.Layer) -> None:
    where = f"{layer.op} {layer.name}"
    if isinstance(layer, L.Fused):
        verify(layer.body)
        _require(layer.body.outputs == (layer.output,), where, "output")
        read = layer.inputs if layer.streamed is None else (layer.streamed,)
        _require(layer.body.inputs == read, where, "inputs")
        for name in (*layer.body.inputs, layer.output):
            same = layer.body.tensor(name).shape == network.tensor(name).shape
            _require(same, where, f"{name} has another shape inside")
        return
    if isinstance(layer, L.External):
        _require(layer.scratch_bytes >= 0 and layer.alignment in (4, 8), where, "scratch")
        _require("@NAME@(" in layer.function, where, "a function without a name")
        return
    inputs = [network.tensors[name] for name in layer.inputs]
    x, y = inputs[0], network.output_of(layer)

    def same_quantisation() -> None:
        for t in inputs:
            _require(t.quantisation == y.quantisation, where, "input and output quantised apart")

    def dtypes(source: str, result: str) -> None:
        for t in inputs:
            _require(t.dtype == source, where, f"input {t.name} is {t.dtype}, not {source}")
        _require(y.dtype == result, where, f"output is {y.dtype}, not {result}")

    expected: tuple[int, ...] | None = None
    clamp = getattr(layer, "clamp", None)
    if clamp is not None:
        _require(-128 <= clamp[0] <= clamp[1] <= 127, where, f"clamp {clamp}")

    if isinstance(layer, (L.Conv2D, L.DepthwiseConv2D, L.Dense)):
        dtypes("int8", "int8")
        _require(layer.weight.dtype == np.int8, where, "weights aren't int8")
        _require(layer.bias.dtype == np.int32, where, "bias isn't int32")
        out = layer.weight.shape[-1 if isinstance(layer, L.DepthwiseConv2D) else 0]
        _require(layer.bias.shape == (out,), where, "bias of another length")
        _require(layer.weight_scale.size in (1, out), where, "scales of another length")
        _require(bool(np.all(layer.weight_scale >= 0)), where, "a negative weight scale")
        if isinstance(layer, L.Dense):
            fits = len(x.shape) == 2 and x.shape[1] == layer.weight.shape[1]
            _require(fits, where, "input shape")
            expected = (x.shape[0], out)
        else:
            channels = (
                layer.weight.shape[3]
                if isinstance(layer, L.Conv2D)
                else layer.weight.shape[2] // layer.multiplier
            )
            _require(len(x.shape) == 4 and x.shape[3] == channels, where, "input shape")
            if isinstance(layer, L.DepthwiseConv2D):
                _require(channels * layer.multiplier == out, where, "depth multiplier")
            expected = _window(x.shape, layer.kernel, layer.stride, layer.padding, out)
    elif isinstance(layer, (L.MaxPool2D, L.AveragePool2D)):
        dtypes("int8", "int8")
        _require(len(x.shape) == 4, where, "input isn't NHWC")
        if isinstance(layer, L.MaxPool2D) or network.mode == "tflite":
            same_quantisation()
        p = layer.padding
        _require(max(p.top, p.bottom) < layer.kernel[0], where, "padding as large as the window")
        _require(max(p.left, p.right) < layer.kernel[1], where, "padding as large as the window")
        expected = _window(x.shape, layer.kernel, layer.stride, layer.padding, x.shape[3])
    elif isinstance(layer, (L.Add, L.Mul)):
        dtypes("int8", "int8")
        _require(len(inputs) == 2, where, "takes two inputs")
        expected = tuple(np.broadcast_shapes(*(t.shape for t in inputs)))
        _require(expected in [t.shape for t in inputs], where, "both inputs are broadcast")
    elif isinstance(layer, L.Mean):
        dtypes("int8", "int8")
        _require(list(layer.axes) == sorted(set(layer.axes)) and bool(layer.axes), where, "axes")
        _require(0 <= layer.axes[0] and layer.axes[-1] < len(x.shape), where, "axes")
        kept = tuple(1 if i in layer.axes else d for i, d in enumerate(x.shape))
        dropped = tuple(d for i, d in enumerate(x.shape) if i not in layer.axes)
        _require(y.shape in (kept, dropped), where, f"output shape {y.shape}")
    elif isinstance(layer, L.Pad):
        dtypes("int8", "int8")
        same_quantisation()
        _require(len(layer.pads) == len(x.shape), where, "pads of another rank")
        _require(-128 <= layer.value <= 127, where, "pad value")
        expected = tuple(d + a + b for d, (a, b) in zip(x.shape, layer.pads, strict=True))
    elif isinstance(layer, L.Reshape):
        dtypes(x.dtype, x.dtype)
        same_quantisation()
        _require(x.elements == y.elements, where, "reshape changes the number of elements")
    elif isinstance(layer, L.Transpose):
        dtypes(x.dtype, x.dtype)
        same_quantisation()
        _require(sorted(layer.permutation) == list(range(len(x.shape))), where, "permutation")
        expected = tuple(x.shape[p] for p in layer.permutation)
    elif isinstance(layer, L.Concat):
        dtypes(x.dtype, x.dtype)
        same_quantisation()
        _require(0 <= layer.axis < len(x.shape), where, "axis")
        total = sum(t.shape[layer.axis] for t in inputs)
        expected = (*x.shape[: layer.axis], total, *x.shape[layer.axis + 1 :])
        for t in inputs:
            _require(
                t.shape[: layer.axis] == x.shape[: layer.axis]
                and t.shape[layer.axis + 1 :] == x.shape[layer.axis + 1 :],
                where,
                "inputs of different shapes",
            )
    elif isinstance(layer, L.Softmax):
        _require(x.dtype in ("int8", "float32"), where, f"input is {x.dtype}")
        dtypes(x.dtype, x.dtype)
        expected = x.shape
    elif isinstance(layer, L.Clip):
        dtypes("int8", "int8")
        same_quantisation()
        expected = x.shape
    elif isinstance(layer, L.Quantize):
        dtypes("float32", "int8")
        expected = x.shape
    elif isinstance(layer, L.Dequantize):
        dtypes("int8", "float32")
        expected = x.shape
    elif isinstance(layer, L.Requantize):
        dtypes("int8", "int8")
        expected = x.shape
    elif isinstance(layer, L.Lookup):
        dtypes("int8", "int8")
        fits = layer.table.dtype == np.int8 and layer.table.shape == (256,)
        _require(fits, where, "a table that isn't int8 [256]")
        expected = x.shape
    elif isinstance(layer, L.ResizeNearest):
        dtypes("int8", "int8")
        same_quantisation()
        _require(len(x.shape) == 4, where, "input isn't NHWC")
        _require(all(0 <= r < x.shape[1] for r in layer.rows), where, "rows")
        _require(all(0 <= c < x.shape[2] for c in layer.columns), where, "columns")
        expected = (x.shape[0], len(layer.rows), len(layer.columns), x.shape[3])
    else:
        _require(False, where, f"unknown layer type {type(layer).__name__}")
    if expected is not None:
        _require(y.shape == expected, where, f"output shape {y.shape}, expected {expected}")
    if len(x.shape) == 4 and isinstance(
        layer, (L.Conv2D, L.DepthwiseConv2D, L.MaxPool2D, L.AveragePool2D, L.ResizeNearest)
    ):
        _require(x.shape[0] == 1, where, f"batch {x.shape[0]}, this compiler takes batch 1")


def _window(
    shape: tuple[int, ...],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: L.Padding,
    channels: int,
) -> tuple[int, ...]:
    height = (shape[1] + padding.top + padding.bottom - kernel[0]) // stride[0] + 1
    width = (shape[2] + padding.left + padding.right - kernel[1]) // stride[1] + 1
    return (shape[0], height, width, channels)
