# SPDX-License-Identifier: Apache-2.0
"""What a network takes of a microcontroller."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """Bytes of SRAM and flash, and the work of one inference.

    `arena` and `static` are the SRAM: activations with scratch, and static data beside them;
    `weights` (all constants) and `code` the flash. `instructions` and `cycles` are estimates.
    """

    arena: int
    static: int
    weights: int
    code: int
    macs: int
    instructions: int
    cycles: int

    @property
    def sram(self) -> int:
        """Bytes."""
        return self.arena + self.static

    @property
    def flash(self) -> int:
        """Bytes."""
        return self.weights + self.code
