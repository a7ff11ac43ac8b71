# SPDX-License-Identifier: Apache-2.0
"""The arena over time: which bytes hold what, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS = ("input", "output", "activation", "scratch")


@dataclass(frozen=True)
class Box:
    """A buffer: bytes `low` to `high` (exclusive) of the arena from layer `first` to layer `last`.

    `layer` is the layer that writes it, None for an input of the network.
    """

    name: str
    kind: str
    layer: int | None
    low: int
    high: int
    first: int
    last: int

    @property
    def bytes(self) -> int:
        return self.high - self.low


@dataclass(frozen=True)
class ArenaMap:
    """Where everything lies in the arena of a compiled network; all sizes are bytes."""

    name: str
    target: str
    arena_bytes: int
    lower_bound: int
    method: str
    optimal: bool
    layers: tuple[tuple[str, str], ...]
    """(name, operator) in execution order."""
    live: tuple[int, ...]
    """Bytes in use while each layer runs; shared ones count once."""
    boxes: tuple[Box, ...]

    @classmethod
    def of(cls, metadata: Mapping[str, Any], report: Mapping[str, Any]) -> ArenaMap:
        """The map of an artifact."""
        memory = report["memory"]
        layers = metadata["layers"]
        position = {layer["name"]: i for i, layer in enumerate(layers)}
        boxes = tuple(
            Box(
                b["name"],
                b["kind"],
                position.get(b["layer"]),
                b["offset"],
                b["offset"] + b["bytes"],
                b["first_layer"],
                b["last_layer"],
            )
            for b in memory["buffers"]
        )
        return cls(
            report["name"],
            report["target"],
            memory["arena_bytes"],
            memory["lower_bound"],
            memory["method"],
            memory["optimal"],
            tuple((layer["name"], layer["op"]) for layer in layers),
            tuple(layer["arena_live"] for layer in layers),
            boxes,
        )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ArenaMap:
        """The map that gives this document."""
        return cls(
            document["name"],
            document["target"],
            document["arena_bytes"],
            document["lower_bound"],
            document["method"],
            document["optimal"],
            tuple((layer["name"], layer["op"]) for layer in document["layers"]),
            tuple(layer["live_bytes"] for layer in document["layers"]),
            tuple(
                Box(
                    b["name"],
                    b["kind"],
                    b["written_by"],
                    b["offset"],
                    b["offset"] + b["bytes"],
                    b["first_layer"],
                    b["last_layer"],
                )
                for b in document["buffers"]
            ),
        )

    @property
    def peak(self) -> int:
        """The layer with the most bytes in use, by number."""
        return max(range(len(self.live)), key=self.live.__getitem__)

    def at(self, layer: int) -> list[Box]:
        """What is live while a layer runs, lowest first."""
        live = [b for b in self.boxes if b.first <= layer <= b.last]
        return sorted(live, key=lambda b: (b.low, b.high, b.name))

    def shared(self) -> list[tuple[int, int, int]]:
        """(layer, low, high): bytes that two buffers hold while a layer runs."""
        found = []
        for layer in range(len(self.layers)):
            reached, taken = 0, 0
            for box in self.at(layer):
                if box.low < reached and min(box.high, reached) > max(box.low, taken):
                    found.append((layer, max(box.low, taken), min(box.high, reached)))
                    taken = max(taken, min(box.high, reached))
                reached = max(reached, box.high)
        return found

    @property
    def verdict(self) -> str:
        """How good the plan is, in a few words."""
        gap = self.arena_bytes - self.lower_bound
        if gap == 0:
            return "no smaller arena exists: it is the lower bound"
        share = f"{gap:,} bytes ({gap / self.lower_bound:.1%}) above the lower bound"
        return f"no smaller arena exists, {share}" if self.optimal else share

    def to_json(self) -> dict[str, Any]:
        """For machines; boxes and layers as they are here."""
        name, op = self.layers[self.peak]
        return {
            "name": self.name,
            "target": self.target,
            "arena_bytes": self.arena_bytes,
            "lower_bound": self.lower_bound,
            "gap_bytes": self.arena_bytes - self.lower_bound,
            "optimal": self.optimal,
            "method": self.method,
            "peak": {
                "layer": name,
                "op": op,
                "live_bytes": self.live[self.peak],
                "buffers": [
                    {"name": b.name, "kind": b.kind, "offset": b.low, "bytes": b.bytes}
                    for b in self.at(self.peak)
                ],
            },
            "layers": [
                {"name": name, "op": op, "live_bytes": live}
                for (name, op), live in zip(self.layers, self.live, strict=True)
            ],
            "buffers": [
                {
                    "name": b.name,
                    "kind": b.kind,
                    "written_by": b.layer,
                    "offset": b.low,
                    "bytes": b.bytes,
                    "first_layer": b.first,
                    "last_layer": b.last,
                }
                for b in self.boxes
            ],
        }
