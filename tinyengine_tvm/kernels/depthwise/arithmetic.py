# SPDX-License-Identifier: Apache-2.0
"""Taps, biases and requantisation constants of a depthwise layer for the DSP routines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...network import DepthwiseConv2D, Network
from ..dsp.requantise import OneSided, one_sided, rescaling_of, single_uniform, two_step
from .rows import Finish

PREFERRED_SHIFT = 10
"""The immediate that most layers can take; those that do share their code."""
MOST_PRESCALE = 8
"""Taps of 8 bits times 2**8 still fit 16."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything an output needs, per channel: y = finish(sum(taps * x) + bias)."""

    taps: np.ndarray
    """int64 [kernel height, kernel width, channels], within 16 bits"""
    bias: np.ndarray
    """int64 [channels]; the input's zero point is folded in"""
    multiplier: np.ndarray
    """int64 [channels]: m, or 2m of the two_step sequence"""
    rounding: np.ndarray
    """int64 [channels]: R, or c of the two_step sequence"""
    finish: Finish


def prepare(network: Network, layer: DepthwiseConv2D, scaled_taps: bool = True) -> Prepared | None:
    """The cheapest exact way for this layer, or None where none is proven.

    `scaled_taps` says that the routine multiplies 16-bit taps, which can hold a power of two.
    """
    rescaling = rescaling_of(network, layer, fold_settled=True)
    how, bounds = rescaling.how, rescaling.bounds
    taps = np.where(rescaling.constant, 0, layer.weight.astype(np.int64))
    zero = network.input_of(layer).zero_point
    bias = rescaling.bias.astype(np.int64) - zero * taps.sum(axis=(0, 1))
    sided: OneSided | None = None
    if scaled_taps:
        way = one_sided if network.mode == "tflite" else single_uniform
        sided = way(how, bounds, MOST_PRESCALE, PREFERRED_SHIFT) or way(how, bounds, MOST_PRESCALE)
    if sided is not None:
        scale = np.int64(1) << sided.prescale.astype(np.int64)
        taps, bias = taps * scale, bias * scale
        constants = sided.multiplier, sided.rounding
        finish = Finish(sided.shift, how.clamp)
    else:
        double = two_step(how, bounds)
        if double is None:
            return None
        constants = double.doubled, double.factor
        finish = Finish(None, how.clamp)
    return Prepared(
        taps, bias, constants[0].astype(np.int64), constants[1].astype(np.int64), finish
    )


def pairs(low: np.ndarray, high: np.ndarray | int) -> np.ndarray:
    """Words of two 16-bit values, as int64."""
    return (low & 0xFFFF) | ((np.asarray(high, np.int64) & 0xFFFF) << 16)


def as_words(columns: list[np.ndarray]) -> np.ndarray:
    """Records as int32, channel after channel; each column is one word of every channel."""
    return np.stack(columns, axis=1).astype(np.uint64).astype(np.uint32).view(np.int32).reshape(-1)
