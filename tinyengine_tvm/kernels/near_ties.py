# SPDX-License-Identifier: Apache-2.0
"""Integer arithmetic that rounds as onnxruntime's float32 does.

Only where a result lies near a tie can the errors of float32 decide which way it is rounded. So the
kernels of mode onnx compute in fixed point with `bits` fractional bits, and repeat in float32, step
by step as onnxruntime does, what lies within `margin` of a tie. The margin bounds the errors of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..network import Tensor
from ..network.arithmetic import quantise_multiplier

UNIT = 2.0**-24
"""Greatest relative error of one float32 operation."""

HELPERS = ("te_float32", "te_quantise_onnx", "te_offset", "te_near_tie", "te_nearest")


@dataclass(frozen=True)
class FixedPoint:
    """Fractional bits, and the distance from a tie, in units of the last bit, that float32 decides."""

    bits: int
    margin: int

    @property
    def exact(self) -> bool:
        """Whether fixed point decides anything at all."""
        return 2 * self.margin < 1 << self.bits


ALWAYS_FLOAT = FixedPoint(1, 1)


def fixed_point(bound: float, error: float, fixed_error: float, *scales: float) -> FixedPoint:
    """The format for results up to `bound` in magnitude.

    error: of float32, in steps of the output; fixed_error: of fixed point, in units of its last bit.
    Scales at the ends of float32's range are left to float32, which overflows or vanishes there.
    """
    if not 0 < bound < 1 << 20 or not all(1e-25 < s < 1e25 for s in scales):
        return ALWAYS_FLOAT
    bits = min(24, 30 - math.ceil(math.log2(bound)))
    found = FixedPoint(bits, math.ceil(error * (1 << bits) + fixed_error) + 1)
    return found if found.exact else ALWAYS_FLOAT


@dataclass(frozen=True)
class Factor:
    """scaled = (integer * factor) >> shift, in the format's fractional bits."""

    factor: int
    shift: int
    format: FixedPoint


def factor_of(ratio: float, largest: float, error: float, *scales: float) -> Factor:
    """For integers up to `largest` in magnitude, times `ratio`; otherwise as `fixed_point`.

    A division of the scaled value by an integer may follow.
    """
    # The factor's rounding, the shift's and the division's.
    found = fixed_point(largest * ratio, error, 4, *scales)
    if not found.exact:
        return Factor(0, 0, found)
    multiplier, shift = quantise_multiplier(ratio * (1 << found.bits))
    return Factor(multiplier, 31 - shift, found)


def mean_factor(x: Tensor, y: Tensor, count: int, constant: bool) -> Factor:
    """For sums of up to `count` centred values of x that become means in y.

    The division by `count` is part of the factor where it is `constant`.
    """
    ratio = x.scale / y.scale
    # Roundings of every value, of every sum so far, and of the two divisions.
    error = (count + 4) * UNIT * 255 * ratio
    return factor_of(ratio / (count if constant else 1), 255 * count, error, x.scale, y.scale)
