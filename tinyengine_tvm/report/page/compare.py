# SPDX-License-Identifier: Apache-2.0
"""Compiled networks beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .charts import Bar, bars
from .content import Pictures, Section, look_up

QUANTITIES = (
    ("Instructions", "profile/instructions"),
    ("Cycles, estimated", "profile/cycles"),
    ("MACs", "macs"),
    ("SRAM without the stack, bytes", "usage/sram/counted"),
    ("Flash, bytes", "usage/flash/counted"),
)


def comparison(subjects: Sequence[Mapping[str, Any]]) -> list[Section]:
    """A picture for each quantity that all compiled networks have; nothing for fewer than two."""
    compiled = [(i, s) for i, s in enumerate(subjects) if s["kind"] == "compiled"]
    if len(compiled) < 2:
        return []
    names = labels([subject for _, subject in compiled])
    pictures = []
    for title, quantity in QUANTITIES:
        rows = []
        for (index, subject), name in zip(compiled, names, strict=True):
            value = _value(subject, quantity)
            if value is not None:
                rows.append(Bar(name, value, f"/subjects/{index}/{quantity}"))
        if len(rows) == len(compiled):
            least = min(row.value for row in rows)
            rows = [Bar(r.label, r.value, r.key, r.value == least) for r in rows]
            pictures.append(bars(title, rows))
    return [Section(("Beside each other",), (Pictures(tuple(pictures)),))]


def labels(subjects: Sequence[Mapping[str, Any]]) -> list[str]:
    """What tells compiled networks apart: their names, and else what they are compiled for."""
    by_name = [subject["name"] for subject in subjects]
    if len(set(by_name)) == len(by_name):
        return by_name
    found = []
    for number, subject in enumerate(subjects):
        options = subject["options"]
        parts = [subject["name"], subject["target"]]
        if options.get("optimise", "speed") != "speed":
            parts.append(options["optimise"])
        if options.get("sram") is not None:
            parts.append(f"{options['sram']:,} bytes")
        if options.get("stream_input"):
            parts.append("input streamed")
        found.append(", ".join(parts))
        if found.count(found[-1]) > 1:
            found[-1] += f" ({number + 1})"
    return found


def _value(facts: Mapping[str, Any], quantity: str) -> float | None:
    try:
        value: float | None = look_up(facts, f"/{quantity}")
    except (KeyError, TypeError):
        return None
    return value
