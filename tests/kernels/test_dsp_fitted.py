# SPDX-License-Identifier: Apache-2.0
"""Lines fitted under the staircase, executed with a numpy model, against the semantics."""

from __future__ import annotations

import numpy as np
import pytest

from tinyengine_tvm.kernels.dsp.fitted import Fitted, fit, greatest_shift, thresholds
from tinyengine_tvm.kernels.dsp.requantise import AccumulatorRange
from tinyengine_tvm.network.arithmetic import Requantisation, requantise

CHANNELS = 24
WORD = (1 << 31) - 1


def requantisation(
    rng: np.random.Generator, mode: str, zero: int, least: int, spread: int
) -> tuple[Requantisation, AccumulatorRange]:
    low = int(rng.choice([-128, zero])) if mode == "onnx" else zero
    how = Requantisation(
        rng.integers(1 << 30, 1 << 31, CHANNELS).astype(np.int32),
        -rng.integers(least, least + spread, CHANNELS).astype(np.int32),
        zero,
        (low, int(rng.choice([127, 127, max(low, 90)]))),
        mode,
    )
    ends = np.sort(rng.integers(-(1 << 20), 1 << 20, (2, CHANNELS)), axis=0)
    return how, AccumulatorRange(ends[0], ends[1])


def accumulators(
    rng: np.random.Generator, how: Requantisation, bounds: AccumulatorRange
) -> np.ndarray:
    """Both ends, random values, and the neighbours of every threshold, all inside the bounds."""
    levels = np.arange(-128, 128)
    at = thresholds(how, bounds, levels).T[:, None, :] + np.arange(-2, 3)[None, :, None]
    inside = rng.integers(bounds.low, bounds.high + 1, (3000, CHANNELS))
    every = np.concatenate([at.reshape(-1, CHANNELS), inside, [bounds.low, bounds.high]])
    return np.clip(every, bounds.low, bounds.high)


def executed(line: Fitted, acc: np.ndarray, doublings: np.ndarray, how: Requantisation):
    """SMMLA, shift, SSAT, and the clamp; asserts that every register holds 32 bits."""
    doubled = (acc + line.offset) << doublings
    total = line.rounding.astype(np.int64) + ((doubled * line.multiplier.astype(np.int64)) >> 32)
    assert np.abs(doubled).max() <= WORD + 1
    assert np.abs(total).max() <= WORD
    return np.clip(np.clip(total >> (line.shift + doublings), -128, 127), *how.clamp)


@pytest.mark.parametrize("uniform", [True, False])
@pytest.mark.parametrize("mode", ["tflite", "onnx"])
def test_lines_are_exact(mode, uniform):
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(60):
        zero = int(rng.choice([-128, -128, 0, 127, rng.integers(-128, 128)]))
        least, spread = int(rng.integers(1, 10)), int(rng.integers(1, 5))
        how, bounds = requantisation(rng, mode, zero, least, spread)
        doublings = np.where(np.arange(CHANNELS) % 2 == 1, 8, 0)
        limit = np.where(doublings, (1 << 23) - 1, WORD)
        shift = greatest_shift(how, bounds) if uniform else None
        line = fit(how, bounds, doublings, limit, shift)
        if line is None:
            continue
        found += 1
        assert not uniform or len(set(line.shift)) == 1
        acc = accumulators(rng, how, bounds)
        np.testing.assert_array_equal(executed(line, acc, doublings, how), requantise(acc, how))
    assert found > 35


def test_a_kink_has_no_line():
    rng = np.random.default_rng(6)
    how = Requantisation(
        rng.integers(1 << 30, 1 << 31, CHANNELS).astype(np.int32),
        np.full(CHANNELS, -7, np.int32),
        3,
        (-128, 127),
        "tflite",
    )
    far = np.full(CHANNELS, 1 << 18)
    zeros = np.zeros(CHANNELS, int)
    assert fit(how, AccumulatorRange(-far, far), zeros, zeros + WORD, 6) is None


def test_constant_channels_ignore_their_sum():
    how = Requantisation(
        np.array([0, 1 << 30], np.int32), np.array([0, 5], np.int32), -4, (-128, 127), "onnx"
    )
    bounds = AccumulatorRange(np.array([-70, 1 << 20]), np.array([900, 1 << 20]))
    line = fit(how, bounds, np.array([0, 8]), np.array([WORD, WORD]), 5)
    acc = np.array([[-70, -123456], [900, 99]])
    result = executed(line, acc, np.array([0, 8]), how)
    np.testing.assert_array_equal(result, [[-4, 127], [-4, 127]])


def test_another_slope_is_caught():
    """The check above can fail: a slope that is one part in a thousand off does."""
    rng = np.random.default_rng(7)
    how, bounds = requantisation(rng, "onnx", -128, 7, 1)
    zeros = np.zeros(CHANNELS, int)
    line = fit(how, bounds, zeros, zeros + WORD, 6)
    acc = accumulators(rng, how, bounds)
    wrong = Fitted(
        (line.multiplier * 0.999).astype(np.int32), line.rounding, line.offset, line.shift
    )
    assert np.any(executed(wrong, acc, zeros, how) != requantise(acc, how))


def test_thresholds_are_the_least_accumulators():
    rng = np.random.default_rng(8)
    for mode in ("tflite", "onnx"):
        how, bounds = requantisation(rng, mode, -20, 3, 6)
        levels = np.arange(-19, 120)
        at = thresholds(how, bounds, levels)
        inside = (at > bounds.low[:, None]) & (at <= bounds.high[:, None])
        free = Requantisation(how.multiplier, how.shift, how.zero_point, (-128, 127), mode)
        for reach, expected in ((0, True), (-1, False)):
            reached = requantise(at.T + reach, free).T >= levels
            assert np.all(reached[inside] == expected)
        assert inside.sum() > 500
