# SPDX-License-Identifier: Apache-2.0
"""A network in the order of execution that needs the smallest arena."""

from __future__ import annotations

from collections.abc import Mapping

from ..network import Network
from .lifetimes import lifetimes, views
from .order import Operator, OperatorGraph
from .overlap import Rules, sharing
from .placement import place
from .schedule import best_order

_EFFORT = 20_000
"""Budget of the placements by which two orders are compared."""


def operator_graph(
    network: Network,
    scratch: Mapping[str, int] | None = None,
    rules: Mapping[str, Rules] | None = None,
) -> OperatorGraph:
    """The layers of a network as operators; tensors that are views of one another are one value."""
    view = {name: place.buffer for name, place in views(network).items()}
    writer = {layer.output: layer.name for layer in network.layers}
    operators = []
    for layer in network.layers:
        rule = (rules or {}).get(layer.name, Rules())
        output = view[layer.output]
        shared: dict[str, int] = {}
        for value in {view[name] for name in layer.inputs if name in view} - {output}:
            indices = [i for i, name in enumerate(layer.inputs) if view.get(name) == value]
            sizes = network.tensors[value].nbytes, network.tensors[output].nbytes
            if all(i in rule.in_place for i in indices):
                shared[value] = min(sizes)
            elif all(i in rule.operands for i in indices):
                shared[value] = min(*sizes, *(rule.operands[i] for i in indices))
            if indices == [0] and rule.scratch:
                over = min(rule.scratch, sizes[0])
                shared[value] = max(shared.get(value, 0), over)
        operators.append(
            Operator(
                layer.name,
                tuple(dict.fromkeys(view[name] for name in layer.inputs if name in view)),
                (output,),
                (scratch or {}).get(layer.name, 0),
                shared,
                tuple(writer[name] for name in layer.inputs if name in writer),
            )
        )
    return OperatorGraph(
        tuple(operators),
        {value: network.tensors[value].nbytes for value in dict.fromkeys(view.values())},
        network.inputs,
        tuple(dict.fromkeys(view[name] for name in network.outputs if name in view)),
    )


def has_choice(network: Network) -> bool:
    """Whether the layers could run in another order at all."""
    ready = {*network.inputs, *(n for n, t in network.tensors.items() if t.data is not None)}
    for layer, following in zip(network.layers, network.layers[1:], strict=False):
        if ready.issuperset(following.inputs):
            return True
        ready.add(layer.output)
    return False


def reordered(
    network: Network,
    scratch: Mapping[str, int] | None = None,
    rules: Mapping[str, Rules] | None = None,
) -> Network:
    """The network with its layers in the best order found, or itself where none is better.

    `scratch` and `rules` say by layer what kernels need and what they allow to overlap.
    """
    found = best_order(operator_graph(network, scratch, rules))
    if found.peak >= found.given_peak:
        return network
    layers = {layer.name: layer for layer in network.layers}
    result = network.with_layers(layers[name] for name in found.names)
    # Live bytes are not yet an arena: one that packs badly would be none the better.
    sizes = [_arena(n, scratch or {}, rules or {}) for n in (network, result)]
    return result if sizes[1] < sizes[0] else network


def _arena(network: Network, scratch: Mapping[str, int], rules: Mapping[str, Rules]) -> int:
    buffers, aliases = lifetimes(network, scratch)
    shared = sharing(network, buffers, aliases, rules)
    return place(buffers, shared.separation, _EFFORT, shared.together).size
