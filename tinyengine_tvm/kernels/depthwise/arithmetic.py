# SPDX-License-Identifier: Apache-2.0
"""Taps, biases and requantisation constants of a depthwise layer for the DSP routines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...network import DepthwiseConv2D, Mode, Network, Tensor
from ...network.arithmetic import requantisation_of
from ..dsp.fitted import fit_shifts
from ..dsp.requantise import accumulator_range, rescaling_of, two_step
from ..weighted import alike
from .rows import Finish

SHIFT = 10
"""The immediate of SSAT that nearly all layers can take, so that they share their code."""
UNSCALED_SHIFT = 2
"""The same where taps can't be scaled: then a layer can shift by less than its greatest shift, not by
more, and a line with too small a one is too coarse."""
MOST_DOUBLINGS = 8
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
    return _prepare(*alike(network, layer), network.mode, scaled_taps)


@lru_cache(maxsize=512)
def _prepare(
    layer: DepthwiseConv2D, x: Tensor, y: Tensor, mode: Mode, scaled_taps: bool
) -> Prepared | None:
    network = Network("", mode, {x.name: x, y.name: y}, (layer,), (x.name,), (y.name,))
    line = _line(network, layer, MOST_DOUBLINGS if scaled_taps else 0)
    return line or _two_step(network, layer)


def _line(network: Network, layer: DepthwiseConv2D, most_doublings: int) -> Prepared | None:
    """One SMMLA and one SSAT. Taps times a power of two bring all channels to the same shift."""
    how, bounds = requantisation_of(network, layer), accumulator_range(network, layer)
    live = (bounds.low != bounds.high) & (how.multiplier != 0)
    greatest = np.where(live, -how.shift.astype(np.int64) - 1, SHIFT)
    if np.any(greatest < 0):
        return None
    most = int(greatest.min()) + most_doublings
    first = SHIFT if most_doublings else UNSCALED_SHIFT
    for shift in dict.fromkeys(min(common, most) for common in (first, SHIFT)):
        doublings = np.maximum(shift - greatest, 0)
        limit = (np.int64(1) << (31 - doublings)) - 1
        line = fit_shifts(how, bounds, doublings, limit, shift - doublings)
        if line is not None:
            break
    else:
        return None
    taps = layer.weight.astype(np.int64)
    bias = layer.bias.astype(np.int64) + line.offset
    bias -= network.input_of(layer).zero_point * taps.sum(axis=(0, 1))
    return Prepared(
        taps << doublings,
        bias << doublings,
        line.multiplier.astype(np.int64),
        line.rounding.astype(np.int64),
        Finish(shift, how.clamp),
    )


def _two_step(network: Network, layer: DepthwiseConv2D) -> Prepared | None:
    rescaling = rescaling_of(network, layer, fold_settled=True)
    constants = two_step(rescaling.how, rescaling.bounds)
    if constants is None:
        return None
    taps = np.where(rescaling.constant, 0, layer.weight.astype(np.int64))
    zero = network.input_of(layer).zero_point
    return Prepared(
        taps,
        rescaling.bias.astype(np.int64) - zero * taps.sum(axis=(0, 1)),
        constants.doubled.astype(np.int64),
        constants.factor.astype(np.int64),
        Finish(None, rescaling.how.clamp),
    )


def pairs(low: np.ndarray, high: np.ndarray | int) -> np.ndarray:
    """Words of two 16-bit values, as int64."""
    return (low & 0xFFFF) | ((np.asarray(high, np.int64) & 0xFFFF) << 16)


def as_words(columns: list[np.ndarray]) -> np.ndarray:
    """Records as int32, channel after channel; each column is one word of every channel."""
    return np.stack(columns, axis=1).astype(np.uint64).astype(np.uint32).view(np.int32).reshape(-1)
