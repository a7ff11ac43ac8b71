# SPDX-License-Identifier: Apache-2.0
"""The numpy semantics of mode tflite equal TFLite Micro, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest

from tests.random_layers import WEIGHTED, WEIGHTLESS, Sample, one_layer, samples, tensor
from tests.tflite_models import run_tflite_micro, write_tflite
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import Mean, Quantisation, Softmax

pytest.importorskip("tflite_micro")


def assert_equal(sample: Sample) -> None:
    network, inputs = sample
    (expected,) = run_tflite_micro(write_tflite(network), inputs)
    result = run_reference(network, dict(zip(network.inputs, inputs, strict=True)))
    np.testing.assert_array_equal(result[network.outputs[0]], expected, str(network.layers))


@pytest.mark.parametrize("operator", [*WEIGHTLESS, *WEIGHTED])
def test_random_layers(operator):
    for sample in samples(operator, "tflite", 250):
        assert_equal(sample)


@pytest.mark.parametrize("scale", [1e-6, 0.003, 0.0625, 0.3, 1.0, 20.0])
@pytest.mark.parametrize("beta", [1.0, 3.7])
def test_softmax_of_every_difference(scale, beta):
    # Two values per row: the second takes every difference that int8 has.
    x = np.stack([np.full(256, 127), np.arange(-128, 128)], axis=1).astype(np.int8)
    layer = Softmax("softmax", ("x",), "y", beta)
    network = one_layer(
        "tflite",
        layer,
        [tensor("x", x.shape, Quantisation(scale, 3))],
        tensor("y", x.shape, Quantisation(1 / 256, -128)),
    )
    assert_equal((network, [x]))


@pytest.mark.parametrize(("scale", "depth"), [(0.09238, 246), (0.11385, 246)])
def test_softmax_of_many_rows(scale, depth):
    # The last Newton step and the least exponentials decide one value in some 100,000.
    rng = np.random.default_rng(7)
    x = rng.integers(-128, 128, (2500, depth)).astype(np.int8)
    x[::2] = np.clip(rng.normal(0, 6, (1250, depth)), -128, 127)
    layer = Softmax("softmax", ("x",), "y")
    network = one_layer(
        "tflite",
        layer,
        [tensor("x", x.shape, Quantisation(scale, 0))],
        tensor("y", x.shape, Quantisation(1 / 256, -128)),
    )
    assert_equal((network, [x]))


@pytest.mark.parametrize("ratio", [1e-4, 0.99, 1.0, 3.0, 1000.0])
def test_mean_of_many_elements(ratio):
    rng = np.random.default_rng(5)
    x = rng.integers(100, 128, (1, 61, 67, 3)).astype(np.int8)
    network = one_layer(
        "tflite",
        Mean("mean", ("x",), "y", (1, 2)),
        [tensor("x", x.shape, Quantisation(0.01, -128))],
        tensor("y", (1, 3), Quantisation(0.01 / ratio, -128)),
    )
    assert_equal((network, [x]))
