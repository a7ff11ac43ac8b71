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
    the arena, and loads and stores executed."""

    name: str
    op: str
    instructions: int | None
    macs: int
    arena_live: int
    loads: int | None = None
    stores: int | None = None


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

    @property
    def instructions_per_mac(self) -> float | None:
        """None for a model without multiply-accumulates."""
        return self.instructions / self.macs if self.macs else None

    def to_json(self) -> dict[str, Any]:
        """The profile as JSON-serialisable values."""
        ratio = self.instructions_per_mac
        return {
            "board": self.board,
            "target": self.target,
            "instructions": self.instructions,
            "unmarked_instructions": self.unmarked_instructions,
            "macs": self.macs,
            "instructions_per_mac": None if ratio is None else round(ratio, 4),
            "loads": self.loads,
            "stores": self.stores,
            "sram": {**asdict(self.sram), "total": self.sram.total},
            "flash": {**asdict(self.flash), "total": self.flash.total},
            "layers": [asdict(layer) for layer in self.layers],
            "functions": [asdict(function) for function in self.functions],
            "method": self.method,
            "note": self.note,
        }
