# SPDX-License-Identifier: Apache-2.0
"""When each tensor and scratch area of a network is live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..network import Network, Reshape
from .buffer import Buffer


def scratch_name(network: Network, layer: str) -> str:
    """The name of a layer's scratch buffer; no tensor of the network has it."""
    name = f"{layer}#scratch"
    while name in network.tensors:
        name += "#"
    return name


def views(network: Network) -> dict[str, str]:
    """Each activation tensor to the first one that has the same bytes: a Reshape moves nothing."""
    first: dict[str, str] = {name: name for name in network.inputs}
    for layer in network.layers:
        source = layer.inputs[0]
        same = isinstance(layer, Reshape) and source in first
        first[layer.output] = first[source] if same else layer.output
    return first


def lifetimes(
    network: Network,
    scratch: Mapping[str, int],
    in_place: Mapping[str, Iterable[int]] | None = None,
) -> tuple[list[Buffer], dict[str, str]]:
    """Buffers of a network, and for each activation tensor the name of the buffer that holds it.

    Steps are the indices of layers. `scratch` maps layers' names to bytes; absent means none.
    Inputs are live from step 0, since the caller fills all of them before the run; outputs to the
    last step. A Reshape's output lies in its input's buffer; so does the output of a layer that
    `in_place` maps to operands, if one of them dies there and is large enough. Constants are in
    flash and have none.
    """
    view = views(network)
    last = dict.fromkeys(network.inputs, 0)
    first = dict(last)
    end = len(network.layers) - 1
    for step, layer in enumerate(network.layers):
        for name in (*layer.inputs, layer.output):
            if name in view:
                last[view[name]] = step
        first.setdefault(view[layer.output], step)
    for name in network.outputs:
        if name in view:
            last[view[name]] = end

    holder = {name: name for name in first}
    kept = {view.get(name) for name in network.outputs}
    for step, layer in enumerate(network.layers):
        if view[layer.output] != layer.output:
            continue
        for index in (in_place or {}).get(layer.name, ()):
            operand = view.get(layer.inputs[index])
            if operand is None or last[operand] != step or operand in kept:
                continue
            if network.tensors[layer.output].nbytes <= network.tensors[operand].nbytes:
                holder[layer.output] = holder[operand]
                break

    spans: dict[str, tuple[int, int]] = {}
    for name, buffer in holder.items():
        begin, finish = spans.get(buffer, (first[name], last[name]))
        spans[buffer] = (min(begin, first[name]), max(finish, last[name]))
    buffers = [Buffer(n, network.tensors[n].nbytes, *span) for n, span in spans.items()]
    for step, layer in enumerate(network.layers):
        if scratch.get(layer.name, 0):
            name = scratch_name(network, layer.name)
            buffers.append(Buffer(name, scratch[layer.name], step, step))
    return buffers, {name: holder[same] for name, same in view.items()}
