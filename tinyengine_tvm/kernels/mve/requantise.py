# SPDX-License-Identifier: Apache-2.0
"""Requantisation of vectors of four accumulators on cores with MVE: exact sequences of two or four instructions.

Notation: acc is the int32 accumulator, real multiplier = m * 2**(-31 - e) with m in [2**30, 2**31)
and a right shift e. VQDMULH(a, b) = floor(2 * a * b / 2**32), VQRDMULH the same with 2**31 added
before the floor; neither saturates here. All constants fit a general register, so each multiplication
takes them from one, or from a vector of one constant per lane.

two_step (mode tflite)
    x = VQRDMULH(acc, m); y = VQRDMULH(x, 2**(31 - e) + 1).
    The first is gemmlowp's rounding doubling high multiplication, whose two nudges give the same
    floor for either sign. In the second the extra 1 adds 2 * x to a numerator whose steps are
    2**(32 - e): less than a step while |x| < 2**(31 - e), so that it decides ties alone, and those it
    moves away from zero, as gemmlowp's rounding shift does. For larger |x| the result may be one
    too far from zero, which the clamp hides where |y| >= 256: e <= 11. For e = 0 nothing is to be
    shifted; the constant 2**31 - 1 gives x back while |x| < 2**30, and saturated results beyond.
three_step (mode tflite, e >= 1, any accumulator)
    x = VQRDMULH(acc, m); x = x + (x >> 31); y = VRSHL(x, -e). VRSHL rounds halves up; a step of one
    down before it moves the halves of negative numbers, and nothing else, to the level below.
single (mode onnx, e >= 1, no tie possible)
    x = VQDMULH(acc, m); y = VRSHL(x, -e), the floor of x * 2**-e + 1/2. The floor within doesn't
    change that: it's one floor of the exact product plus a half. Ties, which have to go to the even
    side, need more powers of two in acc * m than there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...network import Conv2D, Dense, DepthwiseConv2D, Network
from ...network.arithmetic import Requantisation
from ..dsp.requantise import AccumulatorRange, rescaling_of
from ..weighted import bias_with_input_zero_point

Kind = Literal["two_step", "three_step", "single"]


@dataclass(frozen=True, eq=False)
class Scaling:
    """Per channel, what turns a sum of weights times raw inputs into an output.

    y = saturate(scale(sum + bias) + zero point): `multiplier` and `second` are the constants of the
    two instructions of `kind`.
    """

    kind: Kind
    bias: np.ndarray
    """int32 [channels], the input's zero point folded in"""
    multiplier: np.ndarray
    """int32 [channels]"""
    second: np.ndarray
    """int32 [channels]: the constant of the second multiplication, or the shift -e"""
    dead: np.ndarray
    """bool [channels]: channels whose weights count as zero"""


def second_factor(how: Requantisation, bounds: AccumulatorRange) -> np.ndarray | None:
    """The second constant of two_step, int64 [channels], or None where the proof doesn't hold."""
    e = -how.shift.astype(np.int64)
    if how.mode != "tflite" or np.any(e < 0) or np.any(e > 30) or np.any(how.multiplier <= 0):
        return None
    greatest = ((bounds.magnitude * how.multiplier.astype(np.int64)) >> 31) + 1
    if not np.all((e <= 11) | (greatest < (np.int64(1) << (31 - e)))):
        return None
    return np.where(e == 0, (1 << 31) - 1, (np.int64(1) << (31 - e)) + 1)


def no_ties(how: Requantisation, bounds: AccumulatorRange) -> bool:
    """Whether `single` is exact: a right shift, and no accumulator of any channel is a tie."""
    e = -how.shift.astype(np.int64)
    if how.mode != "onnx" or np.any(e < 1) or np.any(e > 31) or np.any(how.multiplier <= 0):
        return False
    # acc * m is a tie only if 2**(30 + e) divides it; acc != 0 brings at most its bit length - 1.
    twos = np.array([(int(v) & -int(v)).bit_length() - 1 for v in how.multiplier])
    most = np.array([max(int(v), 1).bit_length() - 1 for v in bounds.magnitude])
    tie = twos + most >= 30 + e
    product = bounds.low * how.multiplier.astype(np.int64)
    half = np.int64(1) << (30 + np.minimum(e, 31))
    own = (product & (2 * half - 1)) == half
    return not np.any(np.where(bounds.low == bounds.high, own, tie))


def scaling_of(network: Network, layer: Conv2D | DepthwiseConv2D | Dense) -> Scaling | None:
    """The exact scaling of a layer, or None where no sequence is proven."""
    rescaling = rescaling_of(network, layer, fold_settled=True)
    how, bounds = rescaling.how, rescaling.bounds
    if np.any(bounds.magnitude >= 1 << 31):
        return None
    # The weights of constant channels count as zero, so there is no zero point to fold in.
    folded = bias_with_input_zero_point(network, layer)
    bias = np.where(rescaling.constant, rescaling.bias, folded).astype(np.int32)
    kind: Kind = "two_step"
    second: np.ndarray | None
    if network.mode == "tflite":
        second = second_factor(how, bounds)
        if second is None and np.all((how.shift < 0) & (how.multiplier > 0)):
            kind, second = "three_step", np.maximum(how.shift, -31)
    else:
        kind, second = "single", how.shift if no_ties(how, bounds) else None
    if second is None:
        return None
    return Scaling(
        kind,
        bias,
        how.multiplier.astype(np.int32),
        second.astype(np.int32),
        rescaling.constant,
    )


def live_weight(layer: Conv2D | DepthwiseConv2D | Dense, scaling: Scaling) -> np.ndarray:
    """The weights with those of dead channels zero, in the layer's own shape."""
    shape = [1] * layer.weight.ndim
    shape[-1 if isinstance(layer, DepthwiseConv2D) else 0] = -1
    return np.where(scaling.dead.reshape(shape), 0, layer.weight).astype(np.int8)
