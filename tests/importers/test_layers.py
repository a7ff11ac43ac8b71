# SPDX-License-Identifier: Apache-2.0
"""Single TFLite layers of every operator survive the way through a file and TVM."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.networks import int8_tensor
from tests.random_layers import WEIGHTED, WEIGHTLESS, samples
from tests.tflite_models import write_tflite
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import (
    Add,
    Clip,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Network,
    Requantize,
    Reshape,
)

COUNT = 24


def writable(operator):
    """Random layers that a TFLite file can express, of batch 1."""
    found = []
    for network, values in samples(operator, "tflite", 4 * COUNT, seed=11):
        shapes = [network.tensor(name).shape for name in network.inputs]
        if any(len(shape) > 1 and shape[0] != 1 for shape in shapes):
            continue
        try:
            found.append((network, values, write_tflite(network)))
        except ValueError:
            continue
    return found[:COUNT]


@pytest.mark.parametrize("operator", [*WEIGHTLESS, *WEIGHTED])
def test_layer_is_imported_as_it_was_written(operator, tmp_path):
    cases = writable(operator)
    assert len(cases) >= 5
    path = tmp_path / "layer.tflite"
    for network, values, model in cases:
        path.write_bytes(model)
        found = import_network(path, name="net")
        (written,), (layer,) = network.layers, found.layers
        single = isinstance(written, DepthwiseConv2D) and written.multiplier == len(written.bias)
        # A depthwise convolution of one channel is a plain one, and a relu of values that are
        # never negative just a copy.
        nothing = isinstance(written, (Clip, Requantize)) and isinstance(layer, (Clip, Reshape))
        assert single or nothing or type(layer) is type(written)
        for field in dataclasses.fields(written):
            if single or nothing or field.name in ("name", "inputs", "output"):
                continue
            np.testing.assert_array_equal(getattr(layer, field.name), getattr(written, field.name))
        assert found.output_of(layer).quantisation == network.output_of(written).quantisation
        expected = run_reference(network, dict(zip(network.inputs, values, strict=True)))
        result = run_reference(found, dict(zip(found.inputs, values, strict=True)))
        np.testing.assert_array_equal(*expected.values(), *result.values())


def test_layers_run_in_the_order_of_the_file(tmp_path):
    """The order decides what has to be in memory at once; it is the file's to choose."""
    tensors = [int8_tensor("x", (1, 4, 4, 3)), int8_tensor("y", (1, 4, 4, 3), 0.07)]
    tensors += [int8_tensor(name, (1, 4, 4, 3), 0.06 + i / 100) for i, name in enumerate("abcd")]
    layers = []
    for index, (source, target) in enumerate((("x", "a"), ("x", "b"), ("a", "c"), ("b", "d"))):
        weight = np.full((3, 1, 1, 3), index + 1, np.int8)
        scale, bias = np.full(1, 0.01, np.float32), np.zeros(3, np.int32)
        layers.append(Conv2D(target, (source,), target, weight, scale, bias))
    layers.append(Add("sum", ("d", "c"), "y"))
    named = {tensor.name: tensor for tensor in tensors}
    network = Network("order", "tflite", named, tuple(layers), ("x",), ("y",))
    path = tmp_path / "model.tflite"
    path.write_bytes(write_tflite(network))
    found = import_network(path, name="net").layers
    assert [int(layer.weight.flat[0]) for layer in found[:4]] == [1, 2, 3, 4]
    assert isinstance(found[4], Add)
    assert found[4].inputs == (found[3].output, found[2].output)


@pytest.mark.parametrize("shape", [(1, 2, 2, 3), (12,), (1, 1, 12)])
def test_a_dense_layer_flattens_its_input_whatever_the_rank(shape, tmp_path):
    """TFLite's FULLY_CONNECTED takes any shape; the Network's Dense takes a matrix."""
    rng = np.random.default_rng(2)
    tensors = [int8_tensor("x", shape), int8_tensor("y", (1, 5), 0.4)]
    weight = rng.integers(-127, 128, (5, 12)).astype(np.int8)
    layer = Dense("d", ("x",), "y", weight, np.full(1, 0.01, np.float32), np.zeros(5, np.int32))
    named = {tensor.name: tensor for tensor in tensors}
    model = write_tflite(Network("d", "tflite", named, (layer,), ("x",), ("y",)))
    path = tmp_path / "model.tflite"
    path.write_bytes(model)
    network = import_network(path, name="net")
    sample = rng.integers(-128, 128, shape).astype(np.int8)
    result = run_reference(network, {"x": sample})["y"]
    flat = dataclasses.replace(named["x"], shape=(1, 12))
    plain = Network("d", "tflite", {**named, "x": flat}, (layer,), ("x",), ("y",))
    expected = run_reference(plain, {"x": sample.reshape(1, 12)})["y"]
    np.testing.assert_array_equal(result, expected)
