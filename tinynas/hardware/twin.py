# SPDX-License-Identifier: Apache-2.0
"""The planner's answers for an architecture, some thousand times as fast as a compile.

It asks the compiler's own functions: which kernels a layer can have, which the network takes
together, and where buffers lie. What depends on a layer alone (its shape, the nominal numbers of
network.py, and what its kernels say of their context) is asked once and remembered; nothing is
emitted, and no plan is replayed. A test holds that the result is that of `compile_network`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from .fitted import code_parts, fitted, sizes_of
from .fusion import fused
from .network import Key, outline_of, weighted


@dataclass(frozen=True)
class Chosen:
    """A layer's kernel and configuration, as they come out."""

    layer: str
    kernel: str
    configuration: Configuration


@dataclass
class Picked:
    """What one of a layer's options comes to.

    `constants`: bytes. `sizes`: see `sizes_of`. `own` and `shared`: parts of the code, see
    `code_parts`; `pieces`: the shared ones as numbers, with their bytes.
    """

    selected: Selected
    ways: list[tuple[Configuration, Option]]
    macs: int
    constants: int
    sizes: list[float]
    own: str
    shared: Mapping[str, tuple[str, int]]
    pieces: Mapping[int, float]
    instructions: float
    cycles: float


@dataclass
class _Facts:
    """What is known of layers that are alike, in contexts that are."""

    options: Options
    macs: int
    picked: dict[int, Picked] = field(default_factory=dict)


class Twin:
    """Judges architectures for one core; remembers what layers give."""

    def __init__(self, core: str = "cortex-m4", objective: Objective = "speed") -> None:
        self.target = get_target(core)
        self.objective: Objective = objective
        self._facts: dict[Hashable, _Facts] = {}
        self._pieces: dict[str, int] = {}
        self._fitted = fitted(core)
        self._static = 0 if self._fitted is None else self._fitted.static

    def judge(
        self, architecture: Architecture, sram: int | None = None, fusion: bool = False
    ) -> Costs:
        """What the architecture takes.

        `fusion`: where that is more than `sram` bytes, layers are computed together as `compile
        --sram` does, if that makes it fit. Arena, weights and MACs are those of that plan then, and
        time is taken to grow with the MACs; code isn't known any better than without. It asks the
        compiler's own search, which takes seconds.

        Raises:
            NasError: a block whose cost isn't modelled.
        """
        costs = self.explain(architecture)[0]
        if not fusion or sram is None or costs.sram <= sram:
            return costs
        found = fused(architecture, self.target, self.objective, sram - costs.static)
        if found is None:
            return costs
        factor = found.macs / costs.macs
        return replace(
            costs,
            arena=found.arena,
            weights=found.weights,
            macs=found.macs,
            instructions=round(factor * costs.instructions),
            cycles=round(factor * costs.cycles),
        )

    def explain(self, architecture: Architecture) -> tuple[Costs, list[Chosen]]:
        """As `judge`, with the kernel and configuration of every layer."""
        network, picked = self.selection(architecture)
        macs = sum(own.macs for own in picked)
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
        # A lighter way to run a layer costs instructions.
        extra = sum(option[ways[layer]].cost for layer, option in options.items() if ways[layer])
        return Costs(
            plan.arena_bytes,
            self._static,
            weights,
            self._code(picked),
            macs,
            round(sum(own.instructions for own in picked)) + extra,
            round(sum(own.cycles for own in picked)) + extra,
        ), names

    def selection(self, architecture: Architecture) -> tuple[Network, list[Picked]]:
        """The outline of the network, and what each of its layers takes.

        Raises:
            NasError: as `judge`.
        """
        network, keys = outline_of(architecture)
        facts = [self._known(network, at, key) for at, key in enumerate(keys)]
        menus = [known.options.menu for known in facts]
        chosen = iter(choose_together([m for m in menus if m is not None], self.objective))
        picked = [
            self._picked(network, at, keys[at], facts[at], 0 if menu is None else next(chosen))
            for at, menu in enumerate(menus)
        ]
        return network, picked

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

    def _picked(self, network: Network, at: int, key: Key, facts: _Facts, choice: int) -> Picked:
        found = facts.picked.get(choice)
        if found is None:
            whole, own = _with_weights(network, at, key)
            selected = Selected(own, *facts.options.choices[choice])
            code = selected.kernel.emit(whole, own, selected.configuration)
            name = selected.kernel.name
            feature, shared = code_parts(name, code.functions)
            menu = facts.options.menu
            estimate = 0 if menu is None else int(menu.instructions[choice])
            sizes = sizes_of(whole, own, estimate)
            time = (0.0, 0.0) if self._fitted is None else self._fitted.time(name, sizes)
            found = facts.picked[choice] = Picked(
                selected,
                ways_of(whole, selected),
                facts.macs,
                sum(constant.data.nbytes for constant in code.constants),
                sizes,
                feature,
                shared,
                {
                    self._pieces.setdefault(piece, len(self._pieces)): self._bytes(part, amount)
                    for piece, (part, amount) in shared.items()
                },
                *time,
            )
        return found

    def _bytes(self, feature: str, amount: int) -> float:
        if self._fitted is None:
            # At most: some instructions take two bytes.
            return float(amount) if feature.startswith("assembly") else 0.0
        return self._fitted.code.get(feature, 0.0) * amount

    def _code(self, picked: Sequence[Picked]) -> int:
        pieces: dict[int, float] = {}
        total = self._bytes("network", 1)
        for own in picked:
            pieces.update(own.pieces)
            total += self._bytes(own.own, 1)
        return round(total + sum(pieces.values()))


def _with_weights(network: Network, at: int, key: Key) -> tuple[Network, Layer]:
    """The network with nominal weights in one layer, and that layer."""
    layer = weighted(network.layers[at], key)
    layers = [*network.layers[:at], layer, *network.layers[at + 1 :]]
    return network.with_layers(layers), layer
