# SPDX-License-Identifier: Apache-2.0
"""A layer's weights, biases and requantisation as the stream that the multiplication reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...network import Conv2D, Dense, Network, Tensor
from ..base import Constant
from ..weighted import alike, bias_with_input_zero_point, pad_channels
from .fitted import Fitted, fit, greatest_shift
from .outputs import Form, Outputs, Rescale
from .requantise import TwoStep, rescaling_of, sixteen_bit_safe, two_step

BLOCK = 4
_WORD = (1 << 31) - 1
COMMON_SHIFTS = (5, 3, 1)
"""Shifts that are tried before a layer's own: layers that share one may share a routine."""


@dataclass(frozen=True, eq=False)
class Sequence:
    """The requantisation of a layer: what it does to the sums, and its constants per channel.

    words: int32 [constants, channels] in the order of the stream; interleaved: whether a channel's
    constants stand side by side; shifts: where each channel has its own, int32 [channels], 0 to 31.
    """

    rescale: Rescale
    shift: int
    bias: np.ndarray
    """int64 [channels], zero point of the input and offset of the line folded in"""
    words: np.ndarray
    interleaved: bool
    shifts: np.ndarray | None = None


@lru_cache(maxsize=512)
def _sequence(
    layer: Conv2D | Dense, x: Tensor, y: Tensor, mode: str, form: Form, shared: bool
) -> Sequence | None:
    network = Network("", mode, {x.name: x, y.name: y}, (layer,), (x.name,), (y.name,))  # type: ignore[arg-type]
    rescaling = rescaling_of(network, layer)
    odd = np.arange(len(layer.bias)) % 2 == 1
    high = odd & (form == "packed")
    doublings = np.where(high, 8, 0)
    limit = np.where(high, (1 << 23) - 1, _WORD)
    if np.any(rescaling.bounds.magnitude > limit):
        return None
    # What rescaling_of changed in a bias applies to the folded one as well.
    folded = bias_with_input_zero_point(network, layer).astype(np.int64)
    folded += rescaling.bias.astype(np.int64) - layer.bias
    greatest = greatest_shift(rescaling.how, rescaling.bounds)
    shifts = [*(s for s in COMMON_SHIFTS if s <= greatest), greatest]
    # Whether shifts are immediates decides what is fast, and what layers can share.
    steps = two_step(rescaling.how, rescaling.bounds)
    if shared and steps is not None:
        return _two_step_sequence(folded, steps, False)
    for shift in [None, *shifts] if shared else shifts:
        line = fit(rescaling.how, rescaling.bounds, doublings, limit, shift)
        if line is not None:
            return _line_sequence(folded, line, shift, doublings)
    if steps is not None:
        safe = sixteen_bit_safe(rescaling.how, rescaling.bounds)
        return _two_step_sequence(folded, steps, safe)
    line = fit(rescaling.how, rescaling.bounds, doublings, limit, None)
    return None if line is None else _line_sequence(folded, line, None, doublings)


def _two_step_sequence(folded: np.ndarray, steps: TwoStep, halves: bool) -> Sequence:
    words = np.stack([steps.doubled, steps.factor])
    return Sequence("two_step_halves" if halves else "two_step", 0, folded, words, False)


def _line_sequence(
    folded: np.ndarray, line: Fitted, shift: int | None, doublings: np.ndarray
) -> Sequence:
    bias, words = folded + line.offset, np.stack([line.multiplier, line.rounding])
    if shift is not None:
        return Sequence("fitted", shift, bias, words, True)
    return Sequence("fitted_each", 0, bias, words, True, line.shift + doublings)


def sequence_of(
    network: Network, layer: Conv2D | Dense, form: Form, shared: bool = False
) -> Sequence | None:
    """The fastest exact requantisation of sums of weights in this form, or None.

    shared: rather the one that the most layers have in common.
    """
    return _sequence(*alike(network, layer), network.mode, form, shared)


def packable(layer: Conv2D | Dense) -> bool:
    """Whether 256 * b + a of every two channels fits 16 bits: -128 over a negative one doesn't."""
    weight = pad_channels(layer.weight.reshape(len(layer.bias), -1), 2).astype(np.int16)
    return not np.any((weight[1::2] == -128) & (weight[0::2] < 0))


def forms_of(network: Network, layer: Conv2D | Dense) -> list[Form]:
    """The forms of weights that this layer can be computed with exactly."""
    forms: list[Form] = ["packed"] if packable(layer) else []
    forms.append("wide")
    return [f for f in forms if sequence_of(network, layer, f) is not None]


def stream(layer: Conv2D | Dense, form: Form, sequence: Sequence, steps: np.ndarray) -> np.ndarray:
    """Words of all blocks of 4 channels: biases, weights, constants; int32, one dimension.

    steps: int [steps, 2], indices into a window of the inputs taken together, -1 for none.
    """
    weight = layer.weight.reshape(len(layer.bias), -1)
    padded = pad_channels(weight, BLOCK).astype(np.int64)
    taken = np.where(steps >= 0, padded[:, np.maximum(steps, 0)], 0)
    # [blocks, channels of a block, steps, 2 inputs]
    taken = taken.reshape(-1, BLOCK, len(steps), 2)
    if form == "packed":
        taken = taken[:, 0::2] + 256 * taken[:, 1::2]
    halves = np.ascontiguousarray(taken.transpose(0, 2, 1, 3)).astype(np.int16)
    weights = halves.reshape(len(taken), -1).view(np.int32)
    bias = pad_channels(sequence.bias, BLOCK).reshape(-1, BLOCK).copy()
    if form == "packed":
        bias[:, 1::2] = 256 * bias[:, 1::2] + bias[:, 0::2]
    wrapped = bias.astype(np.uint64).astype(np.uint32).view(np.int32)
    words = pad_channels(sequence.words, BLOCK, axis=1)
    blocks = words.reshape(len(words), -1, BLOCK).transpose(1, 0, 2)
    if sequence.interleaved:
        blocks = blocks.transpose(0, 2, 1)
    parts = [wrapped, weights, blocks.reshape(len(blocks), -1)]
    if sequence.shifts is not None:
        # A byte each, the first channel's lowest.
        shifts = pad_channels(sequence.shifts, BLOCK).astype(np.uint8)
        parts.append(shifts.reshape(-1, BLOCK).view("<i4"))
    return np.concatenate(parts, axis=1).reshape(-1).astype(np.int32)


def outputs_of(layer: Conv2D | Dense, sequence: Sequence, any_tail: bool = False) -> Outputs:
    """What the routine does to the sums of this layer; any_tail: with any number of channels."""
    low, high = layer.clamp
    tail = None if any_tail else len(layer.bias) % BLOCK
    return Outputs(sequence.rescale, sequence.shift, tail, low > -128, high < 127)


def constants(
    network: Network,
    layer: Conv2D | Dense,
    outputs: Outputs,
    weights: np.ndarray,
    *,
    entry: int,
    buffer_bytes: int,
    rows: int,
    length: int,
    counts: tuple[int, int, int],
    pixels: int,
    image: list[int],
) -> Constant:
    """Struct te_gemm_sizes, which explains the values, the rest of te_gemm_image, and the stream."""
    zero = network.output_of(layer).zero_point
    values = [
        # Pairs of outputs are saturated as unsigned numbers.
        zero + (128 if outputs.rescale == "two_step_halves" else 0),
        rows,
        *counts,
        *((bound & 0xFF) * 0x01010101 for bound in layer.clamp),
        (len(layer.bias) - 1) % BLOCK + 1,
        len(layer.bias),
        weights.nbytes,
        entry,
        buffer_bytes,
        length,
        pixels,
        15 + len(image),
        *image,
    ]
    # Words beyond the range of int32 wrap.
    words = np.array(values, np.int64).astype(np.uint32).view(np.int32)
    return Constant("weight", np.concatenate([words, weights]), len(words), 14)
