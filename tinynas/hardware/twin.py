# SPDX-License-Identifier: Apache-2.0
"""The planner's answers for an architecture, some thousand times as fast as a compile.

It asks the compiler's own functions: which kernels a layer can have, which the network takes
together, and where buffers lie. What depends on a layer alone (its shape, the nominal numbers of
network.py, and what its kernels say of their context) is asked once and remembered; nothing is
emitted, and no plan is replayed. A test holds that the result is that of `compile_network`.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from tinyengine_tvm.errors import UnsupportedOperators
from tinyengine_tvm.kernels.base import Configuration, Objective
from tinyengine_tvm.kernels.registry import Options, Selected, context_of, options_of
from tinyengine_tvm.kernels.selection import choose_together
from tinyengine_tvm.memory.choice import ALLOWANCE, ways_of
from tinyengine_tvm.memory.relief import Option, plan_with_options
from tinyengine_tvm.network import Layer, Network
from tinyengine_tvm.network.macs import layer_macs
from tinyengine_tvm.targets import get_target

from ..space import Architecture
from .costs import Costs
from .network import Key, outline_of, weighted


@dataclass(frozen=True)
class Chosen:
    """A layer's kernel and configuration, as they come out."""

    layer: str
    kernel: str
    configuration: Configuration


@dataclass
class _Picked:
    """What one of a layer's options comes to."""

    selected: Selected
    ways: list[tuple[Configuration, Option]]
    constants: int
    functions: tuple[Hashable, ...]
    helpers: tuple[str, ...]


@dataclass
class _Facts:
    """What is known of layers that are alike, in contexts that are."""

    options: Options
    macs: int
    picked: dict[int, _Picked] = field(default_factory=dict)


class Twin:
    """Judges architectures for one core; remembers what layers give."""

    def __init__(self, core: str = "cortex-m4", objective: Objective = "speed") -> None:
        self.target = get_target(core)
        self.objective: Objective = objective
        self._facts: dict[Hashable, _Facts] = {}

    def judge(self, architecture: Architecture) -> Costs:
        """What the architecture takes.

        Raises:
            NasError: a block whose cost isn't modelled.
        """
        return self.explain(architecture)[0]

    def explain(self, architecture: Architecture) -> tuple[Costs, list[Chosen]]:
        """As `judge`, with the kernel and configuration of every layer."""
        network, keys = outline_of(architecture)
        facts = [self._known(network, at, key) for at, key in enumerate(keys)]
        menus = [known.options.menu for known in facts]
        chosen = iter(choose_together([m for m in menus if m is not None], self.objective))
        picked = [
            self._picked(network, at, keys[at], facts[at], 0 if menu is None else next(chosen))
            for at, menu in enumerate(menus)
        ]
        macs = sum(known.macs for known in facts)
        options = {
            layer.name: [option for _, option in own.ways]
            for layer, own in zip(network.layers, picked, strict=True)
        }
        plan, ways = plan_with_options(network, options, int(ALLOWANCE * macs), check=False)
        names = [
            Chosen(layer.name, own.selected.kernel.name, own.ways[ways[layer.name]][0])
            for layer, own in zip(network.layers, picked, strict=True)
        ]
        weights = sum(own.constants for own in picked)
        return Costs(plan.arena_bytes, 0, weights, 0, macs, 0, 0), names

    def _known(self, network: Network, at: int, key: Key) -> _Facts:
        layer = network.layers[at]
        x, y = network.input_of(layer).shape, network.output_of(layer).shape
        like = (layer.op, x, y, key, context_of(network, layer, self.target))
        found = self._facts.get(like)
        if found is None:
            whole, own = _with_weights(network, at, key)
            options = options_of(whole, own, self.target, self.objective)
            if options is None:
                raise UnsupportedOperators([layer.op], f"no kernel for target {self.target.name}")
            found = self._facts[like] = _Facts(options, layer_macs(network, layer))
        return found

    def _picked(self, network: Network, at: int, key: Key, facts: _Facts, choice: int) -> _Picked:
        found = facts.picked.get(choice)
        if found is None:
            whole, own = _with_weights(network, at, key)
            selected = Selected(own, *facts.options.choices[choice])
            code = selected.kernel.emit(whole, own, selected.configuration)
            found = facts.picked[choice] = _Picked(
                selected,
                ways_of(whole, selected),
                sum(constant.data.nbytes for constant in code.constants),
                tuple(function.text for function in code.functions),
                tuple(helper for function in code.functions for helper in function.helpers),
            )
        return found


def _with_weights(network: Network, at: int, key: Key) -> tuple[Network, Layer]:
    """The network with nominal weights in one layer, and that layer."""
    layer = weighted(network.layers[at], key)
    layers = [*network.layers[:at], layer, *network.layers[at + 1 :]]
    return network.with_layers(layers), layer
