# SPDX-License-Identifier: Apache-2.0
"""The DSP sequences, executed with a numpy model of the instructions, against the semantics."""

from __future__ import annotations

import numpy as np
import pytest

from tinyengine_tvm.kernels.dense.semantics import dense_reference
from tinyengine_tvm.kernels.dsp.requantise import (
    AccumulatorRange,
    accumulator_range,
    one_sided,
    rescaling_of,
    single,
    single_uniform,
    two_step,
)
from tinyengine_tvm.network import Dense, Network, Quantisation, Tensor, verify
from tinyengine_tvm.network.arithmetic import Requantisation, requantisation_of, requantise


def word(x: np.ndarray) -> np.ndarray:
    """The signed 32-bit value of the low word."""
    return ((np.asarray(x, np.int64) + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def smmla(a, b, c, rounding=0):
    """SMMLA, or SMMLAR with rounding = 2**31; a * b fits int64 and the rest is modular."""
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    return word(np.asarray(c, np.int64) + ((product + rounding) >> 32))


def ssat8(x):
    return np.clip(x, -128, 127)


def accumulators(rng: np.random.Generator, magnitude: int, how: Requantisation) -> np.ndarray:
    """Values in [-magnitude, magnitude]: random, the ends, and the neighbours of ties."""
    real = float(how.multiplier[0]) * 2.0 ** (int(how.shift[0]) - 31)
    halves = (rng.integers(-140, 140, 4000) + 0.5) / real
    near = np.rint(halves)[:, None] + np.arange(-2, 3)
    values = np.concatenate(
        [
            rng.integers(-magnitude, magnitude, 4000, endpoint=True),
            np.arange(-300, 300),
            [-magnitude, magnitude],
            near.reshape(-1).astype(np.int64),
        ]
    )
    return np.clip(values, -magnitude, magnitude)[:, None]


def cases(mode: str, shifts: range, seed: int):
    rng = np.random.default_rng(seed)
    for e in shifts:
        for multiplier in (1 << 30, (1 << 31) - 1, *rng.integers(1 << 30, 1 << 31, 12)):
            zero = int(rng.choice([-128, 127, 0, rng.integers(-128, 128)]))
            magnitude = int(2 ** rng.uniform(8, 27))
            low = zero if rng.random() < 0.5 else -128
            how = Requantisation(
                np.array([multiplier], np.int32), np.array([-e], np.int32), zero, (low, 127), mode
            )
            bounds = AccumulatorRange(np.array([-magnitude]), np.array([magnitude]))
            yield how, bounds, accumulators(rng, magnitude, how)


def test_two_step():
    applied = 0
    for how, bounds, acc in cases("tflite", range(24), 1):
        constants = two_step(how, bounds)
        if constants is None:
            assert how.shift[0] > -2 or how.shift[0] < -12
            continue
        applied += 1
        x = smmla(acc, constants.doubled, acc, 1 << 31)
        y = np.clip(ssat8(smmla(x, constants.factor, how.zero_point, 1 << 31)), *how.clamp)
        np.testing.assert_array_equal(y, requantise(acc, how))
    assert applied > 150


def test_one_sided():
    applied = 0
    for how, bounds, acc in cases("tflite", range(20), 2):
        constants = one_sided(how, bounds)
        if constants is None:
            continue
        applied += 1
        scaled = acc << constants.prescale
        assert np.abs(scaled).max() < 1 << 31
        y = ssat8(smmla(scaled, constants.multiplier, constants.rounding) >> constants.shift)
        np.testing.assert_array_equal(np.clip(y, *how.clamp), requantise(acc, how))
    assert applied > 60


def test_single():
    applied = 0
    for how, bounds, acc in cases("onnx", range(24), 3):
        constants = single(how, bounds)
        if constants is None:
            continue
        applied += 1
        y = ssat8(smmla(acc, constants.multiplier, constants.rounding) >> constants.shift)
        np.testing.assert_array_equal(np.clip(y, *how.clamp), requantise(acc, how))
    assert applied > 150


@pytest.mark.parametrize("sequence", [one_sided, single_uniform])
def test_wanted_shift(sequence):
    """Whatever shift is asked for, the result is the same or the sequence is refused."""
    applied, seed = 0, 5
    mode = "tflite" if sequence is one_sided else "onnx"
    for how, bounds, acc in cases(mode, range(2, 14), seed):
        for wanted in (None, 8, 10, 13):
            constants = sequence(how, bounds, 8, wanted)
            if constants is None:
                continue
            applied += 1
            assert wanted is None or constants.shift == wanted
            scaled = acc << constants.prescale
            y = ssat8(smmla(scaled, constants.multiplier, constants.rounding) >> constants.shift)
            np.testing.assert_array_equal(np.clip(y, *how.clamp), requantise(acc, how))
    assert applied > 150


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_settled_channels(mode):
    """A channel whose accumulator moves without moving its output becomes a constant."""
    quantisation = Quantisation(0.05, -7)
    tensors = {n: Tensor(n, (1, 3), "int8", quantisation) for n in "xy"}
    weight = np.array([[50, -60, 70], [1, -2, 3], [1, 1, 1]], np.int8)
    scales = np.array([0.003, 1e-9, 1e-6], np.float32)
    layer = Dense("d", ("x",), "y", weight, scales, np.array([40, 5, 20_000_000], np.int32))
    network = verify(Network("n", mode, tensors, (layer,), ("x",), ("y",)))
    new = rescaling_of(network, layer, fold_settled=True)
    assert new.constant.tolist() == [False, True, True]
    assert rescaling_of(network, layer).constant.tolist() == [False, False, False]
    folded = np.where(new.constant[:, None], 0, weight).astype(np.int64)
    rng = np.random.default_rng(6)
    for _ in range(50):
        x = rng.integers(-128, 128, (1, 3)).astype(np.int8)
        accumulator = (x.astype(np.int64) + 7) @ folded.T + new.bias
        np.testing.assert_array_equal(
            requantise(accumulator, new.how), dense_reference(network, layer, [x])
        )


def test_single_refuses_ties():
    how = Requantisation(
        np.array([1 << 30], np.int32), np.array([-3], np.int32), 0, (-128, 127), "onnx"
    )
    assert single(how, AccumulatorRange(np.array([-1000]), np.array([1000]))) is None


@pytest.mark.parametrize("sequence", [two_step, one_sided, single])
def test_zero_multiplier_is_refused(sequence):
    for mode in ("tflite", "onnx"):
        how = Requantisation(np.zeros(1, np.int32), np.zeros(1, np.int32), -128, (-128, 127), mode)
        assert sequence(how, AccumulatorRange(np.array([-9]), np.array([9]))) is None


@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_constant_channels_keep_their_value_and_do_not_spoil_the_layer(mode):
    quantisation = Quantisation(0.05, -7)
    tensors = {n: Tensor(n, (1, 3), "int8", quantisation) for n in "xy"}
    weight = np.array([[5, -6, 7], [0, 0, 0], [0, 0, 0]], np.int8)
    layer = Dense(
        "d",
        ("x",),
        "y",
        weight,
        np.array([0.003, 1e-12, 0.4], np.float32),
        np.array([40, 1 << 20, 77], np.int32),
    )
    network = verify(Network("n", mode, tensors, (layer,), ("x",), ("y",)))
    assert (two_step if mode == "tflite" else single)(
        requantisation_of(network, layer), accumulator_range(network, layer)
    ) is None
    new = rescaling_of(network, layer)
    assert (two_step if mode == "tflite" else single)(new.how, new.bounds) is not None
    rng = np.random.default_rng(4)
    for _ in range(50):
        x = rng.integers(-128, 128, (1, 3)).astype(np.int8)
        accumulator = (x.astype(np.int64) + 7) @ weight.T.astype(np.int64) + new.bias
        np.testing.assert_array_equal(
            requantise(accumulator, new.how), dense_reference(network, layer, [x])
        )
