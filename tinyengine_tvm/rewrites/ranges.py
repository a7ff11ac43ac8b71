# SPDX-License-Identifier: Apache-2.0
"""Which values every element of a network can take, whatever its inputs are.

Apart from multiplications and tables, no layer's output falls when an input rises, so the numpy
semantics run on the least and on the greatest values bound everything in between. They live beside
the kernels, and are used here rather than told a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels.conv2d.semantics import windows
from ..kernels.registry import REFERENCE
from ..network import (
    Conv2D,
    Dense,
    DepthwiseConv2D,
    External,
    Layer,
    Lookup,
    Mul,
    Network,
    Softmax,
    Tensor,
)
from ..network.arithmetic import Requantisation, requantisation_of, requantise
from ..network.layers import INT8_RANGE

Weighted = Conv2D | DepthwiseConv2D | Dense


@dataclass(frozen=True, eq=False)
class Range:
    """Least and greatest value of each element: int8 arrays of the tensor's shape."""

    low: np.ndarray
    high: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Per index of the last axis, whether all its elements are constants: bool [channels]."""
        return (self.low == self.high).reshape(-1, self.low.shape[-1]).all(axis=0)

    @property
    def uniform(self) -> np.ndarray:
        """Per index of the last axis, whether it is one constant everywhere: bool [channels]."""
        flat = self.low.reshape(-1, self.low.shape[-1])
        return self.known & (flat == flat[:1]).all(axis=0)


def value_ranges(network: Network) -> dict[str, Range]:
    """The range of every int8 tensor; other tensors are left out."""
    ranges: dict[str, Range] = {}
    for name, tensor in network.tensors.items():
        if tensor.dtype != "int8":
            continue
        if tensor.data is not None:
            ranges[name] = Range(tensor.data, tensor.data)
        elif name in network.inputs:
            ranges[name] = _anything(tensor, INT8_RANGE)
    for layer in network.layers:
        y = network.output_of(layer)
        if y.dtype == "int8":
            ranges[layer.output] = _layer_range(network, layer, ranges)
    return ranges


def _anything(tensor: Tensor, clamp: tuple[int, int]) -> Range:
    low, high = (np.full(tensor.shape, value, np.int8) for value in clamp)
    return Range(low, high)


def _layer_range(network: Network, layer: Layer, ranges: dict[str, Range]) -> Range:
    y = network.output_of(layer)
    if isinstance(layer, (External, Softmax)) or any(name not in ranges for name in layer.inputs):
        return _anything(y, getattr(layer, "clamp", INT8_RANGE))
    inputs = [ranges[name] for name in layer.inputs]
    if isinstance(layer, Lookup):
        # The only function here that may fall.
        x = inputs[0]
        results = layer.table[x.low.astype(np.int64) + 128]
        constant = x.low == x.high
        bounds = (
            np.where(constant, results, end) for end in (layer.table.min(), layer.table.max())
        )
        return Range(*(bound.astype(np.int8) for bound in bounds))
    if isinstance(layer, Weighted):
        accumulator = accumulator_bounds(network, layer, inputs[0])
        how = requantisation_of(network, layer)
        safe = _rises(how, *accumulator)
        low, high = (
            np.where(safe, requantise(bound, how), clamp).astype(np.int8).reshape(y.shape)
            for bound, clamp in zip(accumulator, layer.clamp, strict=True)
        )
        return Range(low, high)

    def run(values: list[np.ndarray]) -> np.ndarray:
        return np.asarray(REFERENCE[type(layer)](network, layer, values)).reshape(y.shape)

    if isinstance(layer, Mul):
        # A product is linear in either factor: its extremes are among the corners.
        a, b = inputs
        corners = [run([p, q]) for p in (a.low, a.high) for q in (b.low, b.high)]
        return Range(np.minimum.reduce(corners), np.maximum.reduce(corners))
    return Range(run([r.low for r in inputs]), run([r.high for r in inputs]))


def _rises(how: Requantisation, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Per channel, whether no accumulator wraps, nor one shifted left: bool [channels]."""
    limit = (np.int64(1) << 31) >> np.maximum(how.shift, 0)
    greatest = np.maximum(-low, high).reshape(-1, low.shape[-1]).max(axis=0)
    return greatest < limit


def accumulator_bounds(
    network: Network, layer: Weighted, x: Range
) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest accumulator of every output, not wrapped: int64 [positions, channels]."""
    zero = network.input_of(layer).zero_point
    apply = sums_of(layer, zero)
    weight = layer.weight.astype(np.float64)
    positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
    low = apply(x.low, positive) + apply(x.high, negative)
    high = apply(x.high, positive) + apply(x.low, negative)
    return low + layer.bias.astype(np.int64), high + layer.bias.astype(np.int64)


def sums_of(layer: Weighted, zero: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The layer's sums of products without bias, as a function of input and float64 weights.

    float64 holds them exactly. Gives int64 [positions, output channels].
    """

    def apply(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        if isinstance(layer, Dense):
            return ((x.astype(np.float64) - zero) @ weight.T).astype(np.int64)
        view: Any = windows(x, zero, layer.kernel, layer.stride, layer.padding)
        positions = view.shape[0] * view.shape[1]
        if isinstance(layer, Conv2D):
            columns = view.transpose(0, 1, 3, 4, 2).reshape(positions, -1).astype(np.float64)
            return (columns @ weight.reshape(len(weight), -1).T).astype(np.int64)
        columns = np.repeat(view, layer.multiplier, axis=2).astype(np.float64)
        sums = np.einsum("hwcyx,yxc->hwc", columns, weight)
        return sums.reshape(positions, -1).astype(np.int64)

    return apply
