# SPDX-License-Identifier: Apache-2.0
"""What profiling gives: instructions per layer and function, and bytes of SRAM and flash."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sram:
    """Bytes of RAM. `static` is .data and .bss outside the arena, of the model and what libc and
    libgcc add for it; `stack` is the deepest stack of one inference below its caller's."""

    arena: int
    static: int
    stack: int

    @property
    def total(self) -> int:
        return self.arena + self.static + self.stack


@dataclass(frozen=True)
class Flash:
    """Bytes of flash. `weights` are the linked constants that metadata.json lists; `code` is
    everything else of the model and what libc and libgcc add for it."""

    weights: int
    code: int

    @property
    def total(self) -> int:
        return self.weights + self.code


@dataclass(frozen=True)
class LayerProfile:
    """One layer: instructions executed per inference (None: not measured), MACs, live bytes of
    the arena, loads and stores executed, the estimate of its cycles (None: there is none), and the
    bytes of its code where it has a function to itself: one that TVM lowered."""

    name: str
    op: str
    instructions: int | None
    macs: int
    arena_live: int
    loads: int | None = None
    stores: int | None = None
    cycles: int | None = None
    code_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The layer as JSON-serialisable values."""
        return {**asdict(self), "cycles_per_mac": _per_mac(self.cycles, self.macs)}


@dataclass(frozen=True)
class FunctionProfile:
    """Instructions that one C function executes per inference, without those it calls."""

    name: str
    instructions: int


@dataclass(frozen=True)
class AddressCounts:
    """What one layer executed, by instruction address of the profiling build.

    `executed[a]`: how often the instruction at `a` ran. `taken[a]`: how often the flow then went
    elsewhere than to the instruction behind it.
    """

    executed: dict[int, int]
    taken: dict[int, int]


@dataclass(frozen=True)
class Profile:
    """One inference on a board. Counts are instructions executed.

    instructions: of the profiling build, the sum of its layers. Its layer marks are no
    instructions, but gcc moves none across them, so that the code may differ by a few from that of
    the plain build, whose count is `unmarked_instructions`; sizes and stack are the plain build's.
    method: "plugin" (exact, per address) or "icount-timer" (QEMU's instruction clock, read through
    a timer: a total within some ten instructions per ten million, no layers); `note` says why.
    addresses: per layer, for the plugin alone; not part of `to_json`.
    cycles: the estimate of docs/cycle-model.md for the board's core, the sum of its layers; where
    it is None, `cycles_note` says why.
    clock_instructions: under an operating system, the same inference by its clock under QEMU's
    -icount, interrupts included; None elsewhere.
    """

    board: str
    target: str
    instructions: int
    unmarked_instructions: int
    macs: int
    loads: int | None
    stores: int | None
    sram: Sram
    flash: Flash
    layers: tuple[LayerProfile, ...]
    functions: tuple[FunctionProfile, ...]
    method: str
    note: str | None = None
    addresses: tuple[AddressCounts, ...] = field(default=(), repr=False)
    cycles: int | None = None
    cycles_note: str | None = None
    clock_instructions: int | None = None

    @property
    def instructions_per_mac(self) -> float | None:
        """None for a model without multiply-accumulates."""
        return self.instructions / self.macs if self.macs else None

    @property
    def cycles_per_mac(self) -> float | None:
        """None for a model without multiply-accumulates, and where there are no cycles."""
        return self.cycles / self.macs if self.macs and self.cycles is not None else None

    def to_json(self) -> dict[str, Any]:
        """The profile as JSON-serialisable values."""
        return {
            "board": self.board,
            "target": self.target,
            "instructions": self.instructions,
            "unmarked_instructions": self.unmarked_instructions,
            "clock_instructions": self.clock_instructions,
            "macs": self.macs,
            "instructions_per_mac": _per_mac(self.instructions, self.macs),
            "cycles": self.cycles,
            "cycles_per_mac": _per_mac(self.cycles, self.macs),
            "loads": self.loads,
            "stores": self.stores,
            "sram": {**asdict(self.sram), "total": self.sram.total},
            "flash": {**asdict(self.flash), "total": self.flash.total},
            "layers": [layer.to_json() for layer in self.layers],
            "functions": [asdict(function) for function in self.functions],
            "method": self.method,
            "note": self.note,
            "cycles_note": self.cycles_note,
        }


def _per_mac(count: int | None, macs: int) -> float | None:
    return round(count / macs, 4) if macs and count is not None else None
