# SPDX-License-Identifier: Apache-2.0
"""What a bench gives: a row per engine, model and board, and the engines that are absent."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..errors import TinyEngineError


class Unable(TinyEngineError):
    """A model that an engine, or our adapter for it, can't take."""


@dataclass(frozen=True)
class LayerRow:
    """One operator of an engine: MACs, and instructions and cycles of one inference."""

    name: str
    operator: str
    macs: int
    instructions: int | None
    cycles: int | None


@dataclass(frozen=True)
class Row:
    """One engine with one model on one board.

    macs: of the model as it comes, so that engines which leave some out compare with those that
    don't. Counts are of one inference; `cycles` None where nobody has published the core's timings.
    sram_bytes: buffers of the engine with input and output, .data and .bss; the stack apart.
    outputs: what they were compared with, and whether they are the same bytes; None: not compared.
    """

    engine: str
    model: str
    board: str
    core: str
    source: Literal["measured", "recorded"]
    macs: int
    instructions: int | None
    cycles: int | None
    sram_bytes: int
    stack_bytes: int | None
    weights_flash_bytes: int | None
    code_flash_bytes: int | None
    outputs: tuple[str, bool] | None = None
    layers: tuple[LayerRow, ...] | None = None
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as JSON-serialisable values."""
        values = asdict(self)
        note = values.pop("note")
        if self.outputs is not None:
            values["outputs"] = dict(zip(("compared_with", "equal"), self.outputs, strict=True))
        return values | ({} if note is None else {"note": note})


@dataclass(frozen=True)
class Absent:
    """An engine that wasn't measured, and why, in one line."""

    engine: str
    reason: str


@dataclass(frozen=True)
class Bench:
    """One run of the bench. `versions`: of what measured and of what was measured."""

    boards: tuple[str, ...]
    rows: tuple[Row, ...]
    absent: tuple[Absent, ...]
    versions: dict[str, Any] = field(default_factory=dict)

    def to_json(self, command: str) -> dict[str, Any]:
        """The content of bench.json."""
        return {
            "kind": "bench",
            "command": command,
            "versions": self.versions,
            "boards": list(self.boards),
            "rows": [row.to_json() for row in self.rows],
            "absent": [asdict(absent) for absent in self.absent],
        }
