# SPDX-License-Identifier: Apache-2.0
"""Removes channels that don't matter: those that are always the same, and those that nobody reads.

A channel here is an index of a tensor's last axis. Layers that work channel by channel (depthwise,
add, pools, reshape, concat ...) tie channels of their inputs and outputs together: such a group
stays or goes as a whole. Convolutions and dense layers read the channels of their input for which
they have a weight that isn't zero, unless the channel is a constant that the bias can hold.
A constant next to padding can be folded only if the padding's zero point gives the same sums at the
border as inside.

A group is live if it reaches the network's inputs or outputs, or if a live channel reads it. All
others are removed. What remains gives the same bytes as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..network import (
    Add,
    AveragePool2D,
    Clip,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    Lookup,
    MaxPool2D,
    Mean,
    Mul,
    Network,
    Pad,
    Requantize,
    Reshape,
    ResizeNearest,
    Tensor,
    Transpose,
)
from .ranges import Range, accumulator_bounds, sums_of, value_ranges

MULTIPLE = 4
"""Live channels are rounded up to a multiple of this by keeping dead ones.

Kernels work in fours: on vww_96_int8, 1 saves 0.06 % of the instructions and takes 11 kB more code.
"""

_CHANNELWISE = (MaxPool2D, AveragePool2D, Clip, Lookup, Requantize, ResizeNearest)
_INT32 = np.iinfo(np.int32)


def remove_dead_channels(network: Network, multiple: int = MULTIPLE) -> Network:
    """The network without channels that don't matter; inputs and outputs keep their shapes."""
    ranges = value_ranges(network)
    groups = _Groups(network)
    readers = [
        _Reader(network, layer, ranges)
        for layer in network.layers
        if isinstance(layer, (Conv2D, DepthwiseConv2D, Dense))
    ]
    live = _live(groups, readers)
    kept = _rounded(network, groups, live, multiple)
    if kept.all():
        return network
    return _rebuilt(network, groups, readers, live, kept)


class _Groups:
    """Channels of all tensors, and which of them go together."""

    def __init__(self, network: Network) -> None:
        self._start: dict[str, int] = {}
        self._count: dict[str, int] = {}
        total = 0
        for name, tensor in network.tensors.items():
            self._start[name] = total
            self._count[name] = tensor.shape[-1] if tensor.shape else 1
            total += self._count[name]
        self._parent = list(range(total))
        pinned: set[str] = {*network.inputs, *network.outputs}
        for layer in network.layers:
            ties = _ties(network, layer)
            if ties is None:
                pinned.update((*layer.inputs, layer.output))
                continue
            for source, channels, result in ties:
                if channels is None:
                    pinned.add(source)
                    continue
                for c, d in zip(channels.tolist(), result.tolist(), strict=True):
                    self._join(self._start[source] + c, self._start[layer.output] + d)
        self.group = np.array([self._find(i) for i in range(total)])
        """The group of every channel, numbered by one of its channels."""
        self.size = total
        self.pinned = np.zeros(total, bool)
        for name in pinned:
            self.pinned[self.of(name)] = True

    def of(self, tensor: str) -> np.ndarray:
        """Groups of a tensor's channels."""
        start = self._start[tensor]
        return self.group[start : start + self._count[tensor]]

    def _find(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def _join(self, i: int, j: int) -> None:
        self._parent[self._find(j)] = self._find(i)


_Tie = tuple[str, "np.ndarray | None", np.ndarray]
"""An input, its channels, and the channels of the output that go with them, one by one."""


def _ties(network: Network, layer: Layer) -> list[_Tie] | None:
    """Channels that go together; None where all channels of this layer must stay.

    An input with None for its channels must keep them all.
    """
    y = network.output_of(layer)
    if not y.shape or any(not network.tensor(name).shape for name in layer.inputs):
        return None
    outputs = np.arange(y.shape[-1])
    x = network.input_of(layer)
    same: list[_Tie] = [(layer.inputs[0], outputs, outputs)]
    if isinstance(layer, (Conv2D, Dense)):
        return []
    if isinstance(layer, DepthwiseConv2D):
        return [(layer.inputs[0], outputs // layer.multiplier, outputs)]
    if isinstance(layer, _CHANNELWISE):
        return same
    if isinstance(layer, (Add, Mul)):
        return [
            (n, outputs if network.tensor(n).shape[-1] == len(outputs) else None, outputs)
            for n in layer.inputs
        ]
    if isinstance(layer, Concat):
        if layer.axis != len(y.shape) - 1:
            return [(name, outputs, outputs) for name in layer.inputs]
        ties: list[_Tie] = []
        start = 0
        for name in layer.inputs:
            own = np.arange(network.tensor(name).shape[-1])
            ties.append((name, own, own + start))
            start += len(own)
        return ties
    if isinstance(layer, Reshape):
        count = x.shape[-1]
        # Element i lies in channel i % count, before and after.
        if len(outputs) % count == 0:
            return [(layer.inputs[0], outputs % count, outputs)]
        if count % len(outputs) == 0:
            inputs = np.arange(count)
            return [(layer.inputs[0], inputs, inputs % len(outputs))]
        return None
    last = len(x.shape) - 1
    untouched = (
        (isinstance(layer, Pad) and layer.pads[last] == (0, 0))
        or (isinstance(layer, Transpose) and layer.permutation[last] == last)
        or (isinstance(layer, Mean) and last not in layer.axes)
    )
    return same if untouched else None


class _Reader:
    """A layer with weights: which channels each of its outputs reads, and what it folds."""

    def __init__(
        self,
        network: Network,
        layer: Conv2D | DepthwiseConv2D | Dense,
        ranges: dict[str, Range],
    ) -> None:
        self.layer = layer
        x = ranges[layer.inputs[0]]
        low, _ = accumulator_bounds(network, layer, x)
        # An output that never changes is a bias that gives it, and reads nothing.
        fits = (low[0] >= _INT32.min) & (low[0] <= _INT32.max)
        self.still = ranges[layer.output].uniform & fits
        self.bias = np.where(self.still, low[0], layer.bias.astype(np.int64))
        if isinstance(layer, DepthwiseConv2D):
            # It reads only the channel it is tied to.
            self.reads = np.zeros((0, 0), bool)
            return
        touched = (layer.weight != 0).reshape(*layer.weight.shape[:1], -1, layer.weight.shape[-1])
        folds, amounts = _foldable(network, layer, x)
        total = np.abs(amounts).sum(axis=1) + np.abs(layer.bias.astype(np.int64))
        folds &= (total <= _INT32.max)[:, None]
        self.reads = touched.any(axis=1) & ~folds & ~self.still[:, None]
        self.amounts = np.where(folds & ~self.still[:, None], amounts, 0)

    def needs(self, live_outputs: np.ndarray) -> np.ndarray:
        """Input channels that the live outputs read: bool [channels]."""
        return self.reads[live_outputs].any(axis=0)


def _foldable(network: Network, layer: Conv2D | Dense, x: Range) -> tuple[np.ndarray, np.ndarray]:
    """Per output and input channel, whether the input is a constant that adds the same everywhere.

    Returns bool and int64 arrays [outputs, inputs]; the second holds what it adds.
    """
    zero = network.input_of(layer).zero_point
    weight = layer.weight.reshape(len(layer.weight), -1, layer.weight.shape[-1])
    folds = np.zeros((len(weight), weight.shape[2]), bool)
    amounts = np.zeros(folds.shape, np.int64)
    padded = isinstance(layer, Conv2D) and bool(layer.padding)
    for c in np.flatnonzero(x.known):
        value = int(x.low.reshape(-1, weight.shape[2])[0, c]) - zero
        if x.uniform[c] and (not padded or value == 0):
            folds[:, c] = True
            amounts[:, c] = value * weight[:, :, c].astype(np.int64).sum(axis=1)
            continue
        one = layer.weight[..., c : c + 1].astype(np.float64)
        sums = sums_of(layer, zero)(x.low[..., c : c + 1], one)
        folds[:, c] = (sums == sums[:1]).all(axis=0)
        amounts[:, c] = np.where(folds[:, c], sums[0], 0)
    return folds, amounts


def _live(groups: _Groups, readers: list[_Reader]) -> np.ndarray:
    """Which groups matter, bool by group number."""
    live = np.zeros(groups.size, bool)
    live[groups.group[groups.pinned]] = True
    # Consumers stand after their producers, so that one pass does unless ties lead backwards.
    while True:
        before = int(live.sum())
        for reader in reversed(readers):
            if reader.reads.size:
                needs = reader.needs(live[groups.of(reader.layer.output)])
                live[groups.of(reader.layer.inputs[0])[needs]] = True
        if int(live.sum()) == before:
            return live


def _rounded(network: Network, groups: _Groups, live: np.ndarray, multiple: int) -> np.ndarray:
    """`live` with the dead groups that stay: for round numbers, and so that no tensor is empty."""
    kept = live.copy()
    for tensor, least, unit in _wishes(network, multiple):
        own = groups.of(tensor.name)
        wanted = max(least, -(-int(kept[own].sum()) // unit) * unit)
        for group in own:
            if kept[own].sum() >= min(wanted, len(own)):
                break
            kept[group] = True
    return kept


def _wishes(network: Network, multiple: int) -> Iterator[tuple[Tensor, int, int]]:
    """Tensors with the least number of channels they need, and the unit it's rounded up to."""
    for tensor in network.tensors.values():
        yield tensor, 1, 1
    for layer in network.layers:
        if isinstance(layer, (Conv2D, DepthwiseConv2D, Dense)):
            # A single scale means "one for all channels", which a dense layer rounds otherwise.
            yield network.output_of(layer), min(2, layer.weight_scale.size), multiple


@dataclass(frozen=True)
class _Choice:
    """Kept channels of a tensor, and which of them are live."""

    kept: np.ndarray
    live: np.ndarray


def _rebuilt(
    network: Network,
    groups: _Groups,
    readers: list[_Reader],
    live: np.ndarray,
    kept: np.ndarray,
) -> Network:
    choices = {}
    tensors = {}
    for name, tensor in network.tensors.items():
        own = groups.of(name)
        indices = np.flatnonzero(kept[own])
        choices[name] = _Choice(indices, live[own][indices])
        if len(indices) < len(own):
            data = None if tensor.data is None else np.ascontiguousarray(tensor.data[..., indices])
            shape = (*tensor.shape[:-1], len(indices))
            tensors[name] = replace(tensor, shape=shape, data=data)
    by_layer = {reader.layer.name: reader for reader in readers}
    layers = [
        _sliced(by_layer[layer.name], choices) if layer.name in by_layer else layer
        for layer in network.layers
    ]
    return network.with_layers(layers, tensors)


def _sliced(reader: _Reader, choices: dict[str, _Choice]) -> Layer:
    """A layer with weights, reduced to the channels that stay.

    Dead channels that stay hold anything: nobody reads them. Their weights become zero.
    """
    layer = reader.layer
    x, y = choices[layer.inputs[0]], choices[layer.output]
    bias = reader.bias
    silent = ~y.live | reader.still[y.kept]
    if isinstance(layer, DepthwiseConv2D):
        weight = np.where(silent, 0, layer.weight[..., y.kept])
    else:
        removed = np.ones(layer.weight.shape[-1], bool)
        removed[x.kept[x.live]] = False
        bias = bias + reader.amounts[:, removed].sum(axis=1)
        column = (slice(None),) + (None,) * (layer.weight.ndim - 1)
        weight = np.where(silent[column] | ~x.live, 0, layer.weight[y.kept][..., x.kept])
    scale = layer.weight_scale
    return replace(
        layer,
        weight=np.ascontiguousarray(weight, dtype=np.int8),
        weight_scale=scale[y.kept] if scale.size > 1 else scale,
        bias=bias[y.kept].astype(np.int32),
    )
