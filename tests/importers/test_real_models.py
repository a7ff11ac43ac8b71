# SPDX-License-Identifier: Apache-2.0
"""Import of real .tflite models, held against what the files say when read without TVM."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import tflite

from tinyengine_tvm.importers import import_network
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import Add, Conv2D, Dense, DepthwiseConv2D, Padding
from tinyengine_tvm.rewrites import apply

OPERATORS = {
    "ad01_int8": {"dense": 10},
    "kws_ref_model": {
        "conv2d": 5,
        "depthwise_conv2d": 4,
        "average_pool2d": 1,
        "reshape": 1,
        "dense": 1,
        "softmax": 1,
    },
    "mcunet_vww": {
        "quantize": 1,
        "pad": 4,
        "conv2d": 30,
        "depthwise_conv2d": 15,
        "add": 8,
        "transpose": 1,
        "mean": 2,
        "dense": 1,
        "dequantize": 1,
    },
    "pretrainedResnet_quant": {
        "conv2d": 9,
        "add": 3,
        "average_pool2d": 1,
        "reshape": 1,
        "dense": 1,
        "softmax": 1,
    },
    "vww_96_int8": {
        "conv2d": 14,
        "depthwise_conv2d": 13,
        "average_pool2d": 1,
        "reshape": 1,
        "dense": 1,
        "softmax": 1,
    },
}


@pytest.fixture(scope="module", params=OPERATORS)
def imported(request, shared_models):
    path = shared_models / f"{request.param}.tflite"
    network = import_network(path, name="net")
    return request.param, network, tflite.Model.GetRootAs(path.read_bytes(), 0)


def operators(model):
    graph = model.Subgraphs(0)
    return [graph.Operators(i) for i in range(graph.OperatorsLength())]


def test_every_operator_becomes_its_layer(imported):
    name, network, _ = imported
    assert Counter(layer.op for layer in network.layers) == OPERATORS[name]
    assert network.mode == "tflite"


def test_shapes_and_scales_are_those_of_the_file(imported):
    """Layers and operators stand in the same order, so they can be compared one by one."""
    _, network, model = imported
    graph = model.Subgraphs(0)
    assert len(network.layers) == len(operators(model))
    for layer, operator in zip(network.layers, operators(model), strict=True):
        stored = graph.Tensors(operator.Outputs(0))
        output = network.output_of(layer)
        assert output.shape == tuple(stored.ShapeAsNumpy())
        if output.dtype == "int8":
            assert output.scale == float(stored.Quantization().Scale(0))
            assert output.zero_point == stored.Quantization().ZeroPoint(0)


def test_weights_scales_and_biases_are_those_of_the_file(imported):
    _, network, model = imported
    graph = model.Subgraphs(0)

    def data(index, dtype):
        tensor = graph.Tensors(index)
        values = model.Buffers(tensor.Buffer()).DataAsNumpy().view(dtype)
        return values.reshape(tensor.ShapeAsNumpy()), tensor.Quantization().ScaleAsNumpy()

    compared = 0
    for layer, operator in zip(network.layers, operators(model), strict=True):
        if not isinstance(layer, (Conv2D, DepthwiseConv2D, Dense)):
            continue
        weight, scale = data(operator.Inputs(1), np.int8)
        bias, _ = data(operator.Inputs(2), np.int32)
        if isinstance(layer, DepthwiseConv2D):
            weight = weight[0]
        np.testing.assert_array_equal(layer.weight, weight)
        np.testing.assert_array_equal(layer.weight_scale, scale)
        np.testing.assert_array_equal(layer.bias, bias)
        compared += 1
    assert compared >= 10


def test_interface_bears_the_names_of_the_file(imported):
    _, network, model = imported
    graph = model.Subgraphs(0)
    for names, indices in (
        (network.inputs, graph.InputsAsNumpy()),
        (network.outputs, graph.OutputsAsNumpy()),
    ):
        expected = [graph.Tensors(int(i)).Name().decode() for i in indices]
        assert [network.source[name] for name in names] == expected
        assert all(name.isidentifier() for name in names)


def test_golden_outputs_before_and_after_the_rewrites(imported, shared_dir):
    name, network, _ = imported
    golden = np.load(shared_dir / "golden" / f"{name}.npz")
    for candidate in (network, apply(network)):
        source = candidate.tensor(candidate.inputs[0])
        for sample, expected in zip(golden["inputs"][:2], golden["outputs"], strict=False):
            result = run_reference(candidate, {source.name: sample.reshape(source.shape)})
            np.testing.assert_array_equal(result[candidate.outputs[0]].ravel(), expected.ravel())


def test_fused_activations_become_clamps(shared_models):
    network = import_network(shared_models / "pretrainedResnet_quant.tflite", name="net")
    adds = [layer for layer in network.layers if isinstance(layer, Add)]
    # Each residual sum ends in a relu, and zero is stored as -128.
    assert [network.output_of(layer).zero_point for layer in adds] == [-128] * 3
    assert {layer.clamp for layer in adds} == {(-128, 127)}
    network = import_network(shared_models / "mcunet_vww.tflite", name="net")
    clamped = [layer for layer in network.layers if isinstance(layer, Conv2D)]
    relu6 = [layer for layer in clamped if network.output_of(layer).zero_point == -128]
    assert all(layer.clamp[1] == 127 for layer in relu6)


def test_paddings_follow_tflites_same(shared_models):
    network = import_network(shared_models / "kws_ref_model.tflite", name="net")
    first = network.layers[0]
    assert isinstance(first, Conv2D)
    # 49 x 10 under a 10 x 4 kernel with stride 2: the odd row goes to the bottom.
    assert (first.kernel, first.stride) == ((10, 4), (2, 2))
    assert first.padding == Padding(top=4, left=1, bottom=5, right=1)


def test_int8_interface(shared_models):
    network = import_network(shared_models / "mcunet_vww.tflite", name="net", interface="int8")
    kept = import_network(shared_models / "mcunet_vww.tflite", name="net")
    assert network.inputs == kept.inputs and network.outputs == kept.outputs
    assert network.tensor(network.inputs[0]).dtype == "int8"
    assert network.tensor(network.outputs[0]).dtype == "int8"
    assert kept.tensor(kept.inputs[0]).dtype == "float32"
    quantised = kept.output_of(kept.layers[0])
    assert network.tensor(network.inputs[0]).quantisation == quantised.quantisation
    assert len(network.layers) == len(kept.layers) - 2


def test_no_transpose_and_no_pad_is_left_of_mcunet(shared_models):
    network = apply(import_network(shared_models / "mcunet_vww.tflite", name="net"))
    counts = Counter(layer.op for layer in network.layers)
    assert "transpose" not in counts and "pad" not in counts and "reshape" not in counts
    first, second = (layer for layer in network.layers if layer.op == "mean")
    # Both means stay, each with a result of its own: their roundings add up.
    assert (first.axes, second.axes) == ((2,), (1,))
    assert network.output_of(first).shape == (1, 3, 160)
    assert network.output_of(second).shape == (1, 160)
