# SPDX-License-Identifier: Apache-2.0
"""When each tensor and scratch area of a network is live."""

from __future__ import annotations

from collections.abc import Mapping

from ..network import External, Network, Reshape
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
        # A layer whose input is streamed has none here.
        same = isinstance(layer, Reshape) and layer.inputs[0] in first
        first[layer.output] = first[layer.inputs[0]] if same else layer.output
    return first


def lifetimes(network: Network, scratch: Mapping[str, int]) -> tuple[list[Buffer], dict[str, str]]:
    """Buffers of a network, and for each activation tensor the name of the buffer that holds it.

    Steps are the indices of layers. `scratch` maps layers' names to bytes; absent means none.
    Inputs are live from step 0, since the caller fills all of them before the run; outputs to the
    last step. A Reshape's output lies in its input's buffer. Constants are in flash and have none.
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

    widest = dict.fromkeys(first, 4)
    for name, holder in view.items():
        widest[holder] = max(widest[holder], network.tensors[name].alignment)
    buffers = [Buffer(n, network.tensors[n].nbytes, first[n], last[n], widest[n]) for n in first]
    for step, layer in enumerate(network.layers):
        if scratch.get(layer.name, 0):
            name = scratch_name(network, layer.name)
            alignment = layer.alignment if isinstance(layer, External) else 4
            buffers.append(Buffer(name, scratch[layer.name], step, step, alignment))
    return buffers, view
