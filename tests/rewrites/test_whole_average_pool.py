# SPDX-License-Identifier: Apache-2.0
"""Average pools over the whole plane."""

from __future__ import annotations

import numpy as np
import pytest

from tests.random_layers import one_layer, values
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import AveragePool2D, Network, Padding, Quantisation, Tensor, verify
from tinyengine_tvm.rewrites.whole_average_pool import whole_average_pool


def pool(mode: str, size: tuple[int, int], kernel: tuple[int, int], **facts) -> Network:
    own = Quantisation(0.1, 4)
    padding = facts.get("padding", Padding())
    out = (
        size[0] + padding.top + padding.bottom - kernel[0] + 1,
        size[1] + padding.left + padding.right - kernel[1] + 1,
    )
    x, y = Tensor("x", (1, *size, 6), "int8", own), Tensor("y", (1, *out, 6), "int8", own)
    return one_layer(mode, AveragePool2D("pool", ("x",), "y", kernel, **facts), [x], y)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (7, 1), (16, 20)])
def test_mode_onnx(size):
    network = pool("onnx", size, size)
    mean = verify(whole_average_pool(network))
    assert [layer.op for layer in mean.layers] == ["mean"]
    rng = np.random.default_rng(0)
    for _ in range(20):
        given = {"x": values(rng, network.tensor("x").shape)}
        np.testing.assert_array_equal(
            run_reference(mean, given)["y"], run_reference(network, given)["y"]
        )


@pytest.mark.parametrize(
    "network",
    [
        pool("tflite", (4, 4), (4, 4)),  # the layers round differently
        pool("onnx", (4, 4), (4, 3)),
        pool("onnx", (4, 4), (4, 4), clamp=(4, 127)),
        pool("onnx", (3, 3), (4, 4), padding=Padding(1, 1, 0, 0)),
    ],
)
def test_others_stay(network):
    assert [layer.op for layer in whole_average_pool(network).layers] == ["average_pool2d"]
