# SPDX-License-Identifier: Apache-2.0
"""Evaluation of constants, clamps and index maps, without TVM."""

from __future__ import annotations

import numpy as np
import pytest

from tinyengine_tvm.dialects.lower import identifier
from tinyengine_tvm.dialects.operators.activation import FULL, float_clamp, intersect, stored
from tinyengine_tvm.dialects.operators.shape import nearest
from tinyengine_tvm.dialects.operators.weights import bias, weights
from tinyengine_tvm.dialects.stored import UnsupportedError
from tinyengine_tvm.dialects.tree import Constant, Node
from tinyengine_tvm.network import Quantisation


def dequantized(data, scale, axis=0, zero=0):
    scale = np.asarray(scale, np.float32)
    zeros = np.full(scale.shape, zero, data.dtype if data.dtype != np.int32 else np.int32)
    operands = (Constant(data), Constant(scale), Constant(zeros))
    return Node("dequantize", operands, {"axis": axis}, data.shape, "float32")


def moved(op, node, shape, **attributes):
    return Node(op, (node,), attributes, shape, "float32")


def test_weights_keep_their_scales_through_transpose_and_reshape():
    data = np.arange(24, dtype=np.int8).reshape(2, 3, 4)
    node = dequantized(data, [0.5, 0.25, 0.125], axis=1)
    node = moved("permute_dims", node, (3, 2, 4), axes=(1, 0, 2))
    node = moved("reshape", node, (3, 8))
    found, scale = weights(node, (0, 1))
    np.testing.assert_array_equal(found, data.transpose(1, 0, 2).reshape(3, 8))
    assert scale.tolist() == [0.5, 0.25, 0.125]


def test_unsigned_weights_are_shifted():
    data = np.array([[0, 128], [255, 130]], np.uint8)
    found, scale = weights(dequantized(data, 0.5, zero=128), (0, 1))
    assert found.tolist() == [[-128, 0], [127, 2]] and scale.tolist() == [0.5]


@pytest.mark.parametrize(
    ("scale", "axis", "zero", "message"),
    [
        (0.5, 0, 3, "zero point"),
        ([0.5, 0.25, 0.125], 1, 0, "another axis"),
        ([-0.5, 0.5], 0, 0, "negative or not finite"),
    ],
)
def test_weights_that_no_kernel_takes(scale, axis, zero, message):
    data = np.ones((2, 3), np.int8)
    with pytest.raises(UnsupportedError, match=message):
        weights(dequantized(data, scale, axis, zero), (0, 1))


def test_a_bias_at_the_accumulators_scale_is_taken_as_it_is():
    scale = np.array([0.01, 0.02], np.float32)
    stored_bias = np.array([2**30 + 1, -7], np.int32)
    node = dequantized(stored_bias, np.float32(0.1) * scale)
    for mode in ("tflite", "onnx"):
        np.testing.assert_array_equal(bias(node, 2, 0.1, scale, mode), stored_bias)


def test_a_bias_at_another_scale_is_rounded_to_the_accumulators_steps_in_onnx_only():
    scale = np.array([0.5, 0.25], np.float32)
    node = dequantized(np.array([100, 101], np.int32), np.float32(0.1))
    # 10.0 and 10.1 in steps of 0.25 and 0.125.
    assert bias(node, 2, 0.5, scale, "onnx").tolist() == [40, 81]
    assert bias(node, 2, 0.5, scale, "tflite").tolist() == [100, 101]


def test_biases_beyond_32_bits_and_of_another_length_are_refused():
    scale = np.array([1e-6], np.float32)
    with pytest.raises(UnsupportedError, match="beyond 32 bits"):
        bias(Constant(np.array([1e6], np.float32)), 1, 1e-6, scale, "onnx")
    with pytest.raises(UnsupportedError, match="3 values for 2 channels"):
        bias(Constant(np.zeros(3, np.float32)), 2, 1.0, scale, "onnx")


def test_bounds_round_halves_as_each_arithmetic_does():
    quantised = Quantisation(2.0, 0)
    assert [stored(v, quantised, "tflite") for v in (1, 3, 5, -1)] == [1, 2, 3, -1]
    assert [stored(v, quantised, "onnx") for v in (1, 3, 5, -1)] == [0, 2, 2, 0]


def test_relu_and_clip_become_clamps_of_stored_values():
    quantised = Quantisation(0.1, -20)
    relu = Node("nn.relu", (), {}, (), "float32")
    clip = Node("clip", (), {"scalars": [-1.0, 6.0]}, (), "float32")
    assert intersect(FULL, float_clamp(relu, quantised, "onnx")) == (-20, 127)
    assert intersect(FULL, float_clamp(clip, quantised, "onnx")) == (-30, 40)
    with pytest.raises(UnsupportedError, match="leaves no value"):
        intersect((0, 10), (20, 30))


def test_nearest_neighbours_of_tflite():
    assert nearest(3, 6, "asymmetric", "", "tflite") == (0, 0, 1, 1, 2, 2)
    assert nearest(5, 3, "align_corners", "", "tflite") == (0, 2, 4)
    assert nearest(4, 2, "half_pixel", "round_prefer_ceil", "tflite") == (1, 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("serving_default_input_1:0", "serving_default_input_1_0"),
        ("model/Relu;model/BatchNorm", "model_relu"),
        ("1422", "output_1422"),
        ("///", "output"),
    ],
)
def test_interface_names_are_readable_identifiers(name, expected):
    assert identifier(name, "output") == expected
