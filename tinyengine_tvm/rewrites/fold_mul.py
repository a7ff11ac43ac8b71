# SPDX-License-Identifier: Apache-2.0
"""Folds a product with constants into the weights' scales of the layer before it.

Two layers round twice, one rounds once, so this holds only where no accumulator shows it: both are
staircases over the accumulator, and they are compared step by step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..kernels.dsp.requantise import AccumulatorRange, accumulator_range
from ..kernels.registry import REFERENCE
from ..network import Conv2D, Dense, DepthwiseConv2D, Mul, Network
from ..network.arithmetic import requantisation_of, requantise
from .edit import Edit

Weighted = Conv2D | DepthwiseConv2D | Dense
Staircase = Callable[[np.ndarray], np.ndarray]
"""int64 accumulators [levels, channels] to stored values; never falls."""

_NUDGES = (0, 1, -1, 2, -2, 3, -3)
"""Steps of float32 by which a weight scale may be off; each step moves the staircase a little."""


def fold_mul(network: Network) -> Network:
    """Without those products that a convolution or dense layer can do as well, bit for bit."""
    edit = Edit(network)
    for layer in network.layers:
        if isinstance(layer, Mul):
            folded = _folded(edit, layer)
            if folded is not None:
                before, after = folded
                edit.put(before, [after])
                edit.layers.remove(layer)
    return edit.network()


def _folded(edit: Edit, mul: Mul) -> tuple[Weighted, Weighted] | None:
    """The layer before the product, and the one that gives its result at once."""
    network = edit.network()
    constant = [i for i in (0, 1) if network.input_of(mul, i).data is not None]
    if len(constant) != 1:
        return None
    factor = network.input_of(mul, constant[0])
    name = mul.inputs[1 - constant[0]]
    before = network.producer(name)
    if not isinstance(before, Weighted) or edit.only_consumer(name) is not mul:
        return None
    channels = network.tensor(name).shape[-1]
    if (factor.elements != 1 and factor.shape[-1:] != (channels,)) or factor.elements > channels:
        return None
    assert factor.data is not None
    stored_factor = np.broadcast_to(factor.data.reshape(-1), (channels,))
    real = (stored_factor.astype(np.float64) - factor.zero_point) * factor.scale
    if np.any(real <= 0) or network.output_of(mul).shape != network.tensor(name).shape:
        return None
    bounds = accumulator_range(network, before)
    # Where words wrap, a staircase falls.
    if np.any(bounds.magnitude >= 1 << 30) or np.any(requantisation_of(network, before).shift > 0):
        return None
    old = _two_layers(network, before, mul, constant[0], stored_factor)
    scale = np.broadcast_to(before.weight_scale.reshape(-1), (channels,)).astype(np.float64)
    return _first_equal(network, before, mul, old, bounds, scale * real)


def _two_layers(
    network: Network, before: Weighted, mul: Mul, position: int, factor: np.ndarray
) -> Staircase:
    stored = np.broadcast_to(np.arange(-128, 128).astype(np.int8)[:, None], (256, len(factor)))
    operands = [stored, stored]
    operands[position] = np.broadcast_to(factor[None], stored.shape)
    table = REFERENCE[Mul](network, mul, operands)
    how = requantisation_of(network, before)

    def staircase(accumulator: np.ndarray) -> np.ndarray:
        middle = requantise(accumulator, how).astype(np.int64) + 128
        return np.take_along_axis(table, middle, axis=0)

    return staircase


def _first_equal(
    network: Network,
    before: Weighted,
    mul: Mul,
    old: Staircase,
    bounds: AccumulatorRange,
    scale: np.ndarray,
) -> tuple[Weighted, Weighted] | None:
    """Tries scales next to the real one, channel by channel."""
    wanted = _thresholds(old, bounds)
    chosen = np.zeros(len(scale), np.float32)
    found = np.zeros(len(scale), bool)
    low, high = old(bounds.low[None]).min(), old(bounds.high[None]).max()
    for nudge in _NUDGES:
        tried = scale.astype(np.float32)
        for _ in range(abs(nudge)):
            tried = np.nextafter(tried, np.float32(np.sign(nudge) * np.inf))
        clamp = (max(mul.clamp[0], int(low)), min(mul.clamp[1], int(high)))
        after = replace(before, output=mul.output, weight_scale=tried, clamp=clamp)
        how = requantisation_of(network, after)
        if np.any(how.shift > 0):
            continue
        given = _thresholds(lambda a, how=how: requantise(a, how), bounds)  # type: ignore[misc]
        equal = (given == wanted).all(axis=0) & ~found
        chosen = np.where(equal, tried, chosen)
        found |= equal
        if found.all():
            return before, replace(after, weight_scale=chosen)
    return None


def _thresholds(staircase: Staircase, bounds: AccumulatorRange) -> np.ndarray:
    """The least accumulator that reaches each stored value, high + 1 for none: [256, channels]."""
    levels = np.arange(-128, 128)[:, None]
    shape = (256, len(bounds.low))
    least = np.broadcast_to(bounds.low, shape).astype(np.int64)
    beyond = np.broadcast_to(bounds.high + 1, shape).astype(np.int64)
    while np.any(least < beyond):
        middle = (least + beyond) >> 1
        reached = staircase(middle) >= levels
        beyond = np.where(reached, middle, beyond)
        least = np.where(reached, least, np.minimum(middle + 1, beyond))
    return beyond
