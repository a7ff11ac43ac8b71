# SPDX-License-Identifier: Apache-2.0
"""Products with constants go where a convolution does the same, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.rewrites.random_networks import random_inputs
from tinyengine_tvm.kernels.reference import run_reference
from tinyengine_tvm.network import Conv2D, Dense, Mul, Network, Quantisation, Tensor, verify
from tinyengine_tvm.rewrites.fold_mul import fold_mul


def product(
    mode: str,
    factors: np.ndarray,
    ratio: float = 1.0,
    depth: int = 3,
    zeros: tuple[int, int] = (-7, 20),
    seed: int = 0,
) -> Network:
    """A 1x1 convolution, and its result times a constant of scale 1/64 and zero point 0.

    ratio: of the product's scale to the convolution's.
    """
    rng = np.random.default_rng(seed)
    channels = factors.size
    tensors = [
        Tensor("x", (1, 4, 4, depth), "int8", Quantisation(0.07, 11)),
        Tensor("a", (1, 4, 4, channels), "int8", Quantisation(0.05, zeros[0])),
        Tensor("c", factors.shape, "int8", Quantisation(1 / 64, 0), factors.astype(np.int8)),
        Tensor("y", (1, 4, 4, channels), "int8", Quantisation(0.05 * ratio, zeros[1])),
    ]
    weight = rng.integers(-127, 128, (channels, 1, 1, depth)).astype(np.int8)
    scale = rng.uniform(0.002, 0.006, channels).astype(np.float32)
    bias = rng.integers(-500, 500, channels).astype(np.int32)
    layers = (
        Conv2D("conv", ("x",), "a", weight, scale, bias, clamp=(-100, 127)),
        Mul("mul", ("a", "c"), "y", clamp=(-90, 120)),
    )
    return verify(Network("n", mode, {t.name: t for t in tensors}, layers, ("x",), ("y",)))


def same_outputs(network: Network, other: Network) -> None:
    for sample in random_inputs(network, 3, 12):
        np.testing.assert_array_equal(
            run_reference(network, sample)["y"], run_reference(other, sample)["y"]
        )


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_a_product_that_changes_no_stored_distance_is_folded(mode, ratio):
    """The factor and the quotient of the scales cancel."""
    network = product(mode, np.full((1, 1, 1, 5), 64 * ratio), ratio)
    folded = verify(fold_mul(network))
    assert [layer.op for layer in folded.layers] == ["conv2d"]
    same_outputs(network, folded)


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_a_product_that_rounds_again_stays(mode):
    network = product(mode, np.array([40, 23, 64, 50]).reshape(1, 1, 1, 4))
    assert fold_mul(network).layers == network.layers


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_random_products(mode):
    """Whatever is folded, nothing changes."""
    folds = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        ratio = float(rng.choice([0.25, 0.5, 1.0, rng.uniform(0.3, 2)]))
        stored = 64 * ratio if rng.random() < 0.7 else int(rng.integers(1, 128))
        network = product(
            mode,
            np.full((1, 1, 1, int(rng.integers(1, 4))), int(stored)),
            ratio,
            int(rng.integers(1, 9)),
            (int(rng.integers(-128, 128)), int(rng.integers(-128, 128))),
            seed,
        )
        folded = verify(fold_mul(network))
        folds += len(folded.layers) == 1
        same_outputs(network, folded)
    assert 20 < folds < 150


def test_other_readers_and_negative_factors_keep_it():
    network = product("tflite", np.full((1, 1, 1, 3), 64))
    shown = verify(replace(network, outputs=("y", "a")))
    assert len(fold_mul(shown).layers) == 2
    negative = product("tflite", np.full((1, 1, 1, 3), -64))
    assert len(fold_mul(negative).layers) == 2


def test_dense():
    x, a, y = (Tensor(n, (1, 4), "int8", Quantisation(0.05, 3)) for n in "xay")
    c = Tensor("c", (1,), "int8", Quantisation(1 / 64, 0), np.array([64], np.int8))
    weight = np.random.default_rng(1).integers(-127, 128, (4, 4)).astype(np.int8)
    bias = np.arange(4, dtype=np.int32)
    layers = (
        Dense("d", ("x",), "a", weight, np.array([0.004], np.float32), bias),
        Mul("m", ("c", "a"), "y"),
    )
    tensors = {t.name: t for t in (x, a, c, y)}
    network = verify(Network("n", "tflite", tensors, layers, ("x",), ("y",)))
    folded = verify(fold_mul(network))
    assert [layer.op for layer in folded.layers] == ["dense"]
    same_outputs(network, folded)
