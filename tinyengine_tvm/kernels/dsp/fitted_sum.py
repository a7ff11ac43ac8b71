# SPDX-License-Identifier: Apache-2.0
"""Quantised addition by two multiplications per output: a plane fitted under the exact staircase.

The sum of two int8 values has 65,536 cases, so the stored result is a table that is known when
compiling, whatever the arithmetic that defines it. Any integers A, B, C and shift S with

    y = clamp((floor(a * A / 2**8) + floor(b * B / 2**8) + C) >> S)

for every pair (a, b) give the same bytes: two SMLAW, which multiply 32 by 16 bits and drop the low
16, with the input in the upper byte of a halfword. The plane must pass between the steps of the
staircase. Its slopes and its height are moved, one step that it misses after the other, until it
misses none; then the integers are tried on all pairs. Where results are rounded half to even and the
scales make many ties (a sum's scale twice that of its operands), there is no plane.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

STORED = np.arange(-128, 128)
SHIFTS = (16, 20)
"""S: with 16, halfwords are packed without shifting; 20 follows the staircase more closely."""

_CLOSE = 2.0**-7
_STEEPER = (0.0, 2.0**-19, 2.0**-16, 2.0**-13, 2.0**-11)
"""Relative changes of the slopes: ties that round away from zero need a plane that is steeper."""
_CORRECTIONS = 300
_TRIALS = 40
_WORD = 1 << 31


@dataclass(frozen=True)
class FittedSum:
    """Constants of the plane: A, B, C as int32, and the shift S."""

    a: int
    b: int
    c: int
    shift: int

    def raw(self) -> np.ndarray:
        """The sums before the shift, for all pairs: int64 [256, 256]."""
        first, second = (self.a * STORED) >> 8, (self.b * STORED) >> 8
        return first[:, None] + second[None, :] + self.c

    def table(self, clamp: tuple[int, int]) -> np.ndarray | None:
        """What the instructions give for all pairs [a + 128, b + 128]; None if a word overflows."""
        raw = self.raw()
        if np.abs(raw).max() >= _WORD or max(map(abs, (self.a, self.b, self.c))) >= _WORD:
            return None
        return np.clip(raw >> self.shift, *clamp)


def fit_sum(
    table: np.ndarray,
    clamp: tuple[int, int],
    slopes: tuple[float, float],
    zeros: tuple[int, int],
    zero: int,
) -> FittedSum | None:
    """The plane that gives `table` on all pairs, or None if none was found.

    table: stored results [256, 256], by a + 128 and b + 128. slopes: steps of the result per step
    of a and of b; zeros, zero: the zero points of a and b, and of the result.
    """
    if not all(0 < slope < 64 for slope in slopes):
        return None
    starts = [_around_zero(slopes, zeros, zero, steeper) for steeper in _STEEPER]
    for shift in SHIFTS:
        for plane in _planes(table, clamp, starts, shift):
            found = _integers(plane, shift)
            given = found.table(clamp)
            if given is not None and np.array_equal(given, table):
                return found
    return None


def _around_zero(
    slopes: tuple[float, float], zeros: tuple[int, int], zero: int, steeper: float
) -> np.ndarray:
    """The plane whose floor is the rounded sum, a little steeper on both sides of the sum 0."""
    a, b = (slope * (1 + steeper) for slope in slopes)
    return np.array([a, b, zero + 0.5 - a * zeros[0] - b * zeros[1]])


def _integers(plane: np.ndarray, shift: int) -> FittedSum:
    a, b = (round(float(slope) * (1 << (shift + 8))) for slope in plane[:2])
    # Each product's floor drops half a unit on average.
    return FittedSum(a, b, round(float(plane[2]) * (1 << shift)) + 1, shift)


def _planes(
    table: np.ndarray, clamp: tuple[int, int], starts: list[np.ndarray], shift: int
) -> Iterator[np.ndarray]:
    """Planes to try: fitted ones, and small random changes of the best, always the same ones."""
    best, most = starts[0], -np.inf
    for start in starts:
        plane, slack = _corrected(table, clamp, start, 2.0 ** (1 - shift))
        yield plane
        if slack > most:
            best, most = plane, slack
    random = np.random.default_rng(0)
    size = np.array([2.0 ** (-shift - 8), 2.0 ** (-shift - 8), 2.0 ** (-shift - 1)])
    for _ in range(_TRIALS if most > -(2.0 ** (3 - shift)) else 0):
        yield best + random.normal(0, 1, 3) * size


def _corrected(
    table: np.ndarray, clamp: tuple[int, int], plane: np.ndarray, wanted: float
) -> tuple[np.ndarray, float]:
    """The plane moved until every step is missed by `wanted`, or as far as that goes; its slack.

    Kaczmarz's method of projections: the worst of all linear inequalities is mended in each round.
    """
    first, second = (m.ravel() for m in np.meshgrid(STORED, STORED, indexing="ij"))
    points = np.stack([first, second, np.ones_like(first)], axis=1).astype(np.float64)
    result = table.ravel().astype(np.float64)
    value = points @ plane
    rise = np.where(result > clamp[0], value - result, np.inf)
    fall = np.where(result < clamp[1], result + 1 - value, np.inf)
    # The value must be at least the result, and stay below the next.
    lower, upper = points[rise < _CLOSE], points[fall < _CLOSE]
    rows = np.concatenate([lower, -upper])
    limits = np.concatenate([result[rise < _CLOSE], -(result[fall < _CLOSE] + 1)])
    if not len(rows):
        return plane, 1.0
    weight = (rows * rows).sum(axis=1)
    best, most = plane, -np.inf
    for _ in range(_CORRECTIONS):
        slack = rows @ plane - limits
        worst = int(slack.argmin())
        if slack[worst] > most:
            best, most = plane, float(slack[worst])
        if slack[worst] >= wanted:
            break
        plane = plane + rows[worst] * ((1.1 * wanted - slack[worst]) / weight[worst])
    return best, most
