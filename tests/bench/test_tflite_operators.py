# SPDX-License-Identifier: Apache-2.0
"""A .tflite file's operators, and the file without its conversions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.networks import small_network
from tests.tflite_models import run_tflite_micro, write_tflite
from tinyengine_tvm.importers.tflite_operators import operators, without_conversions
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import Dequantize, Quantize, Tensor, verify


def with_conversions() -> bytes:
    network = small_network()
    image, scores = network.tensor("image"), network.tensor("scores")
    tensors = {
        "real_image": Tensor("real_image", image.shape, "float32"),
        "real_scores": Tensor("real_scores", scores.shape, "float32"),
    }
    layers = (
        Quantize("quantize", ("real_image",), "image"),
        *network.layers,
        Dequantize("dequantize", ("scores",), "real_scores"),
    )
    ends = {"inputs": ("real_image",), "outputs": ("real_scores",)}
    return write_tflite(verify(network.with_layers(layers, tensors, **ends)))


def test_operators_with_their_macs():
    found = operators(write_tflite(small_network()))
    assert [(o.name, o.kind, o.macs, o.int8) for o in found] == [
        ("conv_2d_0", "CONV_2D", 120 * 45, True),
        ("depthwise_conv_2d_0", "DEPTHWISE_CONV_2D", 120 * 9, True),
        ("reshape_0", "RESHAPE", 0, True),
        ("fully_connected_0", "FULLY_CONNECTED", 1200, True),
    ]


def test_conversions_go_and_values_stay():
    data = with_conversions()
    assert [operators(data)[i].kind for i in (0, -1)] == ["QUANTIZE", "DEQUANTIZE"]
    assert not operators(data)[0].int8
    stripped = without_conversions(data)
    assert operators(stripped) == operators(write_tflite(small_network()))
    assert len(stripped) == len(data)
    pytest.importorskip("tflite_micro")
    image = np.random.default_rng(3).integers(-128, 128, (1, 9, 7, 5)).astype(np.int8)
    (expected,) = run_reference(small_network(), {"image": image}).values()
    np.testing.assert_array_equal(run_tflite_micro(stripped, [image])[0], expected)


def test_without_conversions_the_bytes_are_the_same():
    data = write_tflite(small_network())
    assert without_conversions(data) == data
