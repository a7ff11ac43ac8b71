# SPDX-License-Identifier: Apache-2.0
"""A network under edit: what rewrites share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from ..network import Layer, Network, Reshape, Tensor, Transpose


class Edit:
    """Mutable copy of a network's layers and tensors. `network()` gives the result."""

    def __init__(self, network: Network) -> None:
        self.original = network
        self.layers: list[Layer] = list(network.layers)
        self.tensors: dict[str, Tensor] = dict(network.tensors)
        self.outputs = frozenset(network.outputs)
        self.inputs = frozenset(network.inputs)

    def network(self) -> Network:
        """The edited network without dead layers."""
        return self.original.with_layers(self._live(), self.tensors)

    def _live(self) -> list[Layer]:
        needed, kept = set(self.outputs), []
        for layer in reversed(self.layers):
            if layer.output in needed:
                needed.update(layer.inputs)
                kept.append(layer)
        return kept[::-1]

    def drop_dead(self) -> None:
        self.layers = self._live()

    def producer(self, tensor: str) -> Layer | None:
        return next((layer for layer in self.layers if layer.output == tensor), None)

    def consumers(self, tensor: str) -> list[Layer]:
        return [layer for layer in self.layers if tensor in layer.inputs]

    def only_consumer(self, tensor: str) -> Layer | None:
        """The one layer that reads a tensor which isn't an output of the network."""
        users = self.consumers(tensor)
        return users[0] if len(users) == 1 and tensor not in self.outputs else None

    def position(self, layer: Layer) -> int:
        return next(i for i, other in enumerate(self.layers) if other is layer)

    def put(self, old: Layer, new: Iterable[Layer]) -> None:
        """Replaces a layer by others at its place."""
        at = self.position(old)
        self.layers[at : at + 1] = list(new)

    def fresh(self, stem: str) -> str:
        """A name that neither a tensor nor a layer bears."""
        taken = {layer.name for layer in self.layers}
        count = 0
        while (name := f"{stem}_{count}") in self.tensors or name in taken:
            count += 1
        return name

    def new_tensor(self, stem: str, tensor: Tensor) -> Tensor:
        """Adds a tensor like this one under a name of its own."""
        named = replace(tensor, name=self.fresh(stem))
        self.tensors[named.name] = named
        return named

    def alias(self, old: str, new: str) -> bool:
        """Lets every reader of `old` read `new` and drops the layer that wrote `old`.

        The name of an output stays: then `new` is renamed. False when that is impossible, because
        `new` is itself an input or output of the network.
        """
        writer = self.producer(old)
        if old in self.outputs:
            if new in self.outputs or new in self.inputs or self.tensors[new].data is not None:
                return False
            old, new = new, old
            self.tensors[new] = replace(self.tensors[old], name=new)
        if writer is not None:
            self.layers.remove(writer)
        self.layers = [
            replace(
                layer,
                inputs=tuple(new if name == old else name for name in layer.inputs),
                output=new if layer.output == old else layer.output,
            )
            if old in layer.inputs or layer.output == old
            else layer
            for layer in self.layers
        ]
        return True


def moves_only_ones(shape: tuple[int, ...], permutation: tuple[int, ...]) -> bool:
    """Whether a transpose of this shape keeps the order of all elements."""
    moved = [p for p in permutation if shape[p] != 1]
    return moved == sorted(moved)


def inverse(permutation: tuple[int, ...]) -> tuple[int, ...]:
    result = [0] * len(permutation)
    for position, axis in enumerate(permutation):
        result[axis] = position
    return tuple(result)


def as_reshape(edit: Edit, layer: Transpose) -> Reshape:
    """The reshape that equals a transpose which moves only ones."""
    return Reshape(edit.fresh("reshape"), layer.inputs, layer.output)


def bytes_moved(network: Network) -> int:
    """Bytes that the transposes of a network move, those that are mere reshapes not counted."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, Transpose):
            x = network.input_of(layer)
            if not moves_only_ones(x.shape, layer.permutation):
                total += math.prod(x.shape) * (x.nbytes // x.elements)
    return total
