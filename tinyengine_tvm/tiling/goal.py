# SPDX-License-Identifier: Apache-2.0
"""What a compile asks of the memory plan."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import TinyEngineError

MAC_FACTOR = 1.15
"""The most multiply-accumulates, relative to the network's, that are spent to save SRAM."""


@dataclass(frozen=True)
class Goal:
    """How much SRAM a network may take, and what may be done for that.

    sram: bytes, or None for no limit; smallest: look for the least SRAM; mac_factor: the most
    multiply-accumulates relative to the network's own; stream_input: the input is delivered a few
    rows at a time.
    """

    sram: int | None = None
    smallest: bool = False
    mac_factor: float = MAC_FACTOR
    stream_input: bool = False

    def __post_init__(self) -> None:
        if self.sram is not None and self.sram <= 0:
            raise TinyEngineError(f"an SRAM budget of {self.sram} bytes; give a positive number")
        if not 1.0 <= self.mac_factor <= 100.0:
            raise TinyEngineError(f"a MAC factor of {self.mac_factor}; give one from 1 to 100")


WHOLE = Goal()
"""Layer by layer, whatever SRAM that takes."""
