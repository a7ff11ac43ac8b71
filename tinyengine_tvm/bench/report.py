# SPDX-License-Identifier: Apache-2.0
"""A bench as files: bench.json, bench.md, and a picture per board."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

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
RECORDED = "recorded, not measured now"


def bench_files(result: Bench, command: str) -> dict[str, bytes]:
    """The files of a bench by name. Pictures are left out where matplotlib isn't installed."""
    files = {
        "bench.json": (json.dumps(result.to_json(command), indent=1) + "\n").encode(),
        "bench.md": markdown(result, command).encode(),
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


def markdown(result: Bench, command: str) -> str:
    """bench.md."""
    return "\n".join(_lines(result, command)) + "\n"


def _lines(result: Bench, command: str) -> Iterator[str]:
    yield "# Engines side by side"
    yield ""
    yield f"`{command}`"
    yield ""
    yield (
        "One inference: instructions counted exactly on the emulated board, cycles estimated by a "
        "timing model of its core; bytes of SRAM (arena and static data, input and output "
        "included), of stack, of weights and of code. Engines marked * have a note below."
    )
    for board in dict.fromkeys(row.board for row in result.rows):
        rows = [row for row in result.rows if row.board == board]
        yield from ("", f"## {board} ({rows[0].core})", "")
        yield "| " + " | ".join(COLUMNS) + " |"
        yield "|---|---|" + "---:|" * (len(COLUMNS) - 3) + "---|"
        for row in rows:
            texts = cells(row)
            texts[1] += " *" if row.note else ""
            yield "| " + " | ".join(texts) + " |"
        yield ""
        for note, noted in notes(rows):
            named = ", ".join(dict.fromkeys(f"{r.engine} ({r.model})" for r in noted))
            yield f"- * {named}: {note}"
        yield from _layers(rows)
    if result.absent:
        yield from ("", "## Not measured", "")
        for absent in result.absent:
            yield f"- {absent.engine}: {absent.reason}"


def _layers(rows: Sequence[Row]) -> Iterator[str]:
    """The layers of each engine that was measured, but of variants of ours."""
    for row in rows:
        if not row.layers or (row.engine in ours.VARIANTS and row.engine != ours.ENGINE):
            continue
        yield from ("", f"### {row.model}, {row.engine}, {row.board}, by layer", "")
        yield "| layer | operator | MACs | instructions | per MAC | cycles |"
        yield "|---|---|---:|---:|---:|---:|"
        for layer in row.layers:
            count = layer.instructions
            each = f"{count / layer.macs:.2f}" if count is not None and layer.macs else ""
            yield (
                f"| {layer.name} | {layer.operator} | {layer.macs:,} | "
                f"{'' if count is None else f'{count:,}'} | {each} | "
                f"{'' if layer.cycles is None else f'{layer.cycles:,}'} |"
            )


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
