# SPDX-License-Identifier: Apache-2.0
"""Requantisation on cores with the DSP extension: instruction sequences proven equal, per layer.

Notation: acc is the int32 accumulator, real multiplier = m * 2**(-31 - e) with m in [2**30, 2**31)
and a right shift e. SMMLAR(a, b, c) = c + floor((a * b + 2**31) / 2**32), SMMLA the same without the
2**31. Both add in 32 bits.

two_step (mode tflite, each channel its own e)
    x = SMMLAR(acc, 2m mod 2**32, acc); y = SMMLAR(x, 2**(32 - e) + 1, zero point); SSAT y.
    The first is the rounding doubling high multiplication for both signs: 2m as a signed word is
    2m - 2**32, and the addend gives the missing acc back. In the second the extra 1 of the
    constant moves x * 2**-32, less than any fraction that isn't a tie as long as |x| < 2**(32 - e),
    away from zero: ties go half away from zero, as gemmlowp's rounding shift. For larger |x| the
    result may be one too far from zero, which saturation hides while |y| >= 256, that is e <= 12.
one_sided (mode tflite, clamp low >= zero point: every relu)
    y = SSAT(SMMLA(acc << (1 + d), m, R) >> E) with one E for the layer, d = E - e and
    R = 2**(E - 1) + 2**(d - 1) + (zero point << E). Below the zero point everything is clamped, so
    only the half-up rounding of positive numbers matters, and both roundings merge into R. It's
    cheap where the factor 2**(1 + d) costs nothing, as in taps held in 16 bits.
single (mode onnx, no tie possible)
    y = SSAT(SMMLA(acc, m, R) >> (e - 1)), R = 2**(e - 2) + (zero point << (e - 1)): one floor of the
    exact product plus one half. A tie needs acc * m to be an odd multiple of 2**(30 + e), and the
    powers of two in m and in a bounded acc are often too few.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...network import Conv2D, Dense, DepthwiseConv2D, Network
from ...network.arithmetic import Requantisation, requantisation_of, requantise


@dataclass(frozen=True, eq=False)
class AccumulatorRange:
    """Least and greatest final accumulator per output channel, for any input: int64 [channels]."""

    low: np.ndarray
    high: np.ndarray

    @property
    def magnitude(self) -> np.ndarray:
        """Greatest absolute value per channel."""
        return np.maximum(-self.low, self.high)


def accumulator_range(
    network: Network, layer: Conv2D | DepthwiseConv2D | Dense
) -> AccumulatorRange:
    """Bounds from the weights: each input takes its worst value, padding included."""
    channel_axis = -1 if isinstance(layer, DepthwiseConv2D) else 0
    weight = np.moveaxis(layer.weight.astype(np.int64), channel_axis, 0)
    weight = weight.reshape(len(layer.bias), -1)
    zero = network.input_of(layer).zero_point
    least, greatest = -128 - zero, 127 - zero  # these hold 0, the value of padding
    positive = np.where(weight > 0, weight, 0).sum(axis=1)
    negative = np.where(weight < 0, weight, 0).sum(axis=1)
    bias = layer.bias.astype(np.int64)
    return AccumulatorRange(
        bias + positive * least + negative * greatest,
        bias + positive * greatest + negative * least,
    )


@dataclass(frozen=True, eq=False)
class TwoStep:
    """Constants of the two_step sequence, int32 [channels] each."""

    doubled: np.ndarray
    """2m mod 2**32"""
    factor: np.ndarray
    """2**(32 - e) + 1"""


@dataclass(frozen=True, eq=False)
class OneSided:
    """Constants of the one_sided sequence."""

    multiplier: np.ndarray
    """m, int32 [channels]"""
    rounding: np.ndarray
    """R, int32 [channels]"""
    prescale: np.ndarray
    """1 + d: the accumulator must arrive multiplied by 2**prescale; int32 [channels], 2 to 8"""
    shift: int
    """E, the immediate of SSAT's shift"""


@dataclass(frozen=True, eq=False)
class Single:
    """Constants of the single sequence."""

    multiplier: np.ndarray
    """m, int32 [channels]"""
    rounding: np.ndarray
    """R, int32 [channels]"""
    shift: np.ndarray
    """e - 1 per channel, 1 to 31; where all are equal it can be SSAT's immediate"""


def two_step(how: Requantisation, bounds: AccumulatorRange) -> TwoStep | None:
    """The two_step constants, or None where the proof doesn't hold for a channel."""
    if how.mode != "tflite":
        return None
    e = -how.shift.astype(np.int64)
    # A channel of multiplier 0 gives x = 0 whatever e is.
    dead = how.multiplier == 0
    e = np.where(dead, 2, e)
    m = how.multiplier.astype(np.int64)
    greatest = _scaled_magnitude(m, bounds)
    small = greatest < (np.int64(1) << np.clip(32 - e, 0, 62))
    if not np.all((e >= 2) & ((e <= 12) | ((e <= 31) & small))):
        return None
    # The sum of the second step must not leave 32 bits; |x| <= 2**31 / 2**e + 1 does not.
    doubled = np.where(dead, -(1 << 32), 2 * m - (1 << 32))
    # x = acc + floor(...) of a dead channel would be acc - acc = 0: 2m = 0 needs -2**32, which no
    # word holds. Such a channel has no defined sequence here.
    if np.any(dead):
        return None
    return TwoStep(doubled.astype(np.int32), ((np.int64(1) << (32 - e)) + 1).astype(np.int32))


def one_sided(
    how: Requantisation,
    bounds: AccumulatorRange,
    most_prescale: int = 8,
    wanted_shift: int | None = None,
) -> OneSided | None:
    """The one_sided constants with the least prescale, or None where the proof doesn't hold.

    `wanted_shift` asks for a certain E, so that layers can share code that holds it.
    """
    if how.mode != "tflite" or how.clamp[0] < how.zero_point or np.any(how.multiplier == 0):
        return None
    e = -how.shift.astype(np.int64)
    if np.any(e < 1):
        return None
    shift = int(e.max()) + 1 if wanted_shift is None else wanted_shift
    d = shift - e
    if np.any(d < 1):
        return None
    rounding = (
        (np.int64(1) << (shift - 1)) + (np.int64(1) << (d - 1)) + how.zero_point * (1 << shift)
    )
    if shift > 30 or np.any(1 + d > most_prescale):
        return None
    m = how.multiplier.astype(np.int64)
    scaled = bounds.magnitude << (1 + d)
    product = ((scaled * m) >> 32) + 1
    limit = (1 << 31) - 1
    if np.any(scaled > limit) or np.any(np.abs(rounding) + product > limit):
        return None
    return OneSided(
        how.multiplier.copy(), rounding.astype(np.int32), (1 + d).astype(np.int32), shift
    )


def single(how: Requantisation, bounds: AccumulatorRange) -> Single | None:
    """The single constants, or None where a tie or an overflow is possible."""
    if how.mode != "onnx" or np.any(how.multiplier == 0):
        return None
    e = -how.shift.astype(np.int64)
    if np.any(e < 2) or np.any(e > 31):
        return None
    m = how.multiplier.astype(np.int64)
    # acc * m is a tie only if 2**(30 + e) divides it; acc != 0 brings at most its bit length - 1.
    twos = np.array([(int(v) & -int(v)).bit_length() - 1 for v in m])
    most = np.array([max(int(v), 1).bit_length() - 1 for v in bounds.magnitude])
    rounding = (np.int64(1) << (e - 2)) + how.zero_point * (np.int64(1) << (e - 1))
    product = ((bounds.magnitude * m) >> 32) + 1
    limit = (1 << 31) - 1
    tie = twos + most >= 30 + e
    # A channel of one value can be looked at itself.
    remainder = (bounds.low * m) & ((np.int64(1) << (31 + e)) - 1)
    tie = np.where(bounds.low == bounds.high, remainder == np.int64(1) << (30 + e), tie)
    if np.any(tie) or np.any(np.abs(rounding) + product > limit):
        return None
    return Single(how.multiplier.copy(), rounding.astype(np.int32), (e - 1).astype(np.int32))


def single_uniform(
    how: Requantisation,
    bounds: AccumulatorRange,
    most_prescale: int = 8,
    wanted_shift: int | None = None,
) -> OneSided | None:
    """The single sequence with one shift for the layer, in the form of one_sided's constants.

    The accumulator arrives multiplied by 2**prescale (0 to `most_prescale`), which makes the
    channels' shifts equal: y = SSAT(SMMLA(acc << prescale, m, R) >> shift).
    """
    each = single(how, bounds)
    if each is None:
        return None
    least = int(each.shift.max())
    shift = least if wanted_shift is None else wanted_shift
    prescale = shift - each.shift.astype(np.int64)
    if shift > 23 or np.any(prescale < 0) or np.any(prescale > most_prescale):
        return None
    rounding = np.full(len(prescale), (1 << (shift - 1)) + how.zero_point * (1 << shift), np.int64)
    scaled = bounds.magnitude << prescale
    product = ((scaled * how.multiplier.astype(np.int64)) >> 32) + 1
    limit = (1 << 31) - 1
    if np.any(scaled > limit) or np.any(np.abs(rounding) + product > limit):
        return None
    return OneSided(
        how.multiplier.copy(), rounding.astype(np.int32), prescale.astype(np.int32), shift
    )


def _scaled_magnitude(m: np.ndarray, bounds: AccumulatorRange) -> np.ndarray:
    """Greatest |x| after the doubling high multiplication, rounded up."""
    return ((bounds.magnitude * m) >> 31) + 1


def sixteen_bit_safe(how: Requantisation, bounds: AccumulatorRange) -> bool:
    """Whether y + 128, before it is clamped, fits 16 bits, so that pairs can be saturated at once."""
    real = how.multiplier.astype(np.float64) * np.exp2(how.shift.astype(np.float64) - 31)
    return bool(np.all(bounds.magnitude * real + abs(how.zero_point) + 130 < 32767))


@dataclass(frozen=True, eq=False)
class Rescaling:
    """All that a sequence is chosen from: bias int32 [channels], requantisation, range."""

    bias: np.ndarray
    how: Requantisation
    bounds: AccumulatorRange
    constant: np.ndarray
    """bool [channels]: channels whose output never changes; their weights count as zero."""


def rescaling_of(
    network: Network, layer: Conv2D | DepthwiseConv2D | Dense, fold_settled: bool = False
) -> Rescaling:
    """The requantisation of a layer, with channels that never change made harmless.

    A channel whose weights are all zero often has a scale of next to nothing, hence a multiplier of 0
    or a huge shift that no fast sequence takes, and one such channel would spoil its whole layer.
    Its output is a constant, so another bias and multiplier give the same: a fraction 2**-n of a bias
    that is 2**n times the wanted distance from the zero point. n is such that the channel's shift is
    like that of the others.

    With `fold_settled`, channels whose output never changes although their accumulator does count as
    constant, too; the caller must then take their weights as zero.
    """
    how, bounds = requantisation_of(network, layer), accumulator_range(network, layer)
    bias = layer.bias.astype(np.int64)
    constant = bounds.low == bounds.high
    value = requantise(bias, how).astype(np.int64)
    if fold_settled:
        # Requantisation is monotonic unless a left shift wraps.
        bounded = (how.shift <= 0) & (bounds.magnitude < 1 << 31)
        least = requantise(np.where(bounded, bounds.low, 0), how)
        greatest = requantise(np.where(bounded, bounds.high, 0), how)
        settled = bounded & (least == greatest) & ~constant
        constant, value = constant | settled, np.where(settled, least, value)
    if not np.any(constant):
        return Rescaling(layer.bias, how, bounds, constant)
    shifts = -how.shift[~constant].astype(np.int64)
    shift = int(np.clip(shifts.max(initial=2), 2, 12))
    bias = np.where(constant, (value - how.zero_point) << (shift + 1), bias)
    return Rescaling(
        bias.astype(np.int32),
        replace(
            how,
            multiplier=np.where(constant, 1 << 30, how.multiplier).astype(np.int32),
            shift=np.where(constant, -shift, how.shift).astype(np.int32),
        ),
        AccumulatorRange(
            np.where(constant, bias, bounds.low), np.where(constant, bias, bounds.high)
        ),
        constant,
    )
