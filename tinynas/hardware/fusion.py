# SPDX-License-Identifier: Apache-2.0
"""What fusion makes of an architecture too large for a budget: the compiler's own answer."""

from __future__ import annotations

from dataclasses import dataclass

from tinyengine_tvm.errors import BudgetError
from tinyengine_tvm.kernels.base import Objective
from tinyengine_tvm.memory.choice import plan_selected
from tinyengine_tvm.network.macs import network_macs
from tinyengine_tvm.targets import Target
from tinyengine_tvm.tiling import Goal, tile

from ..space import Architecture
from .network import network_of


@dataclass(frozen=True)
class Fusion:
    """Bytes of the arena and of constants, and multiply-accumulates, some of them done twice."""

    arena: int
    weights: int
    macs: int


def fused(
    architecture: Architecture, target: Target, objective: Objective, sram: int
) -> Fusion | None:
    """As `compile_network` plans for `sram` bytes, or None where no plan fits them."""
    try:
        network, selected = tile(network_of(architecture), target, objective, Goal(sram), None)
    except BudgetError:
        return None
    selected, plan = plan_selected(network, selected)
    constants = 0
    for choice in selected:
        code = choice.kernel.emit(network, choice.layer, choice.configuration)
        constants += sum(constant.data.nbytes for constant in code.constants)
    return Fusion(plan.arena_bytes, constants, network_macs(network))
