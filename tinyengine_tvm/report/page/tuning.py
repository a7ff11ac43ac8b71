# SPDX-License-Identifier: Apache-2.0
"""A tuning: what `tinyengine tune --json` printed, or the file of its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .charts import End, Pair, curve, pairs
from .content import (
    Block,
    Column,
    Paragraph,
    Pictures,
    Row,
    Section,
    Table,
    Tile,
    Tiles,
    Value,
    Words,
    words,
)

SHOWN = 24
"""Workloads that get bars: those with the highest cost."""
CURVES = 4


def tuned_facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """What `tinyengine tune --json` prints, with titles and gains.

    Raises:
        KeyError, TypeError: it is something else.
    """
    workloads = [
        {
            "title": title(load["facts"]),
            "layers": load["layers"],
            "candidates": load["candidates"],
            "trials": load["trials"],
            "failed": load["failed"],
            "default": load["default"],
            "best": load["best"],
            "gain": _gain(load["default"], load["best"]),
            "configuration": _configuration(load["configuration"]),
            "best_so_far": [],
        }
        for load in document["workloads"]
    ]
    return {
        "kind": "tune",
        "objective": document.get("objective", "cycles"),
        "board": document.get("board"),
        "records": document["records"],
        "measured": document["measured"],
        "seconds": document["seconds"],
        "interrupted": document["interrupted"],
        "default": document["default"],
        "best": document["best"],
        "gain": _gain(document["default"], document["best"]),
        "workloads": workloads,
    }


def records_facts(name: str, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same of records, one JSON object each, in the order they were measured.

    The first candidate of each workload is the default one. How many layers share a workload isn't
    recorded: each counts once.
    """
    objective = "cycles" if any(r.get("cycles") is not None for r in records) else "instructions"
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["workload"], record["core"]), []).append(record)
    workloads: list[dict[str, Any]] = []
    for group in groups.values():
        costs = [r.get(objective) if r.get("status") == "ok" else None for r in group]
        known = [c for c in costs if c is not None]
        best = min(known, default=None)
        so_far, least = [], None
        for value in known:
            least = value if least is None else min(least, value)
            so_far.append(round(least / known[0], 4))
        chosen = next((r for r, c in zip(group, costs, strict=True) if c == best), group[0])
        workloads.append(
            {
                "title": title(group[0]["facts"]),
                "layers": 1,
                "candidates": None,
                "trials": len(group),
                "failed": len(costs) - len(known),
                "default": costs[0],
                "best": best,
                "gain": _gain(costs[0], best),
                "configuration": _configuration(chosen["configuration"]),
                "best_so_far": so_far,
            }
        )
    both = [w for w in workloads if w["default"] is not None and w["best"] is not None]
    default, best = sum(w["default"] for w in both), sum(w["best"] for w in both)
    return {
        "kind": "tune",
        "objective": objective,
        "board": None,
        "records": name,
        "measured": len(records),
        "seconds": None,
        "interrupted": False,
        "default": default,
        "best": best,
        "gain": _gain(default, best),
        "workloads": workloads,
        "most_trials": max((len(w["best_so_far"]) for w in workloads), default=0),
        "whole": 1.0,
    }


def title(facts: Mapping[str, Any]) -> str:
    """A workload in a few words, from the facts of its layer."""
    sides = ["x".join(map(str, s)) for s in (*facts["inputs"][:1], facts["output"])]
    window = ""
    if facts["op"] != "dense" and "weight" in facts:
        shape = facts["weight"]
        high, wide = shape[:2] if facts["op"] == "depthwise_conv2d" else shape[1:3]
        window = f" {high}x{wide}"
    return f"{facts['op']}{window} {' -> '.join(sides)}"


def _gain(default: float | None, best: float | None) -> float | None:
    return round(1 - best / default, 4) if default and best is not None else None


def _configuration(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def tune_title(facts: Mapping[str, Any]) -> str:
    return f"Tuning for {facts['objective']}"


def tune_subtitle(facts: Mapping[str, Any], at: str) -> Words:
    board = " on {board:text}" if facts["board"] else ""
    return words("{records:text}" + board, at)


def tune_sections(facts: Mapping[str, Any], at: str) -> list[Section]:
    """The gain as a whole, by workload, and over time where the records tell."""
    tiles = [
        Tile(f"{facts['objective']}, default", Value(f"{at}/default")),
        Tile(f"{facts['objective']}, best found", Value(f"{at}/best")),
        Tile("less", Value(f"{at}/gain", "percent")),
        Tile("candidates measured", Value(f"{at}/measured")),
    ]
    loads = facts["workloads"]
    known = [i for i, w in enumerate(loads) if w["default"] is not None and w["best"] is not None]
    known.sort(key=lambda i: -loads[i]["default"] * loads[i]["layers"])
    rows = [
        Pair(
            loads[i]["title"],
            (loads[i]["default"], f"{at}/workloads/{i}/default"),
            (loads[i]["best"], f"{at}/workloads/{i}/best"),
        )
        for i in known[:SHOWN]
    ]
    third = -(-len(rows) // 3)
    head = f"{facts['objective'].capitalize()} of a layer"
    pictures = [
        pairs("" if part else head, rows[part : part + third], "default", "best")
        for part in range(0, len(rows), third or 1)
    ]
    blocks: list[Block] = [Pictures(tuple(pictures), aligned=True)]
    over_time = [i for i in known if len(loads[i]["best_so_far"]) > 1][:CURVES]
    sections = [Section(("At a glance",), (Tiles(tuple(tiles)),))]
    if facts["interrupted"]:
        sections.append(Section(("Interrupted",), (Paragraph(("It ended early.",)),)))
    sections.append(Section(("By workload",), tuple(blocks)))
    if over_time:
        lines = [
            (
                loads[i]["title"],
                list(range(1, len(loads[i]["best_so_far"]) + 1)),
                loads[i]["best_so_far"],
            )
            for i in over_time
        ]
        ends = (
            End(facts["most_trials"], f"{at}/most_trials"),
            End(facts["whole"], f"{at}/whole", "ratio"),
        )
        beside = "cost, relative to the default"
        picture = curve("Best so far", lines, "candidates", beside, ends)
        sections.append(Section(("Over time",), (Pictures((picture,)),)))
    sections.append(Section(("In numbers",), (_table(facts, at),)))
    return sections


def _table(facts: Mapping[str, Any], at: str) -> Table:
    columns = (
        Column("workload"),
        Column("layers", True),
        Column("trials", True),
        Column("failed", True),
        Column("default", True),
        Column("best", True),
        Column("less", True),
        Column("best configuration"),
    )
    text = (
        "{title:text}|{layers}|{trials}|{failed}|{default}|{best}|{gain:percent}|"
        "{configuration:text}"
    )
    rows = tuple(
        Row(tuple(words(cell, f"{at}/workloads/{i}") for cell in text.split("|")))
        for i in range(len(facts["workloads"]))
    )
    return Table(columns, rows)
