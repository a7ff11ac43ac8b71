# SPDX-License-Identifier: Apache-2.0
"""Conversions that a network doesn't need."""

from __future__ import annotations

import numpy as np
import pytest

from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import (
    Add,
    Clip,
    Dequantize,
    Layer,
    Network,
    Quantisation,
    Quantize,
    Tensor,
    verify,
)
from tinyengine_tvm.rewrites.fuse_interface import fuse_interface

STORED = np.arange(-128, 128).astype(np.int8)


def pair(mode: str, first: Quantisation, second: Quantisation) -> Network:
    """clip, dequantize, quantize, clip."""
    tensors = [
        Tensor("x", (256,), "int8", first),
        Tensor("a", (256,), "int8", first),
        Tensor("f", (256,), "float32"),
        Tensor("b", (256,), "int8", second),
        Tensor("y", (256,), "int8", second),
    ]
    layers: tuple[Layer, ...] = (
        Clip("before", ("x",), "a", clamp=(-120, 127)),
        Dequantize("dequantize", ("a",), "f"),
        Quantize("quantize", ("f",), "b"),
        Clip("after", ("b",), "y", clamp=(-128, 100)),
    )
    return verify(Network("n", mode, {t.name: t for t in tensors}, layers, ("x",), ("y",)))


def operators(network: Network) -> list[str]:
    return [layer.op for layer in network.layers]


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_there_and_back_is_nothing(mode):
    network = pair(mode, Quantisation(0.037, 5), Quantisation(0.037, 5))
    fused = verify(fuse_interface(network))
    assert operators(fused) == ["clip", "clip"]
    given = {"x": STORED}
    np.testing.assert_array_equal(
        run_reference(fused, given)["y"], run_reference(network, given)["y"]
    )


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_another_scale_is_a_requantize_where_that_is_exact(mode):
    fused_pairs = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        a, b = (
            Quantisation(float(rng.uniform(0.01, 0.1)), int(rng.integers(-128, 128)))
            for _ in range(2)
        )
        network = pair(mode, a, b)
        fused = verify(fuse_interface(network))
        fused_pairs += "requantize" in operators(fused)
        given = {"x": STORED}
        np.testing.assert_array_equal(
            run_reference(fused, given)["y"], run_reference(network, given)["y"]
        )
    assert fused_pairs > 50


def test_a_float_value_that_is_an_output_stays():
    network = pair("tflite", Quantisation(0.037, 5), Quantisation(0.037, 5))
    both = verify(Network("n", "tflite", network.tensors, network.layers, ("x",), ("y", "f")))
    fused = verify(fuse_interface(both))
    assert operators(fused) == ["clip", "dequantize", "clip"]


def test_an_input_is_quantised_once():
    own, other = Quantisation(0.05, 1), Quantisation(0.06, 1)
    tensors = [
        Tensor("x", (8,), "float32"),
        Tensor("a", (8,), "int8", own),
        Tensor("b", (8,), "int8", own),
        Tensor("c", (8,), "int8", other),
        Tensor("d", (8,), "int8", own),
        Tensor("y", (8,), "int8", own),
    ]
    layers = (
        *(Quantize(f"q{n}", ("x",), n) for n in "abc"),
        Add("add1", ("a", "b"), "d"),
        Add("add2", ("d", "c"), "y"),
    )
    network = verify(Network("n", "onnx", {t.name: t for t in tensors}, layers, ("x",), ("y",)))
    fused = verify(fuse_interface(network))
    assert operators(fused) == ["quantize", "quantize", "add", "add"]
    given = {"x": np.linspace(-7, 7, 8).astype(np.float32)}
    np.testing.assert_array_equal(
        run_reference(fused, given)["y"], run_reference(network, given)["y"]
    )
