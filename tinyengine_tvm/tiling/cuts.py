# SPDX-License-Identifier: Apache-2.0
"""Where a network can be cut: between two layers that a single tensor connects."""

from __future__ import annotations

from dataclasses import dataclass

from ..network import Network
from .region import Region
from .stages import stripable


@dataclass(frozen=True)
class Piece:
    """Layers `first` to `last` (included) between two cuts next to each other.

    `source` and `sink` are the tensors at the cuts.
    """

    first: int
    last: int
    source: str
    sink: str


def pieces_of(network: Network) -> list[Piece]:
    """A network as a sequence of pieces; none where it has several inputs or outputs."""
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        return []
    last_use = dict.fromkeys(network.inputs, -1)
    for step, layer in enumerate(network.layers):
        last_use[layer.output] = step
        for name in layer.inputs:
            if network.tensor(name).data is None:
                last_use[name] = step
    last_use[network.outputs[0]] = len(network.layers)
    pieces = []
    first, source = 0, network.inputs[0]
    born = {network.inputs[0]: -1}
    for step, layer in enumerate(network.layers):
        born[layer.output] = step
        across = [n for n, at in last_use.items() if born.get(n, step + 1) <= step < at]
        if across == [layer.output]:
            pieces.append(Piece(first, step, source, layer.output))
            first, source = step + 1, layer.output
    return pieces


def region_of(network: Network, pieces: list[Piece], begin: int, end: int) -> Region | None:
    """The region of pieces `begin` to `end` (excluded), or None where rows can't be told apart."""
    first, last = pieces[begin].first, pieces[end - 1].last
    if not all(stripable(network, layer) for layer in network.layers[first : last + 1]):
        return None
    return Region(first, last, pieces[begin].source, pieces[end - 1].sink)
