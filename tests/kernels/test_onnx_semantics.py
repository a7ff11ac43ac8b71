# SPDX-License-Identifier: Apache-2.0
"""The numpy semantics of mode onnx equal onnxruntime with graph optimisations off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.random_layers import Sample, one_layer, quantisation, samples, tensor, values
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import Mean

pytest.importorskip("onnxruntime")
from tests.onnx_layers import run_onnxruntime

OPERATORS = (
    "add",
    "mul",
    "max_pool",
    "average_pool",
    "softmax",
    "quantize",
    "dequantize",
    "requantize",
)


def without_clamp(sample: Sample) -> Sample:
    """A fused activation is an operator of its own in ONNX, so the comparison leaves it out."""
    network, inputs = sample
    layers = tuple(
        replace(layer, clamp=(-128, 127)) if hasattr(layer, "clamp") else layer
        for layer in network.layers
    )
    return replace(network, layers=layers), inputs


def difference(sample: Sample, **options: object) -> np.ndarray:
    network, inputs = sample
    result = run_reference(network, dict(zip(network.inputs, inputs, strict=True)))
    expected = run_onnxruntime(network, inputs, **options)
    return np.abs(result[network.outputs[0]].astype(np.float64) - expected).ravel()


@pytest.mark.parametrize("operator", OPERATORS)
def test_random_layers(operator):
    for sample in samples(operator, "onnx", 200):
        sample = without_clamp(sample)
        assert not difference(sample).any(), str(sample[0])


def _means(share_scale: bool) -> list[Sample]:
    rng = np.random.default_rng(8)
    result = []
    for size in (1, 2, 3, 4, 5, 7, 8, 12):
        for _ in range(4):
            qx = quantisation(rng)
            qy = qx if share_scale else quantisation(rng, qx.scale / 3, qx.scale)
            x, y = tensor("x", (1, size, size, 24), qx), tensor("y", (1, 24), qy)
            network = one_layer("onnx", Mean("mean", ("x",), "y", (1, 2)), [x], y)
            result.append((network, [values(rng, x.shape)]))
    return result


@pytest.mark.parametrize("share_scale", [False, True])
def test_global_average_pool(share_scale):
    for sample in _means(share_scale):
        assert not difference(sample).any(), str(sample[0])


def test_reduce_mean_differs_on_ties_only():
    # onnxruntime adds up in another order here; it shows where a mean falls on a tie, which takes
    # input and output of one scale.
    apart = np.concatenate([difference(s, global_pool=False) for s in _means(False)])
    assert not apart.any()
    shared = np.concatenate([difference(s, global_pool=False) for s in _means(True)])
    assert shared.max() <= 1
    assert np.mean(shared != 0) < 0.01


def test_average_pool_of_later_opsets_differs_on_ties_only():
    # From opset 19 on onnxruntime adds a window's values row by row.
    for sample in samples("average_pool", "onnx", 150):
        network, _ = sample = without_clamp(sample)
        found = difference(sample, opset=22)
        if network.tensor("x").scale == network.tensor("y").scale:
            assert found.max() <= 1
        else:
            assert not found.any(), str(network)
