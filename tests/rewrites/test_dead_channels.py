# SPDX-License-Identifier: Apache-2.0
"""Dead channels go, outputs stay."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from tests.rewrites.random_networks import random_inputs, random_network
from tinyengine_tvm import rewrites
from tinyengine_tvm.kernels.reference import run_layers, run_reference
from tinyengine_tvm.network import (
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Network,
    Padding,
    Quantisation,
    Tensor,
    verify,
)
from tinyengine_tvm.network.macs import network_macs
from tinyengine_tvm.rewrites.dead_channels import remove_dead_channels
from tinyengine_tvm.rewrites.ranges import value_ranges

NETWORKS = 1000 if os.environ.get("TINYENGINE_THOROUGH") else 120


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
@pytest.mark.parametrize("multiple", [1, 4])
def test_outputs_of_random_networks_do_not_change(mode, multiple):
    saved = 0
    for seed in range(NETWORKS):
        network = random_network(seed, mode)
        smaller = verify(remove_dead_channels(network, multiple))
        assert network_macs(smaller) <= network_macs(network)
        saved += network_macs(smaller) < network_macs(network)
        for sample in random_inputs(network, seed):
            expected = run_reference(network, sample)
            found = run_reference(smaller, sample)
            assert expected.keys() == found.keys()
            for name, value in expected.items():
                np.testing.assert_array_equal(found[name], value, f"seed {seed}")
    assert saved > NETWORKS // 3


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_nothing_is_left_to_remove(mode):
    for seed in range(40):
        once = remove_dead_channels(random_network(seed, mode), 1)
        assert network_macs(remove_dead_channels(once, 1)) == network_macs(once), seed


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_ranges_hold_every_value(mode):
    narrow = 0
    for seed in range(60):
        network = random_network(seed, mode)
        ranges = value_ranges(network)
        narrow += sum(int(r.uniform.sum()) for r in ranges.values())
        for sample in random_inputs(network, seed, 6):
            for name, value in run_layers(network, sample).items():
                assert (ranges[name].low <= value).all(), (seed, name)
                assert (value <= ranges[name].high).all(), (seed, name)
    assert narrow > 100


def chain(constant: int, zero: int, padding: Padding) -> Network:
    """conv -> depthwise 3x3 -> conv; channel 1 of the first is always `constant`."""
    own = Quantisation(0.05, zero)
    tensors = [
        Tensor("x", (1, 5, 5, 2), "int8", own),
        Tensor("a", (1, 5, 5, 2), "int8", own),
        Tensor("b", (1, 5 - 2 + 2 * padding.top, 5 - 2 + 2 * padding.left, 2), "int8", own),
        Tensor("y", (1, 5 - 2 + 2 * padding.top, 5 - 2 + 2 * padding.left, 3), "int8", own),
    ]
    first = np.array([[3, -70], [0, 0]], np.int8).reshape(2, 1, 1, 2)
    taps = np.arange(-9, 9).reshape(3, 3, 2).astype(np.int8)
    last = np.array([[40, 50], [-60, 70], [80, 90]], np.int8).reshape(3, 1, 1, 2)
    scale = np.array([0.02], np.float32)
    bias = np.array([5, (constant - zero) * 50], np.int32)
    none = np.zeros(2, np.int32)
    layers = (
        Conv2D("first", ("x",), "a", first, scale, bias),
        DepthwiseConv2D("middle", ("a",), "b", taps, scale, none, padding=padding),
        Conv2D("last", ("b",), "y", last, scale, np.zeros(3, np.int32)),
    )
    return verify(Network("chain", "tflite", {t.name: t for t in tensors}, layers, ("x",), ("y",)))


@pytest.mark.parametrize(
    ("constant", "padding", "left"),
    [
        (-3, Padding(1, 1, 1, 1), 1),  # the constant is the zero point: the border is like the rest
        (40, Padding(), 1),  # no border
        (40, Padding(1, 1, 1, 1), 2),  # the depthwise layer's border differs from its inside
    ],
)
def test_constant_channel_before_a_padded_depthwise(constant, padding, left):
    network = chain(constant, -3, padding)
    smaller = remove_dead_channels(network, 1)
    assert [smaller.output_of(layer).shape[-1] for layer in smaller.layers] == [left, left, 3]
    for sample in random_inputs(network, 1):
        np.testing.assert_array_equal(
            run_reference(smaller, sample)["y"], run_reference(network, sample)["y"]
        )


@pytest.mark.parametrize(("constant", "padded", "left"), [(-3, 1, 1), (40, 0, 1), (40, 1, 2)])
def test_constant_channel_before_a_padded_convolution(constant, padded, left):
    network = chain(constant, -3, Padding(1, 1, 1, 1))
    first = network.layers[0]
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (3, 3, 3, 2)).astype(np.int8)
    around = Padding(padded, padded, padded, padded)
    size = 3 + 2 * padded
    y = Tensor("y", (1, size, size, 3), "int8", network.tensor("a").quantisation)
    last = Conv2D("last", ("a",), "y", weight, first.weight_scale, np.arange(3, dtype=np.int32))
    network = verify(network.with_layers((first, replace(last, padding=around)), {"y": y}))
    smaller = verify(remove_dead_channels(network, 1))
    assert smaller.tensor("a").shape[-1] == left
    for sample in random_inputs(network, 1):
        np.testing.assert_array_equal(
            run_reference(smaller, sample)["y"], run_reference(network, sample)["y"]
        )


def test_a_dense_layer_keeps_its_way_of_rounding():
    """TFLite multiplies a single scale in float32, many scales in double precision."""
    rng = np.random.default_rng(3)
    own = Quantisation(0.043, 7)
    tensors = [Tensor(n, s, "int8", own) for n, s in (("x", (1, 4)), ("h", (1, 3)), ("y", (1, 2)))]
    first = np.zeros((3, 4), np.int8)
    first[1] = rng.integers(-127, 128, 4)
    layers = (
        Dense("a", ("x",), "h", first, rng.random(3).astype(np.float32), np.zeros(3, np.int32)),
        Dense(
            "b",
            ("h",),
            "y",
            rng.integers(-127, 128, (2, 3)).astype(np.int8),
            np.array([0.01], np.float32),
            np.zeros(2, np.int32),
        ),
    )
    network = verify(Network("n", "tflite", {t.name: t for t in tensors}, layers, ("x",), ("y",)))
    smaller = verify(remove_dead_channels(network, 1))
    assert smaller.tensor("h").shape == (1, 2)
    assert smaller.layers[0].weight_scale.size == 2


def test_rounding_up_keeps_dead_channels():
    kept = remove_dead_channels(chain(-3, -3, Padding(1, 1, 1, 1)), 2)
    assert kept.tensor("a").shape[-1] == 2


def test_real_model(shared_models):
    """The figure of the published analysis: 3,733,073 of 7,489,664 MACs are live."""
    from tinyengine_tvm.importers import import_network

    model = import_network(shared_models / "vww_96_int8.tflite", name="net")
    network = rewrites.apply(model, {"dead_channels"})
    assert network_macs(network) == 7_489_664
    smaller = verify(remove_dead_channels(network, 1))
    assert network_macs(smaller) <= 3_733_073
    for sample in random_inputs(network, 5, 6):
        expected, found = run_reference(network, sample), run_reference(smaller, sample)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)
