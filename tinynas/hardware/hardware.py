# SPDX-License-Identifier: Apache-2.0
"""What the search asks about a microcontroller: what networks cost, and whether one really fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinyengine_tvm import Artifact, compile_network
from tinyengine_tvm.errors import BudgetError

from ..budget import Budget
from ..errors import NasError
from ..space import Architecture
from .costs import Costs
from .models import tflm_arena, tinyengine_peak
from .network import network_of
from .twin import Twin

MODELS = ("tinyengine-tvm", "tflite-micro", "tinyengine")
"""Whose memory counts; the first is this compiler's, the others show what it's worth."""
MARGIN = 0.03
"""The part of the flash that stays free while networks are judged: trained weights give some layers
other code than the nominal ones, by up to 2.7 % of the whole in docs/nas-hardware.md."""


def within(costs: Costs, budget: Budget) -> bool:
    """Whether a network that was judged fits, with the margin of flash."""
    return (
        (budget.sram is None or costs.sram <= budget.sram)
        and (budget.flash is None or _with_margin(costs.flash) <= budget.flash)
        and (budget.cycles is None or costs.cycles <= budget.cycles)
    )


def _with_margin(flash: int) -> float:
    return flash / (1 - MARGIN)


class Hardware:
    """One core, and whose memory decides what fits on it.

    `budget`: a network whose fast code doesn't fit its flash, less the margin, is judged with its
    smallest code. With `fusion`, one that exceeds its SRAM is judged with layers computed a few
    rows at a time, as the compiler would then plan it; that takes seconds per network.

    Raises:
        NasError: no such model of memory.
    """

    def __init__(
        self,
        core: str,
        memory: str = MODELS[0],
        budget: Budget | None = None,
        fusion: bool = False,
    ) -> None:
        if memory not in MODELS:
            raise NasError(f"no memory model '{memory}'; there are: {', '.join(MODELS)}")
        self.core, self.memory, self.fusion = core, memory, fusion
        self.budget = budget or Budget()
        self._fast = Twin(core, "speed")
        self._small = Twin(core, "size")

    def judge(self, architectures: Sequence[Architecture]) -> list[Costs]:
        """What each network costs."""
        return [self._judged(architecture) for architecture in architectures]

    def _judged(self, architecture: Architecture) -> Costs:
        sram, flash = self.budget.sram, self.budget.flash
        costs = self._fast.judge(architecture, sram, self.fusion)
        if flash is not None and _with_margin(costs.flash) > flash:
            costs = self._small.judge(architecture, sram, self.fusion)
        if self.memory == MODELS[0]:
            return costs
        arena = tflm_arena if self.memory == "tflite-micro" else tinyengine_peak
        return replace(costs, arena=arena(architecture))

    def costs_of(self, architectures: Sequence[Architecture]) -> list[tuple[float, float, float]]:
        """Bytes of SRAM, of flash with the margin, and cycles of each network."""
        return [(c.sram, _with_margin(c.flash), c.cycles) for c in self.judge(architectures)]

    def confirm(self, architecture: Architecture, budget: Budget) -> None:
        """Compiles and links a network, with nominal weights, within the budget of memory.

        Another's memory can't be confirmed with this compiler: then only the flash is.

        Raises:
            BudgetError: it doesn't fit.
        """
        network = network_of(architecture)
        sram = budget.sram if self.memory == MODELS[0] else None

        def compiled(optimise: str) -> Artifact:
            return compile_network(
                network,
                target=self.core,
                sram=sram,
                flash=budget.flash,
                optimise=optimise,  # type: ignore[arg-type]
            )

        try:
            compiled("speed")
        except BudgetError:
            compiled("size")
