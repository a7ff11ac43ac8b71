# SPDX-License-Identifier: Apache-2.0
"""Derived quantisation parameters: multipliers, shifts and clamps.

Mode tflite follows TFLite's reference derivations (kernel_util.cc, quantization_util.cc), down to
which products are taken in float32 and which in double precision, since they decide single bits of
the multipliers. Mode onnx needs no integer convention of anybody's: the real multiplier is exact to
31 bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .layers import Add, Conv2D, Dense, DepthwiseConv2D, Mul
from .network import Network


def quantise_multiplier(real: float) -> tuple[int, int]:
    """real = multiplier * 2**(shift - 31), multiplier in [2**30, 2**31), as TFLite rounds it.

    Source: QuantizeMultiplier of TFLite's quantization_util.cc.
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    # round() of C++ goes half away from zero; fraction is positive.
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return (1 << 31) - 1, 30
    return multiplier, shift


@dataclass(frozen=True, eq=False)
class Requantisation:
    """How an int32 accumulator becomes a stored int8, one entry per output channel.

    real multiplier = multiplier * 2**(shift - 31). Mode tflite rounds in two steps (rounding
    doubling high multiplication, then rounding shift, both half away from zero as in gemmlowp);
    mode onnx rounds the exact product once, half to even.
    """

    multiplier: np.ndarray
    """int32 [channels]"""
    shift: np.ndarray
    """int32 [channels], positive shifts left"""
    zero_point: int
    clamp: tuple[int, int]
    mode: str


def requantisation_of(network: Network, layer: Conv2D | DepthwiseConv2D | Dense) -> Requantisation:
    """The requantisation of a layer with weights, per output channel."""
    x, y = network.input_of(layer), network.output_of(layer)
    channels = len(layer.bias)
    scales = np.asarray(layer.weight_scale, dtype=np.float32).reshape(-1)
    reals = []
    for scale in scales:
        if network.mode == "tflite" and isinstance(layer, Dense) and scales.size == 1:
            # TFLite multiplies the two float32 scales in float32 for a per-tensor dense layer.
            real = float(np.float32(x.scale) * scale) / y.scale
        else:
            real = x.scale * float(scale) / y.scale
        reals.append(quantise_multiplier(real))
    if len(reals) == 1:
        reals *= channels
    multiplier, shift = np.array(reals, dtype=np.int32).reshape(channels, 2).T
    return Requantisation(multiplier.copy(), shift.copy(), y.zero_point, layer.clamp, network.mode)


@dataclass(frozen=True)
class AddArithmetic:
    """TFLite's integer addition: both inputs shifted left by 20, scaled, summed, scaled back."""

    multiplier_a: int
    shift_a: int
    multiplier_b: int
    shift_b: int
    multiplier: int
    shift: int
    LEFT_SHIFT = 20


def add_arithmetic(network: Network, layer: Add) -> AddArithmetic:
    """Multipliers of a TFLite ADD (add_common.cc)."""
    a, b, y = network.input_of(layer), network.input_of(layer, 1), network.output_of(layer)
    # The reference takes 2 * max in float32 before widening.
    twice = 2 * float(max(np.float32(a.scale), np.float32(b.scale)))
    ma, sa = quantise_multiplier(a.scale / twice)
    mb, sb = quantise_multiplier(b.scale / twice)
    my, sy = quantise_multiplier(twice / ((1 << AddArithmetic.LEFT_SHIFT) * y.scale))
    return AddArithmetic(ma, sa, mb, sb, my, sy)


def mul_arithmetic(network: Network, layer: Mul) -> tuple[int, int]:
    """Multiplier and shift of a TFLite MUL (mul_common.cc)."""
    a, b, y = network.input_of(layer), network.input_of(layer, 1), network.output_of(layer)
    return quantise_multiplier(a.scale * b.scale / y.scale)


def rounding_doubling_high_mul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """gemmlowp's SaturatingRoundingDoublingHighMul on int64 arrays that hold int32 values."""
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    total = product + nudge
    # C++ divides towards zero.
    result = np.where(total >= 0, total >> 31, -((-total) >> 31))
    return np.minimum(result, (1 << 31) - 1)


def rounding_divide_by_power_of_two(x: np.ndarray, exponent: np.ndarray | int) -> np.ndarray:
    """gemmlowp's RoundingDivideByPOT: half away from zero."""
    x = np.asarray(x, np.int64)
    exponent = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def multiply_by_quantised_multiplier(
    x: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """TFLite's MultiplyByQuantizedMultiplier with double rounding; int64 arrays of int32 values.

    The left shift wraps at 32 bits as the reference's does.
    """
    shift = np.asarray(shift, np.int64)
    shifted = np.asarray(x, np.int64) << np.maximum(shift, 0)
    shifted = ((shifted + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
    high = rounding_doubling_high_mul(shifted, np.asarray(multiplier, np.int64))
    return rounding_divide_by_power_of_two(high, np.maximum(-shift, 0))


def multiply_half_even(
    x: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """x * multiplier * 2**(shift - 31), rounded once, half to even; exact in int64.

    |x| < 2**31 and multiplier < 2**31, so the product fits; results beyond +-2**31 saturate.
    """
    product = np.asarray(x, np.int64) * np.asarray(multiplier, np.int64)
    right = np.minimum(31 - np.asarray(shift, np.int64), 62)
    right, product = np.broadcast_arrays(right, product)
    unit = np.int64(1) << right
    quotient = product >> right
    remainder = product & (unit - 1)
    half = unit >> 1
    up = (remainder > half) | ((remainder == half) & (right > 0) & ((quotient & 1) == 1))
    return np.clip(quotient + up, -(1 << 31), (1 << 31) - 1)


def requantise(accumulator: np.ndarray, how: Requantisation) -> np.ndarray:
    """int32 accumulators [..., channels] to int8, as `how` says."""
    scale = multiply_by_quantised_multiplier if how.mode == "tflite" else multiply_half_even
    scaled = scale(accumulator, how.multiplier, how.shift) + how.zero_point
    return np.clip(scaled, *how.clamp).astype(np.int8)
