# SPDX-License-Identifier: Apache-2.0
"""A bench as files: bench.json, the same to read, and a picture per board."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

from ..report.page import build_report, to_html, to_markdown
from ..report.page.bench import bench_facts
from . import ours
from .rows import Bench, Row

COLUMNS = (
    "model",
    "engine",
    "instructions",
    "per MAC",
    "cycles",
    "SRAM",
    "stack",
    "weights",
    "code",
    "outputs",
)


def bench_files(result: Bench, command: str) -> dict[str, bytes]:
    """The files of a bench by name. Pictures are left out where matplotlib isn't installed."""
    document = result.to_json(command)
    page = build_report([bench_facts(document)])
    files = {
        "bench.json": (json.dumps(document, indent=1) + "\n").encode(),
        "bench.html": to_html(page).encode(),
        "bench.md": to_markdown(page).encode(),
    }
    for board in result.boards:
        rows = [row for row in result.rows if row.board == board]
        picture = _picture(rows)
        if picture is not None:
            files[f"bench-{board}.png"] = picture
    return files


def cells(row: Row) -> list[str]:
    """The row's text under COLUMNS; what wasn't measured is empty."""

    def number(value: int | None) -> str:
        return "" if value is None else f"{value:,}"

    per_mac = row.instructions / row.macs if row.instructions is not None and row.macs else None
    if row.outputs is None:
        outputs = "recorded" if row.source == "recorded" else ""
    else:
        outputs = f"{'equal' if row.outputs[1] else 'NOT equal'} to {row.outputs[0]}"
    return [
        row.model,
        row.engine,
        number(row.instructions),
        "" if per_mac is None else f"{per_mac:.3f}",
        number(row.cycles),
        number(row.sram_bytes),
        number(row.stack_bytes),
        number(row.weights_flash_bytes),
        number(row.code_flash_bytes),
        outputs,
    ]


def notes(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Each note once, with the rows that have it, in their order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.note:
            found.setdefault(row.note, []).append(row)
    return list(found.items())


def _picture(rows: Sequence[Row]) -> bytes | None:
    """Instructions, SRAM and code of each model, ours first."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    models = list(dict.fromkeys(row.model for row in rows))
    columns = (
        ("instructions", "instructions, millions", 1e6),
        ("sram_bytes", "SRAM, kB", 1e3),
        ("code_flash_bytes", "code, kB", 1e3),
    )
    figure, axes = plt.subplots(
        len(models), 3, figsize=(13, 0.6 + 1.9 * len(models)), squeeze=False, layout="constrained"
    )
    for line, model in enumerate(models):
        own = [row for row in rows if row.model == model]
        for axis, (key, title, unit) in zip(axes[line], columns, strict=True):
            _bars(axis, own, key, unit)
            axis.set_yticks(
                range(len(own)), [_label(r) for r in own] if axis is axes[line][0] else []
            )
            axis.tick_params(labelsize=7)
            if line == 0:
                axis.set_title(title, fontsize=9)
        axes[line][0].set_ylabel(model, fontsize=8)
    content = io.BytesIO()
    # The version of matplotlib would make the bytes differ.
    figure.savefig(content, dpi=130, format="png", metadata={"Software": None})
    plt.close(figure)
    return content.getvalue()


def _bars(axis: Any, rows: Sequence[Row], key: str, unit: float) -> None:
    colours = ["#0b6e4f" if row.engine.startswith(ours.ENGINE) else "#b0b7bf" for row in rows]
    hatches = ["//" if row.source == "recorded" else "" for row in rows]
    values = [(getattr(row, key) or 0) / unit for row in rows]
    bars = axis.barh(range(len(rows)), values, color=colours, hatch=hatches, edgecolor="white")
    axis.bar_label(bars, fmt="%.3g", padding=3, fontsize=7)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.spines[["top", "right"]].set_visible(False)


def _label(row: Row) -> str:
    patches = " (patches)" if "patches" in (row.note or "") else ""
    return row.engine + patches + (", recorded" if row.source == "recorded" else "")
