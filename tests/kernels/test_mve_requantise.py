# SPDX-License-Identifier: Apache-2.0
"""The MVE sequences, executed with a numpy model of the instructions, against the semantics."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.test_dsp_requantise import accumulators
from tinyengine_tvm.kernels.dsp.requantise import AccumulatorRange
from tinyengine_tvm.kernels.mve.requantise import no_ties, second_factor
from tinyengine_tvm.network.arithmetic import Requantisation, requantise


def saturated(x: np.ndarray, bits: int) -> np.ndarray:
    limit = 1 << (bits - 1)
    return np.clip(x, -limit, limit - 1)


def vqdmulh(a, b, rounding=0):
    product = 2 * np.asarray(a, np.int64) * np.asarray(b, np.int64)
    return saturated((product + rounding) >> 32, 32)


def vqrdmulh(a, b):
    return vqdmulh(a, b, 1 << 31)


def vrshl(a, shift):
    right = -np.asarray(shift, np.int64)
    half = np.where(right > 0, np.int64(1) << np.maximum(right - 1, 0), 0)
    return (np.asarray(a, np.int64) + half) >> right


def stored(y: np.ndarray, how: Requantisation) -> np.ndarray:
    """VQMOVN to 16 bits, VQADD of the zero point, clamp."""
    return np.clip(saturated(saturated(y, 16) + how.zero_point, 16), *how.clamp)


def cases(mode: str, shifts: range, seed: int):
    """Requantisations of one channel with a range, and accumulators of it; extremes included."""
    rng = np.random.default_rng(seed)
    for e in shifts:
        for multiplier in (1 << 30, (1 << 31) - 1, *rng.integers(1 << 30, 1 << 31, 12)):
            zero = int(rng.choice([-128, 127, 0, rng.integers(-128, 128)]))
            magnitude = int(2 ** rng.uniform(8, 31)) - 1 if rng.random() < 0.8 else (1 << 31) - 1
            low = zero if rng.random() < 0.5 else -128
            how = Requantisation(
                np.array([multiplier], np.int32), np.array([-e], np.int32), zero, (low, 127), mode
            )
            bounds = AccumulatorRange(np.array([-magnitude]), np.array([magnitude]))
            acc = accumulators(rng, magnitude, how)
            # Ties of the second rounding, where they can be reached.
            high = (rng.integers(-300, 300, 500) << e) + (1 << e >> 1)
            near = np.rint(high * 2.0**31 / multiplier).astype(np.int64)[:, None] + np.arange(-2, 3)
            near = np.clip(near.reshape(-1, 1), -magnitude, magnitude)
            yield how, bounds, np.concatenate([acc, near])


def test_two_step():
    applied = set()
    for how, bounds, acc in cases("tflite", range(31), 1):
        second = second_factor(how, bounds)
        if second is None:
            assert how.shift[0] < -11
            continue
        assert np.all(np.abs(second) < 1 << 31)
        applied.add(-int(how.shift[0]))
        y = vqrdmulh(vqrdmulh(acc, how.multiplier), second)
        np.testing.assert_array_equal(stored(y, how), requantise(acc, how))
    assert applied >= set(range(20))


def test_two_step_fails_where_it_is_refused():
    """The bound isn't there for nothing: one shift further some tie's neighbour goes wrong."""
    how = Requantisation(np.array([1 << 30]), np.array([-12]), -128, (-128, 127), "tflite")
    bounds = AccumulatorRange(np.array([-(1 << 24)]), np.array([1 << 24]))
    assert second_factor(how, bounds) is None
    acc = np.arange(1 << 20, 1 << 21, dtype=np.int64)[:, None]
    y = vqrdmulh(vqrdmulh(acc, how.multiplier), (1 << 19) + 1)
    assert np.any(stored(y, how) != requantise(acc, how))


def test_three_step():
    for how, _, acc in cases("tflite", range(1, 31), 2):
        x = vqrdmulh(acc, how.multiplier)
        y = vrshl(x + (x >> 31), how.shift)
        np.testing.assert_array_equal(stored(y, how), requantise(acc, how))


def test_single():
    applied = 0
    for how, bounds, acc in cases("onnx", range(32), 3):
        if not no_ties(how, bounds):
            continue
        applied += 1
        y = vrshl(vqdmulh(acc, how.multiplier), how.shift)
        np.testing.assert_array_equal(stored(y, how), requantise(acc, how))
    assert applied > 250


@pytest.mark.parametrize("magnitude, exact", [(1 << 3, True), (1 << 20, False)])
def test_ties_are_refused(magnitude: int, exact: bool):
    how = Requantisation(np.array([1 << 30]), np.array([-5]), 0, (-128, 127), "onnx")
    bounds = AccumulatorRange(np.array([-magnitude]), np.array([magnitude]))
    assert no_ties(how, bounds) is exact
