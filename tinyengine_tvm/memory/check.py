# SPDX-License-Identifier: Apache-2.0
"""Checks a memory plan, sharing nothing with the code that makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..network import Concat, Layer, Network, Pad, Reshape
from .buffer import NEVER, Buffer, Separation, Together, disjoint
from .overlap import Rules


class PlanError(AssertionError):
    """A memory plan that would corrupt data: a defect of the planner."""


def check_placement(
    buffers: Sequence[Buffer],
    offsets: Mapping[str, int],
    size: int,
    separation: Separation = disjoint,
    together: Together = NEVER,
) -> None:
    """Checks alignment, that all lies inside the arena, and that no two live buffers overlap.

    Raises:
        PlanError: names the buffers.
    """
    for buffer in buffers:
        offset = offsets[buffer.name]
        if offset % buffer.alignment:
            raise PlanError(f"{buffer.name} at {offset} isn't aligned to {buffer.alignment}")
        if offset < 0 or offset + buffer.size > size:
            raise PlanError(f"{buffer.name} at {offset} leaves the arena of {size} bytes")
    for i, a in enumerate(buffers):
        for b in buffers[:i]:
            above, below = separation(a, b), separation(b, a)
            if above is None or below is None:
                continue
            low, high = offsets[a.name], offsets[b.name]
            if low == high and (a.name, b.name) in together:
                continue
            if not (low + above <= high or high + below <= low):
                raise PlanError(f"{a.name} at {low} and {b.name} at {high} overlap")


def check_plan(
    network: Network,
    scratch: Mapping[str, int],
    tensors: Mapping[str, int],
    scratches: Mapping[str, int],
    arena_bytes: int,
    rules: Mapping[str, Rules] | None = None,
) -> None:
    """Replays the network on an arena in which every byte remembers whose it is.

    `tensors` and `scratches` give offsets in bytes, by tensor and by layer. Whatever a layer reads
    must still be there when it has written its scratch and all of its output, but for what `rules`
    lets it write over; what has been lost that way can't be read by a later layer.

    Raises:
        PlanError: names the layer and the tensor that is lost.
    """
    arena = np.full(arena_bytes, -1, np.int64)
    values: dict[str, np.ndarray] = {}

    def write(offset: int, count: int, value: int, where: str) -> None:
        if offset < 0 or offset + count > arena_bytes:
            raise PlanError(f"{where} at {offset} leaves the arena of {arena_bytes} bytes")
        arena[offset : offset + count] = value

    def held(tensor: str) -> np.ndarray:
        return arena[tensors[tensor] : tensors[tensor] + network.tensors[tensor].nbytes]

    def store(tensor: str, value: int, kept: Sequence[tuple[int, int]] = ()) -> None:
        """Writes all of a tensor but what lies between the given offsets from its beginning."""
        before = held(tensor).copy()
        write(tensors[tensor], network.tensors[tensor].nbytes, value, tensor)
        for low, high in kept:
            held(tensor)[low:high] = before[low:high]
        values[tensor] = held(tensor).copy()

    def require(tensor: str, where: str, spared: int = 0) -> None:
        if np.any(held(tensor)[spared:] != values[tensor][spared:]):
            raise PlanError(f"{where}: {tensor} has been overwritten")

    def spared(layer: Layer, index: int, rule: Rules) -> int:
        """Bytes at the operand's beginning that the layer writes over as its rule allows."""
        begin = tensors[layer.inputs[index]]
        writers = []
        if index in rule.operands:
            end = tensors[layer.output] + network.output_of(layer).nbytes
            writers.append((tensors[layer.output], end, rule.operands[index]))
        if index in rule.in_place and tensors[layer.output] == begin:
            writers.append((begin, begin + network.output_of(layer).nbytes, 1 << 62))
        if index == 0 and rule.scratch and layer.name in scratches:
            end = scratches[layer.name] + scratch[layer.name]
            writers.append((scratches[layer.name], end, rule.scratch))
        return max(
            (end - begin for low, end, o in writers if low <= begin and 0 < end - begin <= o),
            default=0,
        )

    for tensor in network.inputs:
        store(tensor, len(values))
    for step, layer in enumerate(network.layers):
        moving = [name for name in layer.inputs if network.tensors[name].data is None]
        if isinstance(layer, Reshape) and moving:
            # Nothing moves: the output is the input under another shape.
            if tensors[layer.output] != tensors[moving[0]]:
                raise PlanError(f"{layer.name}: the output isn't where the input is")
            values[layer.output] = values[moving[0]]
        else:
            store(layer.output, len(network.inputs) + 2 * step, _unmoved(network, layer, tensors))
        if scratch.get(layer.name, 0):
            value = len(network.inputs) + 2 * step + 1
            write(scratches[layer.name], scratch[layer.name], value, f"scratch of {layer.name}")
        rule = (rules or {}).get(layer.name, Rules())
        for index, tensor in enumerate(layer.inputs):
            if network.tensors[tensor].data is not None:
                continue
            covered = spared(layer, index, rule)
            require(tensor, layer.name, covered)
        require(layer.output, layer.name)
    for tensor in network.outputs:
        if network.tensors[tensor].data is None:
            require(tensor, "end of the run")


def _unmoved(network: Network, layer: Layer, tensors: Mapping[str, int]) -> list[tuple[int, int]]:
    """First and end byte, within its output, of what a Concat or Pad finds there already."""
    found, offset = [], 0
    output = network.output_of(layer)
    whole = layer.axis if isinstance(layer, Concat) else 0
    if isinstance(layer, Pad):
        # Padded in one dimension only: what comes before it and is inside, counted in elements.
        whole = next((d for d, widths in enumerate(layer.pads) if any(widths)), 0)
        if any(any(widths) for widths in layer.pads[whole + 1 :]):
            return []
        offset = layer.pads[whole][0] * output.nbytes // output.shape[whole]
    elif not isinstance(layer, Concat):
        return []
    if any(size != 1 for size in output.shape[:whole]):
        return []
    for name in layer.inputs:
        size = network.tensor(name).nbytes
        if tensors.get(name) == tensors[layer.output] + offset:
            found.append((offset, offset + size))
        offset += size
    return found
