# SPDX-License-Identifier: Apache-2.0
"""When each tensor and scratch area of a network is live."""

from __future__ import annotations

from collections.abc import Mapping

from ..network import Network, Reshape
from .buffer import Buffer


def scratch_name(network: Network, layer: str) -> str:
    """The name of a layer's scratch buffer; no tensor of the network has it."""
    name = f"{layer}#scratch"
    while name in network.tensors:
        name += "#"
    return name


def lifetimes(network: Network, scratch: Mapping[str, int]) -> tuple[list[Buffer], dict[str, str]]:
    """Buffers of a network, and for each activation tensor the name of the buffer that holds it.

    Steps are the indices of layers. `scratch` maps layers' names to bytes; absent means none.
    Inputs are live from step 0, since the caller fills all of them before the run; outputs to the
    last step. A Reshape's output lies in its input's buffer. Constants are in flash and have none.
    """
    aliases: dict[str, str] = {}
    first: dict[str, int] = {}
    last: dict[str, int] = {}

    def is_constant(tensor: str) -> bool:
        return network.tensors[tensor].data is not None

    for name in network.inputs:
        aliases[name] = name
        first[name] = last[name] = 0
    for step, layer in enumerate(network.layers):
        for name in layer.inputs:
            if not is_constant(name):
                last[aliases[name]] = step
        if isinstance(layer, Reshape) and not is_constant(layer.inputs[0]):
            aliases[layer.output] = aliases[layer.inputs[0]]
        else:
            aliases[layer.output] = layer.output
            first[layer.output] = last[layer.output] = step
    for name in network.outputs:
        if not is_constant(name):
            last[aliases[name]] = len(network.layers) - 1

    buffers = [Buffer(n, network.tensors[n].nbytes, first[n], last[n]) for n in first]
    for step, layer in enumerate(network.layers):
        if scratch.get(layer.name, 0):
            name = scratch_name(network, layer.name)
            buffers.append(Buffer(name, scratch[layer.name], step, step))
    return buffers, aliases
