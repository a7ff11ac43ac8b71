# SPDX-License-Identifier: Apache-2.0
"""Requantisation by one multiplication per output: a line fitted under the exact staircase.

Whatever the rounding, the stored output is a staircase over the accumulator, rising by one at
thresholds that are known when compiling. Any M, R, S and offset d with

    y = SSAT8((R + floor((acc + d) * M / 2**32)) >> S)

are exact if that line crosses each level between the threshold and the accumulator before it:
one SMMLA and one SSAT, with the zero point inside R. M carries the slope, R and d the height: R moves
the line by multiples of 2**32, d by multiples of M, and together they reach any height. d costs
nothing, it's part of the bias. The two-sided staircase of mode tflite has a kink at the zero point
(ties go away from zero) that no line follows; a relu hides one side of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...network.arithmetic import Requantisation, requantise
from .requantise import AccumulatorRange

_FURTHEST_OFFSET = 1 << 17
_WORD = (1 << 31) - 1


@dataclass(frozen=True, eq=False)
class Fitted:
    """Constants of the line, one per channel.

    A channel with `doublings` b arrives as (acc + d) * 2**b and is shifted right by `shift` + b.
    """

    multiplier: np.ndarray
    """M, int32 [channels]"""
    rounding: np.ndarray
    """R, int32 [channels]"""
    offset: np.ndarray
    """d, to be added to the bias, int64 [channels]"""
    shift: np.ndarray
    """S, int32 [channels], without `doublings`"""


def fit(
    how: Requantisation,
    bounds: AccumulatorRange,
    doublings: np.ndarray,
    limit: np.ndarray,
    uniform: int | None,
) -> Fitted | None:
    """The line of every channel, or None where some channel has none.

    how: the exact requantisation; bounds: the range of the accumulators; doublings: int [channels];
    limit: greatest magnitude of acc + d, int [channels]; uniform: the shift of all channels, so that
    it can be an immediate, or None: each channel its own.
    """
    e = -how.shift.astype(np.int64)
    constant = (bounds.low == bounds.high) | (how.multiplier == 0)
    if np.any((e < 1) & ~constant):
        return None
    live = ~constant
    shift = np.where(live, np.minimum(e - 1, 22), 0)
    if uniform is not None:
        if np.any(live & (shift < uniform)):
            return None
        shift = np.full_like(shift, uniform)
    return fit_shifts(how, bounds, doublings, limit, shift)


def fit_shifts(
    how: Requantisation,
    bounds: AccumulatorRange,
    doublings: np.ndarray,
    limit: np.ndarray,
    shift: np.ndarray,
) -> Fitted | None:
    """As `fit`, with the shift S of every channel given: at most e - 1 for a right shift of e."""
    constant = (bounds.low == bounds.high) | (how.multiplier == 0)
    lines = _Lines(how, bounds, doublings, limit, shift)
    multiplier, rounding, offset = lines.fit(~constant)
    if not np.all(lines.found | constant):
        return None
    # A constant channel needs no line; its accumulator must not matter.
    value = requantise(bounds.low, how).astype(np.int64)
    level = value << (shift + doublings)
    return Fitted(
        np.where(constant, 0, multiplier).astype(np.int32),
        np.where(constant, level, rounding).astype(np.int32),
        np.where(constant, 0, offset),
        shift.astype(np.int32),
    )


def greatest_shift(how: Requantisation, bounds: AccumulatorRange) -> int:
    """The greatest shift that all channels' lines may share; negative where there is none."""
    live = (bounds.low != bounds.high) & (how.multiplier != 0)
    e = -how.shift.astype(np.int64)[live]
    return min(int(e.min()) - 1, 22) if e.size else 22


class _Lines:
    def __init__(
        self,
        how: Requantisation,
        bounds: AccumulatorRange,
        doublings: np.ndarray,
        limit: np.ndarray,
        shift: np.ndarray,
    ) -> None:
        self.how, self.bounds, self.doublings, self.limit = how, bounds, doublings, limit
        self.shift = shift
        self.found = np.zeros(len(shift), bool)
        self.levels = np.arange(how.clamp[0] + 1, how.clamp[1] + 1, dtype=np.int64)

    def fit(self, live: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        channels = len(self.shift)
        self.threshold = thresholds(self.how, self.bounds, self.levels)
        multiplier = np.zeros(channels, np.int64)
        rounding, offset = multiplier.copy(), multiplier.copy()
        right = -self.how.shift.astype(np.int64) - 1 - self.shift
        exact = self.how.multiplier.astype(np.int64)
        half = np.where(right > 0, np.int64(1) << np.clip(right - 1, 0, 62), 0)
        nearest = (exact + half) >> np.minimum(right, 62)
        # A slope that is a little off may still pass, where the nearest doesn't.
        for nudge in (0, 1, -1, 2, -2):
            todo = np.flatnonzero(live & ~self.found)
            if not len(todo):
                break
            slope = np.clip(nearest[todo] + nudge, 0, _WORD)
            low, high = self._heights(todo, slope)
            for candidates in _offsets():
                open_ = np.flatnonzero(~self.found[todo] & (low <= high))
                if not len(open_):
                    break
                self._try(todo, open_, slope, low, high, candidates, rounding, offset, multiplier)
        return multiplier, rounding, offset

    def _heights(self, todo: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest C so that floor((acc * M + C) / 2**(32 + S)) is exact."""
        t = self.threshold[todo]
        least, most = self.bounds.low[todo, None], self.bounds.high[todo, None]
        unit = np.int64(1) << (32 + self.shift[todo])
        rise = self.levels[None, :] * unit[:, None]
        at, before = np.maximum(t, least), np.minimum(t - 1, most)
        m = slope[:, None]
        far = np.int64(1) << 61
        low = np.where(t <= most, rise - at * m, -far).max(axis=1, initial=-far)
        high = np.where(t > least, rise - before * m - 1, far).min(axis=1, initial=far)
        return low, high

    def _try(
        self,
        todo: np.ndarray,
        open_: np.ndarray,
        slope: np.ndarray,
        low: np.ndarray,
        high: np.ndarray,
        candidates: np.ndarray,
        rounding: np.ndarray,
        offset: np.ndarray,
        multiplier: np.ndarray,
    ) -> None:
        channel = todo[open_]
        m, b = slope[open_, None], self.doublings[channel, None]
        step = np.int64(1) << (32 - b)
        moved = candidates[None, :] * m
        lowest = -((moved - low[open_, None]) // step)  # the ceiling
        highest = (high[open_, None] - moved) // step
        # Of several heights the least: a channel that never changes leaves a side open.
        r = np.clip(0, lowest, np.maximum(lowest, highest))
        fits = lowest <= highest
        least, most = self.bounds.low[channel, None], self.bounds.high[channel, None]
        ends = np.maximum(np.abs(least + candidates), np.abs(most + candidates))
        fits &= ends <= self.limit[channel, None]
        fits &= np.abs(r) + ((ends * m) >> (32 - b)) + 1 <= _WORD
        first = fits.argmax(axis=1)
        hit = fits[np.arange(len(open_)), first]
        chosen, first = channel[hit], first[hit]
        self.found[chosen] = True
        offset[chosen] = candidates[first]
        rounding[chosen] = r[hit, first]
        multiplier[chosen] = m[hit, 0]


def _offsets() -> list[np.ndarray]:
    """Offsets to try, the nearest to 0 first."""
    size, groups, start = 256, [], 0
    while start < _FURTHEST_OFFSET:
        positive = np.arange(start, start + size, dtype=np.int64)
        groups.append(np.stack([positive, -1 - positive], axis=1).reshape(-1))
        start += size
        size = min(2 * size, 8192)
    return groups


def thresholds(how: Requantisation, bounds: AccumulatorRange, levels: np.ndarray) -> np.ndarray:
    """Least accumulator of each channel whose output is at least the level: int64 [channels, levels].

    Values outside [low, high + 1] of the bounds are only known to lie outside.
    """
    real = how.multiplier.astype(np.float64) * np.exp2(how.shift.astype(np.float64) - 31)
    real = np.where(real > 0, real, 1.0)
    guess = (levels[None, :] - how.zero_point - 0.5) / real[:, None]
    low, high = bounds.low[:, None] - 8, bounds.high[:, None] + 8
    base = np.clip(np.rint(guess), low, high).astype(np.int64) - 3
    result = base.copy()
    wide = Requantisation(
        how.multiplier[:, None], how.shift[:, None], how.zero_point, (-128, 127), how.mode
    )
    for step in range(6):
        value = requantise(base + step, wide)
        result += value < levels[None, :]
    return result
