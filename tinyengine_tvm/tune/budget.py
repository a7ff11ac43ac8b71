# SPDX-License-Identifier: Apache-2.0
"""One configuration per layer from records: the least time within budgets of SRAM and flash.

SRAM: every layer's options are tried with the planner, the other layers taking their lightest
ones. Among those that fit, layers are independent but for where tensors lie, so the choice is
planned as a whole, and where it doesn't fit, the layer that needs the most gives up its option.
What the bound leaves out is only what fits in no plan, by the planner's lower bound. Flash:
`allocate`. Sizes of code are the measured ones of layers alone, so whoever compiles compares with
what the linker makes of it, and asks again with fewer bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from ..kernels.base import Cost
from ..kernels.dsp.assembly import code_bytes
from ..kernels.registry import Selected, select_kernels
from ..memory import MemoryPlan, plan_memory
from ..memory.bound import lower_bound
from ..memory.buffer import align_up
from ..memory.choice import plan_selected, rules_of, scratch_of
from ..memory.lifetimes import lifetimes
from ..memory.overlap import Rules, sharing
from ..network import Layer, Network
from ..targets import Target
from .allocate import allocate
from .choose import RecordChooser
from .records import Objective, Records
from .workload import Candidate

EFFORT = 20_000
"""Of a placement; what is compiled is placed with more, and isn't larger."""
ALIGNMENT = 16
"""Of scratch, at most."""
REPAIRS = 64
"""How often a layer gives up its option before the search ends with the lightest ones."""


@dataclass(frozen=True)
class Way:
    """A layer's kernel and configuration, and what it takes.

    cost: 0 for a layer without measurements. routines: their bytes by text; data: of constants.
    """

    selected: Selected
    cost: int
    scratch: int
    rules: Rules
    routines: Mapping[Hashable, int]
    data: int


@dataclass(frozen=True)
class Choice:
    """What was chosen. cost and bound: of the layers with records, in units of the objective.

    size: bytes of their code and constants by the measurements; arena: bytes.
    """

    selected: Mapping[str, Selected]
    layers: int
    cost: int
    bound: float
    size: int
    arena: int

    @property
    def gap(self) -> float:
        """How much better another choice can be at most, relative to the bound."""
        return max(0.0, self.cost / self.bound - 1) if self.bound > 0 else 0.0

    def described(self) -> dict[str, Any]:
        """What the report says of it."""
        return {
            "layers": self.layers,
            "cost": self.cost,
            "lower_bound": round(self.bound),
            "gap": round(self.gap, 6),
        }

    def __call__(self, network: Network, layer: Layer, target: Target) -> Selected | None:
        """What select_kernels asks."""
        return self.selected.get(layer.name)


class Budgets:
    """The options of a network's layers, whose choice within budgets can be asked for repeatedly.

    sram: bytes of the arena; None: as many as the defaults take.
    """

    def __init__(
        self,
        records: Records,
        network: Network,
        target: Target,
        sram: int | None,
        objective: Objective = "cycles",
    ) -> None:
        self.network = network
        self.defaults = {s.layer.name: s for s in select_kernels(network, target)}
        chooser = RecordChooser(records, objective)
        measured = {
            layer.name: chooser.measured(network, layer, target) for layer in network.layers
        }
        rest: dict[tuple[str, ...], list[int]] = {}
        for found in measured.values():
            for candidate, _, size in found:
                rest.setdefault(_helpers(candidate), []).append(size - _assembly(candidate))
        helpers = {key: max(0, round(median(sizes))) for key, sizes in rest.items()}
        self.ways: dict[str, list[Way]] = {
            name: [_way(network, *one, helpers) for one in found] or [self._fixed(name)]
            for name, found in measured.items()
        }
        self.recorded = {name for name, found in measured.items() if found}
        if sram is None:
            self.sram = plan_selected(network, list(self.defaults.values()))[1].arena_bytes
        else:
            self.sram = sram
        self.light = {name: min(ways, key=_lightness) for name, ways in self.ways.items()}
        self.light_plan = self._plan(self.light)
        self.fits = self.light_plan.arena_bytes <= self.sram
        self.allowed: dict[str, list[Way]] = {}
        self.possible: dict[str, list[Way]] = {}
        if self.fits:
            ideal = {name: _ideal(ways) for name, ways in self.ways.items()}
            for name, ways in self.ways.items():
                self.possible[name] = self._fitting(
                    name, ways, lambda n, way: self._bound({**ideal, n: way}) <= self.sram
                )
                self.allowed[name] = self._fitting(name, self.possible[name], self._fits)

    def choose(self, flash: float) -> Choice | None:
        """The choice for at most `flash` bytes of the recorded layers; None where none fits."""
        if not self.fits:
            return None
        options = {name: list(ways) for name, ways in self.allowed.items()}
        best = self._solve(options, flash)
        bound = best[1] if best is not None else 0.0
        if self.allowed != self.possible:
            relaxed = self._solve(self.possible, flash)
            bound = relaxed[1] if relaxed is not None else 0.0
        for _ in range(REPAIRS):
            if best is None:
                break
            chosen = best[0]
            plan = self._plan(chosen)
            if plan.arena_bytes <= self.sram:
                return self._choice(chosen, bound, plan)
            heaviest = max(chosen, key=lambda name: (plan.live_bytes(name), name))
            lighter = [w for w in options[heaviest] if w.scratch < chosen[heaviest].scratch]
            options[heaviest] = lighter or [self.light[heaviest]]
            best = self._solve(options, flash)
        best = self._solve({name: [way] for name, way in self.light.items()}, flash)
        return None if best is None else self._choice(best[0], bound, self._plan(best[0]))

    def _choice(self, chosen: Mapping[str, Way], bound: float, plan: MemoryPlan) -> Choice:
        taken = [chosen[name] for name in chosen if name in self.recorded]
        code = {name: size for way in taken for name, size in way.routines.items()}
        return Choice(
            {name: way.selected for name, way in chosen.items()},
            len(taken),
            sum(way.cost for way in taken),
            bound,
            sum(code.values()) + sum(way.data for way in taken),
            plan.arena_bytes,
        )

    def _solve(
        self, options: Mapping[str, Sequence[Way]], flash: float
    ) -> tuple[dict[str, Way], float] | None:
        costs = [[Cost(w.cost, w.routines, w.data) for w in ways] for ways in options.values()]
        found = allocate(costs, flash)
        if found is None:
            return None
        picked = zip(options.items(), found.choice, strict=True)
        return {name: ways[i] for (name, ways), i in picked}, found.bound

    def _fixed(self, name: str) -> Way:
        """The default of a layer that nothing is known of: its bytes are part of the correction."""
        chosen = self.defaults[name]
        scratch, rules = scratch_of(self.network, [chosen]), rules_of(self.network, [chosen])
        return Way(chosen, 0, scratch[name], rules[name], {}, 0)

    def _plan(self, ways: Mapping[str, Way]) -> MemoryPlan:
        scratch = {name: way.scratch for name, way in ways.items()}
        return plan_memory(
            self.network, scratch, {name: w.rules for name, w in ways.items()}, effort=EFFORT
        )

    def _bound(self, ways: Mapping[str, Way]) -> int:
        """Bytes that no plan goes below."""
        buffers, aliases = lifetimes(self.network, {n: w.scratch for n, w in ways.items()})
        shared = sharing(self.network, buffers, aliases, {n: w.rules for n, w in ways.items()})
        return lower_bound(buffers, shared.separation, shared.together)

    def _fitting(
        self, name: str, ways: Sequence[Way], fits: Callable[[str, Way], bool]
    ) -> list[Way]:
        """The ways of a layer that fit: of ways that allow the same overlap those with the least
        scratch, up to some number of bytes."""
        groups: dict[tuple[object, ...], list[Way]] = {}
        for way in ways:
            rules = way.rules
            key = (*sorted(rules.operands.items()), rules.scratch, rules.in_place)
            groups.setdefault(key, []).append(way)
        most: dict[tuple[object, ...], int] = {}
        for key, group in groups.items():
            by_scratch = sorted({w.scratch: w for w in group}.items())
            low, high = 0, len(by_scratch)
            # The largest one first: most layers have room enough.
            middle = high - 1
            while low < high:
                if fits(name, by_scratch[middle][1]):
                    low = middle + 1
                else:
                    high = middle
                middle = (low + high) // 2
            most[key] = by_scratch[low - 1][0] if low else -1
        kept = {id(w) for key, group in groups.items() for w in group if w.scratch <= most[key]}
        return [way for way in ways if id(way) in kept]

    def _fits(self, name: str, way: Way) -> bool:
        """Whether there is a plan with this way of a layer, and the lightest ones of all others."""
        light = self.light[name]
        if way is light:
            return True
        if _allows(way.rules, light.rules) and self._lowest(name) + way.scratch <= self.sram:
            return True
        return self._plan({**self.light, name: way}).arena_bytes <= self.sram

    def _lowest(self, name: str) -> int:
        """Above this, nothing is live beside a layer in the plan of the lightest ways."""
        plan, step = self.light_plan, self.light_plan.steps[name]
        own = plan.scratch.get(name)
        tops = (
            plan.placement.offsets[b.name] + b.size
            for b in plan.buffers
            if b.first <= step <= b.last and b.name != own
        )
        return align_up(max(tops, default=0), ALIGNMENT)


def _allows(rules: Rules, other: Rules) -> bool:
    """Whether all that the other rules let overlap may overlap by these."""
    wider = all(rules.operands.get(i, 0) >= n for i, n in other.operands.items())
    return wider and set(rules.in_place) >= set(other.in_place)


def _ideal(ways: Sequence[Way]) -> Way:
    """The least scratch of any way, with the most overlap of any: what no way is lighter than."""
    operands: dict[int, int] = {}
    for way in ways:
        for index, allowed in way.rules.operands.items():
            operands[index] = max(allowed, operands.get(index, 0))
    in_place = tuple(sorted({index for way in ways for index in way.rules.in_place}))
    rules = Rules(operands, max(way.rules.scratch for way in ways), in_place)
    return replace(ways[0], scratch=min(way.scratch for way in ways), rules=rules)


def _way(
    network: Network,
    candidate: Candidate,
    cost: float,
    size: int,
    helpers: Mapping[tuple[str, ...], int],
) -> Way:
    chosen = Selected(candidate.layer, candidate.kernel, candidate.configuration)
    routines: dict[Hashable, int] = {f.text: code_bytes(f.text) for f in candidate.code.functions}
    key = _helpers(candidate)
    routines[" ".join(key)] = helpers[key]
    name = candidate.layer.name
    return Way(
        chosen,
        int(cost),
        candidate.scratch_bytes,
        rules_of(network, [chosen])[name],
        routines,
        candidate.constant_bytes,
    )


def _helpers(candidate: Candidate) -> tuple[str, ...]:
    """What stands for the code beside a candidate's routines in assembly: its names."""
    functions = candidate.code.functions
    plain = (f.text for f in functions if not code_bytes(f.text))
    return ("helpers", *sorted({h for f in functions for h in f.helpers}), *plain)


def _assembly(candidate: Candidate) -> int:
    return sum(code_bytes(f.text) for f in candidate.code.functions)


def _lightness(way: Way) -> tuple[int, int, int]:
    """Less scratch first; of equals the one that lets its output run over the most of its input."""
    return way.scratch, -sum(way.rules.operands.values()), way.cost
