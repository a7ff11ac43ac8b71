# SPDX-License-Identifier: Apache-2.0
"""What a timing model of a core is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .instruction import Instruction


class CycleModel(Protocol):
    """Cycles of straight-line code, and of the branches that leave it. Memory without wait states.

    The rules and their sources are in docs/cycle-model.md.
    """

    @property
    def core(self) -> str: ...

    def straight(self, code: Sequence[Instruction]) -> list[int]:
        """Cycles that each instruction adds, from an idle core; no branch but the last is taken.

        A branch inside `code` counts as not taken, or as the end of what came before where the
        next instruction isn't the one behind it.
        """
        ...

    def branching(
        self, branch: Instruction, before: Instruction | None, executed: int, taken: int
    ) -> int:
        """Cycles beyond `straight`'s of a branch that ran `executed` times and was `taken`.

        before: the instruction that stands before it in the same block.
        """
        ...
