# SPDX-License-Identifier: Apache-2.0
"""A comparison of engines: what bench.json holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import TinyEngineError
from .charts import Bar, bars
from .content import (
    Block,
    Column,
    Commands,
    Paragraph,
    Picture,
    Pictures,
    Row,
    Section,
    Table,
    Value,
    Words,
    pointer,
    words,
)

OURS = "tinyengine-tvm"
_NEEDED = (
    "engine model board core source macs instructions cycles sram_bytes stack_bytes "
    "weights_flash_bytes code_flash_bytes outputs layers"
).split()
_QUANTITIES = (
    ("Instructions", "instructions"),
    ("Cycles, estimated", "cycles"),
    ("SRAM without the stack, bytes", "sram_bytes"),
    ("Code, bytes", "code_flash_bytes"),
    ("Weights, bytes", "weights_flash_bytes"),
)


def bench_facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a comparison, with the ratios that a report shows.

    Raises:
        TinyEngineError: something is missing in it.
    """
    try:
        rows = []
        for row in document["rows"]:
            whole = {key: row.get(key) for key in _NEEDED} | dict(row)
            if not isinstance(row["engine"], str) or not isinstance(row["model"], str):
                raise TypeError("engine and model must be texts")
            macs, count = row["macs"], row["instructions"]
            whole["instructions_per_mac"] = round(count / macs, 4) if macs and count else None
            rows.append(whole)
        return {
            "kind": "bench",
            "command": document["command"],
            "versions": dict(document["versions"]),
            "boards": list(document["boards"]),
            "rows": rows,
            "absent": [{"engine": a["engine"], "reason": a["reason"]} for a in document["absent"]],
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise TinyEngineError(
            f"the comparison is damaged ({type(error).__name__}: {error}); measure it again"
        ) from None


def bench_title(facts: Mapping[str, Any]) -> str:
    models = dict.fromkeys(row["model"] for row in facts["rows"])
    return f"{', '.join(models)}: engines side by side"


def bench_subtitle(facts: Mapping[str, Any], at: str) -> Words:
    return ("on ", ", ".join(facts["boards"]))


def bench_sections(facts: Mapping[str, Any], at: str) -> list[Section]:
    """A part for each network and board; then all in numbers, and how it was measured."""
    rows = facts["rows"]
    marks = _marks(rows)
    groups = list(dict.fromkeys((row["model"], row["board"]) for row in rows))
    sections = []
    for model, board in groups:
        own = [i for i, row in enumerate(rows) if (row["model"], row["board"]) == (model, board)]
        pictures = _pictures(rows, own, marks, at)
        if pictures:
            sections.append(Section((f"{model} on {board}",), (Pictures(pictures),)))
    sections.append(Section(("In numbers",), tuple(_numbers(facts, marks, at))))
    sections.append(Section(("How it was measured",), tuple(_method(facts, at))))
    return sections


def _marks(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A mark for each note: *, **, and so on; no digits, which would be taken for figures."""
    notes = dict.fromkeys(row["note"] for row in rows if row.get("note"))
    return {note: "*" * (index + 1) for index, note in enumerate(notes)}


def _engine(row: Mapping[str, Any], marks: Mapping[str, str]) -> str:
    """The engine's name as it stands at a bar or in a table."""
    recorded = ", recorded" if row["source"] == "recorded" else ""
    mark = f" {marks[row['note']]}" if row.get("note") else ""
    return f"{row['engine']}{recorded}{mark}"


def _pictures(
    rows: Sequence[Mapping[str, Any]], own: Sequence[int], marks: Mapping[str, str], at: str
) -> tuple[Picture, ...]:
    """Of each quantity that two engines have at least: one bar compares nothing."""
    pictures = []
    for title, name in _QUANTITIES:
        shown = [
            Bar(
                _engine(rows[i], marks),
                rows[i][name],
                f"{at}/rows/{i}/{name}",
                rows[i]["engine"].startswith(OURS),
            )
            for i in own
            if rows[i][name] is not None
        ]
        if len(shown) > 1:
            pictures.append(bars(title, shown))
    return tuple(pictures)


def _numbers(facts: Mapping[str, Any], marks: Mapping[str, str], at: str) -> list[Block]:
    columns = (
        Column("network"),
        Column("board"),
        Column("engine"),
        Column("instructions", True),
        Column("per MAC", True),
        Column("cycles", True),
        Column("SRAM", True),
        Column("stack", True),
        Column("weights", True),
        Column("code", True),
        Column("outputs"),
        Column("figures"),
    )
    rows, folded = [], []
    for i, row in enumerate(facts["rows"]):
        here = f"{at}/rows/{i}"
        text = (
            "{model:text}|{board:text}|{engine:text}|{instructions}|{instructions_per_mac:ratio}|"
            "{cycles}|{sram_bytes}|{stack_bytes}|{weights_flash_bytes}|{code_flash_bytes}"
        )
        cells = [words(cell, here) for cell in text.split("|")]
        if row.get("note"):
            cells[2] = (*cells[2], f" {marks[row['note']]}")
        outputs = row["outputs"]
        if outputs is None:
            cells.append(("not compared",))
        else:
            same = "equal to " if outputs["equal"] else "NOT equal to "
            cells.append((same, *words("{outputs/compared_with:text}", here)))
        cells.append(words("{source:text}", here))
        rows.append(Row(tuple(cells), "chosen" if row["engine"] == OURS else ""))
        if row["layers"]:
            folded.append(_layers(facts, i, at))
    places = {
        row["note"]: i for i, row in reversed(list(enumerate(facts["rows"]))) if row.get("note")
    }
    notes = [
        Paragraph((f"{mark} ", *words("{note:text}", f"{at}/rows/{places[note]}")))
        for note, mark in marks.items()
    ]
    return [Table(columns, tuple(rows)), *notes, *folded]


def _layers(facts: Mapping[str, Any], index: int, at: str) -> Table:
    row = facts["rows"][index]
    columns = (
        Column("layer"),
        Column("operator"),
        Column("MACs", True),
        Column("instructions", True),
        Column("cycles", True),
    )
    text = "{name:text}|{operator:text}|{macs}|{instructions}|{cycles}"
    rows = tuple(
        Row(tuple(words(cell, f"{at}/rows/{index}/layers/{i}") for cell in text.split("|")))
        for i in range(len(row["layers"]))
    )
    return Table(columns, rows, f"Layers: {row['model']}, {row['engine']}, {row['board']}", True)


def _method(facts: Mapping[str, Any], at: str) -> list[Block]:
    text = (
        "Measured rows were run for this report; recorded ones were counted before, with the "
        "versions below. Instructions are exact counts, and no cycles."
    )
    versions = tuple(
        Row(((name,), words(f"{{versions/{pointer(name)}:text}}", at)))
        for name in facts["versions"]
    )
    blocks: list[Block] = [Paragraph((text,)), Table((Column("what"), Column("version")), versions)]
    if facts["absent"]:
        absent = tuple(
            Row((words("{engine:text}", here), words("{reason:text}", here)))
            for here in (f"{at}/absent/{i}" for i in range(len(facts["absent"])))
        )
        blocks.append(Table((Column("engine"), Column("why")), absent, "Not measured"))
    blocks.append(Commands((Value(f"{at}/command", "text"),)))
    return blocks
