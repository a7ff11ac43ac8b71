# SPDX-License-Identifier: Apache-2.0
"""A compiled model's folder as a board sees it: model.c, model.h and the facts of metadata.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BoardError
from ..targets import Target, get_target

FORMAT = 1


@dataclass(frozen=True)
class Port:
    """An input or output: its name in the model file and its field in the C structs."""

    name: str
    field: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    row_bytes: int = 0
    """Bytes of a row of an input that is streamed by rows; 0 for all others."""


@dataclass(frozen=True)
class LayerFacts:
    """A layer as metadata.json lists it; macs per inference, arena_live in bytes.

    function: the C function that it has to itself, if any.
    """

    name: str
    op: str
    macs: int
    arena_live: int
    function: str = ""


@dataclass(frozen=True)
class CompiledModel:
    """What a board needs to know of a compiled model. `constants`: (C symbol, bytes)."""

    directory: Path
    name: str
    target: Target
    arena_bytes: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layers: tuple[LayerFacts, ...]
    constants: tuple[tuple[str, int], ...]

    @property
    def run_function(self) -> str:
        return f"tvmgen_{self.name}_run"

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @classmethod
    def load(cls, directory: Path) -> CompiledModel:
        """Reads a folder written by the compiler.

        Raises:
            BoardError: the folder isn't a compiled model, or another version wrote it.
        """
        directory = Path(directory)
        for name in ("metadata.json", "model.c", "model.h"):
            if not (directory / name).is_file():
                raise BoardError(
                    f"'{directory}' is not a compiled model: {name} is missing; "
                    f"make it with 'tinyengine compile MODEL -o {directory}'"
                )
        try:
            facts = json.loads((directory / "metadata.json").read_text(encoding="utf-8"))
            if facts["format"] != FORMAT:
                raise BoardError(
                    f"'{directory}' has metadata format {facts['format']}, this version reads "
                    f"{FORMAT}; compile the model again"
                )
            return cls._from_facts(directory.resolve(), facts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BoardError(
                f"'{directory / 'metadata.json'}' is damaged "
                f"({type(error).__name__}: {error}); compile the model again"
            ) from None

    @classmethod
    def _from_facts(cls, directory: Path, facts: dict[str, Any]) -> CompiledModel:
        def ports(entries: list[dict[str, Any]]) -> tuple[Port, ...]:
            return tuple(
                Port(
                    e["name"],
                    e["field"],
                    tuple(e["shape"]),
                    e["dtype"],
                    int(e["bytes"]),
                    int(e.get("row_bytes", 0)),
                )
                for e in entries
            )

        return cls(
            directory=directory,
            name=facts["name"],
            target=get_target(facts["target"]),
            arena_bytes=int(facts["arena_bytes"]),
            inputs=ports(facts["inputs"]),
            outputs=ports(facts["outputs"]),
            layers=tuple(
                LayerFacts(
                    e["name"],
                    e["op"],
                    int(e["macs"]),
                    int(e["arena_live"]),
                    str(e.get("function", "")),
                )
                for e in facts["layers"]
            ),
            constants=tuple((e["symbol"], int(e["bytes"])) for e in facts["constants"]),
        )
