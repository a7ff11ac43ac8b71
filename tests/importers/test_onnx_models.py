# SPDX-License-Identifier: Apache-2.0
"""Import of ONNX QDQ networks, held against the file and against onnxruntime."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.onnx_models import NETWORKS, quantised, samples, save
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import Clip, Conv2D, Dense, DepthwiseConv2D, ResizeNearest
from tinyengine_tvm.rewrites import apply

VARIANTS = {
    "int8": {},
    "uint8": {"unsigned": True},
    "per_tensor": {"per_channel": False},
    "symmetric": {"symmetric": True},
}


def reference_session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def assert_equal_to_onnxruntime(network, model: bytes, inputs) -> None:
    session = reference_session(model)
    wrong = values = 0
    for sample in inputs:
        expected = session.run(None, {network.source[network.inputs[0]]: sample})
        result = run_reference(network, {network.inputs[0]: sample})
        for name, wanted in zip(network.outputs, expected, strict=True):
            source = network.producer(name)
            step = network.input_of(source).scale
            distance = np.abs(result[name] - wanted) / step
            assert distance.max() < 1.5
            wrong += int((distance > 0.5).sum())
            values += wanted.size
    assert values >= 16 and wrong <= values // 1000


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_results_equal_onnxruntime(name, variant, tmp_path):
    path = save(name, tmp_path, **VARIANTS[variant])
    network = import_network(path, name="net")
    assert network.mode == "onnx"
    assert_equal_to_onnxruntime(network, path.read_bytes(), samples(name, 4))
    assert_equal_to_onnxruntime(apply(network), path.read_bytes(), samples(name, 4))


WEIGHTED = {"Conv": (Conv2D, DepthwiseConv2D), "Gemm": (Dense,)}


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_scales_and_biases_are_those_of_the_file(name, tmp_path):
    model = quantised(name)
    network = import_network(save(name, tmp_path), name="net")
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    producers = {n.output[0]: n for n in model.graph.node}
    found = [layer for layer in network.layers if isinstance(layer, (*WEIGHTED["Conv"], Dense))]
    nodes = [node for node in model.graph.node if node.op_type in WEIGHTED]
    assert len(found) == len(nodes) > 0
    # Nodes that don't depend on each other may change places, so look each up by its weights.
    for node in nodes:
        stored, scale_name = producers[node.input[1]].input[:2]
        weight, scale = constants[stored], constants[scale_name]
        bias = constants[producers[node.input[2]].input[0]] if len(node.input) > 2 else 0
        matches = [
            layer
            for layer in found
            if isinstance(layer, WEIGHTED[node.op_type])
            and layer.weight_scale.shape == scale.shape
            and np.array_equal(layer.weight_scale, scale)
        ]
        (layer,) = matches
        if isinstance(layer, Conv2D):
            weight = weight.transpose(0, 2, 3, 1)
        elif isinstance(layer, DepthwiseConv2D):
            weight = weight[:, 0].transpose(1, 2, 0)
        np.testing.assert_array_equal(layer.weight, weight)
        np.testing.assert_array_equal(layer.bias, np.broadcast_to(bias, layer.bias.shape))


@pytest.mark.parametrize("unsigned", [False, True])
def test_activation_scales_are_exact_and_uint8_is_shifted(unsigned, tmp_path):
    model = quantised("residual", unsigned=unsigned)
    network = import_network(save("residual", tmp_path, unsigned=unsigned), name="net")
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    stored = Counter(
        (float(constants[n.input[1]]), int(constants[n.input[2]]) - (128 if unsigned else 0))
        for n in model.graph.node
        if n.op_type == "QuantizeLinear"
    )
    quantised_tensors = {
        (network.output_of(layer).scale, network.output_of(layer).zero_point)
        for layer in network.layers
        if layer.op not in ("transpose", "dequantize")
    }
    assert quantised_tensors == set(stored)


def test_interface_bears_the_names_of_the_file(tmp_path):
    network = import_network(save("two_outputs", tmp_path), name="net")
    model = quantised("two_outputs")
    assert [network.source[n] for n in network.inputs] == [i.name for i in model.graph.input]
    assert [network.source[n] for n in network.outputs] == [o.name for o in model.graph.output]
    shapes = [network.tensor(n).shape for n in network.outputs]
    assert shapes == [(1, 4, 8, 8), (1, 10, 10, 2)]


def qdq_model(nodes, constants, outputs, shape=(1, 3, 8, 8), opset=17) -> onnx.ModelProto:
    """A model from (operator, inputs, output, attributes), in the manner of other exporters."""
    graph = helper.make_graph(
        [
            helper.make_node(op, ins, [out], name=f"n_{out}", **attrs)
            for op, ins, out, attrs in nodes
        ],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def fused_model(activation, *, float_bias: bool, shape=(1, 3, 8, 8)) -> onnx.ModelProto:
    """Conv with an activation before the one quantize, as PyTorch exports it."""
    rng = np.random.default_rng(5)
    constants = {
        "sx": np.float32(0.031),
        "zx": np.int8(7),
        "w": rng.integers(-127, 128, (6, 3, 3, 3)).astype(np.int8),
        "sw": rng.uniform(0.002, 0.01, 6).astype(np.float32),
        "zw": np.zeros(6, np.int8),
        "sy": np.float32(0.05),
        "zy": np.int8(-11),
        "low": np.float32(-0.3),
        "high": np.float32(1.7),
    }
    real_bias = rng.normal(0, 0.5, 6).astype(np.float32)
    nodes = [
        ("QuantizeLinear", ["x", "sx", "zx"], "xq", {}),
        ("DequantizeLinear", ["xq", "sx", "zx"], "xf", {}),
        ("DequantizeLinear", ["w", "sw", "zw"], "wf", {"axis": 0}),
    ]
    if float_bias:
        constants["bf"] = real_bias
    else:
        # At a scale of its own, which isn't input scale x weight scale.
        constants.update(b=np.round(real_bias / 1e-6).astype(np.int32), sb=np.float32(1e-6))
        nodes.append(("DequantizeLinear", ["b", "sb"], "bf", {}))
    nodes.append(("Conv", ["xf", "wf", "bf"], "c", {"pads": [1, 1, 1, 1], "strides": [2, 2]}))
    if activation == "Relu":
        nodes.append(("Relu", ["c"], "a", {}))
    elif activation == "Clip":
        nodes.append(("Clip", ["c", "low", "high"], "a", {}))
    last = nodes[-1][2]
    nodes += [
        ("QuantizeLinear", [last, "sy", "zy"], "yq", {}),
        ("DequantizeLinear", ["yq", "sy", "zy"], "y", {}),
    ]
    used = {name for _, inputs, _, _ in nodes for name in inputs}
    constants = {name: value for name, value in constants.items() if name in used}
    return qdq_model(nodes, constants, ["y"], shape)


@pytest.mark.parametrize("float_bias", [False, True])
@pytest.mark.parametrize(
    ("activation", "clamp"),
    [
        ("none", (-128, 127)),
        ("Relu", (-11, 127)),
        # -0.3 / 0.05 = -6 and 1.7 / 0.05 = 34 from the zero point.
        ("Clip", (-17, 23)),
    ],
)
def test_activation_before_the_quantize_becomes_the_clamp(activation, clamp, float_bias, tmp_path):
    model = fused_model(activation, float_bias=float_bias)
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    network = import_network(path, name="net")
    (conv,) = (layer for layer in network.layers if isinstance(layer, Conv2D))
    assert conv.clamp == clamp
    inputs = np.random.default_rng(6).normal(0, 1.5, (6, 1, 3, 8, 8)).astype(np.float32)
    assert_equal_to_onnxruntime(network, path.read_bytes(), inputs)


def test_a_separate_relu_is_a_clip_until_it_is_fused(tmp_path):
    network = import_network(save("conv_1x1", tmp_path, symmetric=True), name="net")
    (clip,) = (layer for layer in network.layers if isinstance(layer, Clip))
    assert clip.clamp == (0, 127)
    rewritten = apply(network)
    assert not [layer for layer in rewritten.layers if isinstance(layer, Clip)]
    first = next(layer for layer in rewritten.layers if isinstance(layer, Conv2D))
    assert first.clamp == (0, 127)


@pytest.mark.parametrize("size", [(12, 20), (5, 3), (8, 8), (11, 13)])
@pytest.mark.parametrize("nearest", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
@pytest.mark.parametrize(
    "coordinates", ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"]
)
def test_resize_copies_the_pixels_that_onnxruntime_copies(coordinates, nearest, size, tmp_path):
    nodes = [
        ("QuantizeLinear", ["x", "s", "z"], "q", {}),
        ("DequantizeLinear", ["q", "s", "z"], "f", {}),
        (
            "Resize",
            ["f", "", "", "sizes"],
            "r",
            {
                "mode": "nearest",
                "coordinate_transformation_mode": coordinates,
                "nearest_mode": nearest,
            },
        ),
        ("QuantizeLinear", ["r", "s", "z"], "rq", {}),
        ("DequantizeLinear", ["rq", "s", "z"], "y", {}),
    ]
    constants = {
        "s": np.float32(1.0),
        "z": np.int8(0),
        "sizes": np.array([1, 1, *size], np.int64),
    }
    model = qdq_model(nodes, constants, ["y"], (1, 1, 8, 8))
    path = tmp_path / "resize.onnx"
    onnx.save(model, path)
    network = import_network(path, name="net")
    if size != (8, 8):
        assert any(isinstance(layer, ResizeNearest) for layer in network.layers)
    pixels = np.arange(64, dtype=np.float32).reshape(1, 1, 8, 8)
    expected = reference_session(path.read_bytes()).run(None, {"x": pixels})[0]
    result = run_reference(network, {network.inputs[0]: pixels})[network.outputs[0]]
    np.testing.assert_array_equal(result, expected)


def test_constants_given_as_nodes(tmp_path):
    """PyTorch writes scales and zero points as Constant nodes, not as initializers."""
    model = fused_model("Relu", float_bias=False)
    graph = model.graph
    moved = [t for t in graph.initializer if t.name in ("sx", "zx", "sy", "zy", "w")]
    for tensor in moved:
        graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
        graph.initializer.remove(tensor)
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    network = import_network(path, name="net")
    inputs = np.random.default_rng(8).normal(0, 1.5, (3, 1, 3, 8, 8)).astype(np.float32)
    assert_equal_to_onnxruntime(network, path.read_bytes(), inputs)


def test_int8_interface(tmp_path):
    path = save("conv_3x3", tmp_path)
    kept = import_network(path, name="net")
    network = import_network(path, name="net", interface="int8")
    (x,), (y,) = network.inputs, network.outputs
    assert (network.tensor(x).dtype, network.tensor(y).dtype) == ("int8", "int8")
    assert not {"quantize", "dequantize"} & {layer.op for layer in network.layers}
    source, target = network.tensor(x), network.tensor(y)
    sample = samples("conv_3x3", 1)[0]
    stored = np.clip(np.rint(sample / np.float32(source.scale)) + source.zero_point, -128, 127)
    real = run_reference(kept, {x: sample})[y]
    result = run_reference(network, {x: stored.astype(np.int8)})[y].astype(np.float32)
    np.testing.assert_array_equal((result - target.zero_point) * np.float32(target.scale), real)
