# SPDX-License-Identifier: Apache-2.0
"""When each tensor and scratch area of a network is live."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ..network import Concat, External, Layer, Network, Pad, Reshape
from .buffer import ALIGNMENT, Buffer


def scratch_name(network: Network, layer: str) -> str:
    """The name of a layer's scratch buffer; no tensor of the network has it."""
    name = f"{layer}#scratch"
    while name in network.tensors:
        name += "#"
    return name


class View(NamedTuple):
    """Where a tensor's bytes are: in a buffer, `offset` bytes from its beginning."""

    buffer: str
    offset: int = 0


def views(network: Network, joined: Collection[str] = ()) -> dict[str, View]:
    """Each activation tensor to its place: a buffer has the name of the first tensor that fills it.

    A Reshape moves nothing, so its output is where its input is. The operands of the Concat and Pad
    layers in `joined` that can be are written where these layers want them; see `joinable`.
    """
    first = _first(network)
    inside = {
        operand: (layer.output, offset)
        for layer in network.layers
        if layer.name in joined
        for operand, offset in joinable(network).get(layer.name, {}).items()
    }

    def place(tensor: str) -> View:
        if tensor not in inside:
            return View(tensor)
        whole, offset = inside[tensor]
        around = place(first[whole])
        return View(around.buffer, around.offset + offset)

    return {tensor: place(root) for tensor, root in first.items()}


def _first(network: Network) -> dict[str, str]:
    """Each activation tensor to the first one that has the same bytes."""
    first: dict[str, str] = {name: name for name in network.inputs}
    for layer in network.layers:
        # A layer whose input is streamed has none here.
        same = isinstance(layer, Reshape) and layer.inputs[0] in first
        first[layer.output] = first[layer.inputs[0]] if same else layer.output
    return first


def joinable(network: Network) -> dict[str, dict[str, int]]:
    """The Concat and Pad layers some of whose operands may be written into the output at once.

    Each layer's name to those operands (the first tensor of a chain of reshapes) and their places,
    in bytes from the output's beginning. They must be one piece there, which the words of an
    operand's kernel can be aligned in, and nobody else's: inputs and outputs of the network are
    where the caller wants them.
    """
    first = _first(network)
    ends = {first[name] for name in (*network.inputs, *network.outputs) if name in first}
    taken: set[str] = set()
    found: dict[str, dict[str, int]] = {}
    for layer in network.layers:
        for index, offset in pieces(network, layer):
            operand = first.get(layer.inputs[index])
            if operand is None or operand in ends or operand in taken:
                continue
            if offset % network.tensor(operand).alignment:
                continue
            taken.add(operand)
            found.setdefault(layer.name, {})[operand] = offset
    return found


def pieces(network: Network, layer: Layer) -> Iterator[tuple[int, int]]:
    """The operands (by index) that are one piece of a layer's output, and where, in bytes."""
    if isinstance(layer, Concat):
        if math.prod(network.output_of(layer).shape[: layer.axis]) == 1:
            offset = 0
            for index, name in enumerate(layer.inputs):
                yield index, offset
                offset += network.tensor(name).nbytes
    elif isinstance(layer, Pad):
        shape, pads = network.input_of(layer).shape, layer.pads
        padded = [d for d, widths in enumerate(pads) if any(widths)]
        # All before the padded dimension has one element, so what is inside isn't interrupted.
        if len(padded) == 1 and math.prod(shape[: padded[0]]) == 1:
            each = network.input_of(layer).nbytes // shape[padded[0]]
            yield 0, pads[padded[0]][0] * each


def lifetimes(
    network: Network, scratch: Mapping[str, int], joined: Collection[str] = ()
) -> tuple[list[Buffer], dict[str, View]]:
    """Buffers of a network, and for each activation tensor the place that holds it.

    Steps are the indices of layers. `scratch` maps layers' names to bytes; absent means none.
    Inputs are live from step 0, since the caller fills all of them before the run; outputs to the
    last step. Constants are in flash and have no buffer. `joined` is as in `views`.
    """
    buffers, view = network.once(_tensor_lifetimes, tuple(joined))
    return [*buffers, *scratch_buffers(network, scratch)], view


def _tensor_lifetimes(
    network: Network, joined: tuple[str, ...]
) -> tuple[list[Buffer], dict[str, View]]:
    view = views(network, joined)
    last = dict.fromkeys((view[name].buffer for name in network.inputs), 0)
    first = dict(last)
    end = len(network.layers) - 1
    for step, layer in enumerate(network.layers):
        for name in (*layer.inputs, layer.output):
            if name in view:
                last[view[name].buffer] = step
        first.setdefault(view[layer.output].buffer, step)
    for name in network.outputs:
        if name in view:
            last[view[name].buffer] = end

    widest = dict.fromkeys(first, ALIGNMENT)
    for name, place in view.items():
        widest[place.buffer] = max(widest[place.buffer], network.tensors[name].alignment)
    buffers = [Buffer(n, network.tensors[n].nbytes, first[n], last[n], widest[n]) for n in first]
    return buffers, view


def scratch_buffers(network: Network, scratch: Mapping[str, int]) -> list[Buffer]:
    """The scratch of each layer that has some; `scratch` is as in `lifetimes`."""
    # Networks are planned several times, with other scratch for a few layers.
    known = network.once(_no_scratch)
    found = []
    for step, layer in enumerate(network.layers):
        size = scratch.get(layer.name, 0)
        if size:
            buffer = known.get((step, size))
            if buffer is None:
                alignment = layer.alignment if isinstance(layer, External) else ALIGNMENT
                name = scratch_name(network, layer.name)
                buffer = known[step, size] = Buffer(name, size, step, step, alignment)
            found.append(buffer)
    return found


def _no_scratch(network: Network) -> dict[tuple[int, int], Buffer]:
    return {}
