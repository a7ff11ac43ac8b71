# SPDX-License-Identifier: Apache-2.0
"""Functions of one int8 value become tables, and only those."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tvm.relax")

from tvm import relax

from tests.fallback.test_c_source import network_of, op
from tinyengine_tvm.network import External, Lookup

EVERY = np.arange(-128, 128).astype(np.int8).reshape(1, 4, 8, 8)


def dequantized(x, scale=0.05, zero=3):
    return op.dequantize(x, relax.const(np.float32(scale)), relax.const(np.int8(zero)), axis=1)


def quantized(x, scale=0.02, zero=-7):
    return op.quantize(
        x, relax.const(np.float32(scale)), relax.const(np.int8(zero)), axis=1, out_dtype="int8"
    )


FUNCTIONS = {
    "sigmoid": op.sigmoid,
    "tanh": op.tanh,
    "erf": op.erf,
    "exp": op.exp,
    "hard_swish": lambda v: op.multiply(
        v, op.divide(op.clip(op.add(v, relax.const(3.0)), 0, 6), relax.const(6.0))
    ),
    "where": lambda v: op.where(op.less(v, relax.const(0.0)), op.negative(v), op.floor(v)),
}
EXACT = {
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "tanh": np.tanh,
    "erf": np.vectorize(__import__("math").erf),
    "exp": np.exp,
    "hard_swish": lambda v: v * np.clip(v + 3, 0, 6) / 6,
    "where": lambda v: np.where(v < 0, -v, np.floor(v)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_activation_between_two_quantisations(name):
    network = network_of(lambda b, x: quantized(FUNCTIONS[name](dequantized(x))), EVERY)
    (layer,) = network.layers
    assert isinstance(layer, Lookup)
    real = (EVERY.reshape(-1).astype(np.float64) - 3) * np.float64(np.float32(0.05))
    want = EXACT[name](real) / np.float64(np.float32(0.02)) - 7
    # Rounded once, from float32 values.
    distance = np.abs(layer.table - np.clip(want, -128, 127))
    assert distance.max() <= 0.5 + 1e-4


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("position", lambda v: op.multiply(v, relax.const(np.arange(1, 9, dtype=np.float32)))),
        ("neighbours", lambda v: op.flip(v, axis=3)),
        ("whole", lambda v: op.subtract(v, op.max(v, axis=[1, 2, 3], keepdims=True))),
    ],
)
def test_what_depends_on_more_than_the_value_stays_code(name, body):
    network = network_of(lambda b, x: quantized(body(dequantized(x))), EVERY)
    assert not any(isinstance(layer, Lookup) for layer in network.layers)
    assert any(isinstance(layer, External) for layer in network.layers)
