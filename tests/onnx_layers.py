# SPDX-License-Identifier: Apache-2.0
"""Runs one-layer Networks of mode onnx in onnxruntime, as int8 DequantizeLinear-op-QuantizeLinear.

Feature maps are NHWC here and NCHW there; this module turns them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tinyengine_tvm.network import (
    Add,
    AveragePool2D,
    Dequantize,
    Layer,
    MaxPool2D,
    Mean,
    Mul,
    Network,
    Quantize,
    Requantize,
    Softmax,
    Tensor,
)

OPSET = 17


def run_onnxruntime(
    network: Network, inputs: list[np.ndarray], opset: int = OPSET, global_pool: bool = True
) -> np.ndarray:
    """The layer's output by onnxruntime without graph optimisations.

    `global_pool`: a mean over rows and columns becomes GlobalAveragePool instead of ReduceMean.
    """
    import onnxruntime

    (layer,) = network.layers
    pooled = isinstance(layer, Mean) and layer.axes == (1, 2) and len(inputs[0].shape) == 4
    spatial = isinstance(layer, (MaxPool2D, AveragePool2D)) or (pooled and global_pool)
    model = _model(network, layer, opset, spatial)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    if spatial:
        inputs = [np.ascontiguousarray(x.transpose(0, 3, 1, 2)) for x in inputs]
    (output,) = session.run(None, dict(zip(network.inputs, inputs, strict=True)))
    if spatial:
        output = output.transpose(0, 2, 3, 1)
    return output.reshape(network.output_of(layer).shape)


def _model(network: Network, layer: Layer, opset: int, spatial: bool) -> onnx.ModelProto:
    constants: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def parameters(tensor: Tensor) -> list[str]:
        names = [f"{tensor.name}_scale", f"{tensor.name}_zero"]
        values = np.float32(tensor.scale), np.int8(tensor.zero_point)
        constants.extend(
            numpy_helper.from_array(np.array(v), n) for n, v in zip(names, values, strict=True)
        )
        return names

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    tensors = [network.tensor(name) for name in network.inputs]
    y = network.output_of(layer)
    real = []
    for x in tensors:
        real.append(x.name)
        if x.dtype == "int8":
            real[-1] = f"{x.name}_real"
            node("DequantizeLinear", [x.name, *parameters(x)], real[-1])
    result = "y_real" if y.dtype == "int8" else y.name
    kind, attributes = _operator(layer, opset, spatial, network)
    if kind == "ReduceMean" and opset >= 18:
        axes = attributes.pop("axes")
        constants.append(numpy_helper.from_array(np.array(axes, np.int64), "axes"))
        real.append("axes")
    if isinstance(layer, (Quantize, Requantize)):
        result = real[0]
    elif isinstance(layer, Dequantize):
        nodes[0].output[0] = y.name
    else:
        node(kind, real, result, **attributes)
    if y.dtype == "int8":
        node("QuantizeLinear", [result, *parameters(y)], y.name)

    def value(tensor: Tensor) -> onnx.ValueInfoProto:
        kind = TensorProto.INT8 if tensor.dtype == "int8" else TensorProto.FLOAT
        return helper.make_tensor_value_info(tensor.name, kind, None)

    graph = helper.make_graph(nodes, "one", [value(x) for x in tensors], [value(y)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    return model


def _operator(
    layer: Layer, opset: int, spatial: bool, network: Network
) -> tuple[str, dict[str, Any]]:
    if isinstance(layer, (Add, Mul)):
        return type(layer).__name__, {}
    if isinstance(layer, Softmax):
        return "Softmax", {"axis": -1}
    if isinstance(layer, Mean):
        if spatial:
            return "GlobalAveragePool", {}
        keep = len(network.output_of(layer).shape) == len(network.input_of(layer).shape)
        return "ReduceMean", {"axes": list(layer.axes), "keepdims": int(keep)}
    if isinstance(layer, (MaxPool2D, AveragePool2D)):
        p = layer.padding
        attributes: dict[str, Any] = {
            "kernel_shape": layer.kernel,
            "strides": layer.stride,
            "pads": [p.top, p.left, p.bottom, p.right],
        }
        if isinstance(layer, MaxPool2D):
            return "MaxPool", attributes
        return "AveragePool", {**attributes, "count_include_pad": int(layer.count_padding)}
    return "", {}
