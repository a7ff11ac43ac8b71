# SPDX-License-Identifier: Apache-2.0
"""From a network and a goal to the plan that is compiled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..errors import BudgetError, TinyEngineError
from ..kernels.base import Objective
from ..kernels.registry import Chooser, Selected, select_kernels
from ..memory.choice import plan_selected
from ..network import Network
from ..network.macs import network_macs
from ..targets import Target
from .apply import apply
from .arena import arena_bytes
from .check import check_fusion
from .goal import MAC_FACTOR, Goal
from .kernel import FusedKernel
from .search import Option, Search

SHARES = (1.0, 0.99, 0.98, 0.97, 0.96, 0.94, 0.92, 0.9, 0.86, 0.82, 0.78, 0.7, 0.6)
"""Parts of a budget for which pieces are sought that fit one by one: they may not fit together,
since a tensor between two of them has one place."""


REFINEMENTS = 3
ANY = 100.0
"""A MAC factor that forbids nothing."""


@dataclass(frozen=True, eq=False)
class Tiling:
    """A network with regions as layers, its kernels, and what that takes."""

    network: Network
    selected: list[Selected]
    arena: int
    """Bytes"""
    macs: int
    cost: int
    """Estimated instructions beyond those of whole layers."""
    regions: int


class Planner:
    """All plans of one network, found on demand."""

    def __init__(
        self,
        network: Network,
        target: Target,
        objective: Objective,
        *,
        streamed: bool,
        chooser: Chooser | None = None,
    ) -> None:
        self.network, self.target, self.objective = network, target, objective
        self.streamed = streamed
        self.chosen = select_kernels(network, target, objective, chooser)
        self._search: Search | None = None
        self._tilings: dict[tuple[int, ...], Tiling] = {}

    @property
    def search(self) -> Search:
        if self._search is None:
            self._search = Search(self.network, self.target, self.chosen, streamed=self.streamed)
        return self._search

    @cached_property
    def whole(self) -> Tiling | None:
        """The plan without regions; none where the input is streamed."""
        if self.streamed:
            return None
        arena = plan_selected(self.network, self.chosen)[1].arena_bytes
        return Tiling(self.network, self.chosen, arena, network_macs(self.network), 0, 0)

    def within(self, budget: int) -> Tiling | None:
        """A plan that needs at most `budget` bytes, the cheapest that is found."""
        if self.whole is not None and self.whole.arena <= budget:
            return self.whole
        best: Tiling | None = None
        failed = 1.0
        for share in SHARES:
            best = self._fitting(budget, share)
            if best is not None or self.search.path(int(budget * share)) is None:
                break
            failed = share
        if best is None:
            least = self.smallest(ANY)
            return least if least is not None and least.arena <= budget else None
        # Between what failed and what fits there may be something cheaper.
        low = share
        for _ in range(REFINEMENTS if low < 1 else 0):
            middle = (low + failed) / 2
            found = self._fitting(budget, middle)
            if found is None:
                failed = middle
            else:
                low = middle
                best = min(best, found, key=lambda t: (t.cost, t.arena))
        return best

    def _fitting(self, budget: int, share: float) -> Tiling | None:
        path = self.search.path(int(budget * share))
        tiling = None if path is None else self._tiling(path)
        return tiling if tiling is not None and tiling.arena <= budget else None

    def smallest(self, mac_factor: float = MAC_FACTOR) -> Tiling | None:
        """The plan with the smallest arena that is found for at most so many MACs."""
        best = self.whole
        most = network_macs(self.network) * mac_factor
        low, high = 0, best.arena if best is not None else 1 << 30
        while high - low > max(16, high // 100):
            middle = (low + high) // 2 if high < 1 << 29 else high
            path = self.search.path(middle)
            tiling = None if path is None else self._tiling(path)
            if path is None or tiling is None or tiling.macs > most:
                if high >= 1 << 29:
                    return None
                low = middle
                continue
            if best is None or (tiling.arena, tiling.cost) < (best.arena, best.cost):
                best = tiling
            high = min(middle, max(o.arena for o in path))
        return best

    def known(self) -> list[Tiling]:
        """All plans that have been looked at so far."""
        return list(self._tilings.values())

    def _tiling(self, path: list[Option]) -> Tiling:
        key = tuple(id(option) for option in path)
        if key not in self._tilings:
            regions = [(o.region, o.choice) for o in path if o.choice is not None]
            kernels = {s.layer.name: s for o in path for s in o.choices}
            network, selected = apply(self.network, kernels, regions)
            cost = sum(option.cost for option in path)
            # What is compiled is planned with more effort, and isn't larger.
            arena = arena_bytes(network, selected)
            macs = network_macs(network)
            self._tilings[key] = Tiling(network, selected, arena, macs, cost, len(regions))
        return self._tilings[key]


def tile(
    network: Network,
    target: Target,
    objective: Objective,
    goal: Goal,
    chooser: Chooser | None = None,
) -> tuple[Network, list[Selected]]:
    """The network as it is compiled: with regions as layers where the goal demands it.

    `chooser` may choose the kernels of layers outside regions.

    Raises:
        BudgetError: no plan was found that meets the goal.
        TinyEngineError: the input can't be streamed.
    """
    planner = Planner(network, target, objective, streamed=goal.stream_input, chooser=chooser)
    if goal.stream_input:
        _check_streamable(planner)
    found: Tiling | None
    if goal.sram is not None:
        found = planner.within(goal.sram)
        if found is None:
            raise BudgetError(_over_budget(planner, goal))
    elif goal.smallest:
        found = planner.smallest(goal.mac_factor)
    else:
        found = planner.whole or planner.within(1 << 30)
    if found is None:
        raise TinyEngineError("the input can't be streamed: its first layers can't be fused")
    for choice in found.selected:
        if isinstance(choice.kernel, FusedKernel):
            check_fusion(choice.kernel.fusion)
    return found.network, found.selected


def streamable(planner: Planner) -> bool:
    """Whether the input can be delivered a few rows at a time."""
    return len(planner.network.inputs) == 1 and bool(planner.search.streamable())


def _check_streamable(planner: Planner) -> None:
    network = planner.network
    if len(network.inputs) != 1:
        raise TinyEngineError(
            f"the network has {len(network.inputs)} inputs, and only one alone can be streamed; "
            "compile without streaming"
        )
    if not streamable(planner):
        first = network.layers[0]
        raise TinyEngineError(
            f"the input can't be streamed: {first.op} '{first.name}' reads it as a whole; "
            "compile without streaming"
        )


def _over_budget(planner: Planner, goal: Goal) -> str:
    least = planner.smallest(ANY)
    assert least is not None and goal.sram is not None
    worst = _largest(least)
    message = (
        f"no plan fits {goal.sram:,} bytes of SRAM: the smallest found takes {least.arena:,}, "
        f"{least.arena - goal.sram:,} too many, at {worst}"
    )
    helps = []
    if not goal.stream_input:
        other = Planner(planner.network, planner.target, planner.objective, streamed=True)
        if streamable(other):
            streamed = other.smallest(ANY)
            if streamed is not None and streamed.arena < least.arena:
                helps.append(f"with the input streamed {streamed.arena:,}")
    return message + (f"; {', '.join(helps)}" if helps else "")


def _largest(tiling: Tiling) -> str:
    """The layer that needs the most bytes, and what of."""
    network = tiling.network

    def bytes_of(choice: Selected) -> int:
        names = {n for n in (*choice.layer.inputs, choice.layer.output) if n in network.tensors}
        tensors = sum(network.tensor(n).nbytes for n in names if network.tensor(n).data is None)
        return tensors + choice.kernel.scratch(network, choice.layer, choice.configuration)

    worst = max(tiling.selected, key=bytes_of)
    return f"{worst.layer.op} '{worst.layer.name}'"
