# SPDX-License-Identifier: Apache-2.0
"""Our engine against the recorded counts of its peers, on one emulated board.

    python benchmarks/compare.py MODEL.tflite ... --board mps2-an386 -o FOLDER

Ours is compiled and measured now. The peers' figures come from peers.json beside this file: exact
counts on the same emulated boards, with the versions and flags that it names; they're matched by
the model's file name. Writes compare.json and compare.png into FOLDER and prints a table.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tinyengine_tvm import compile_network
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.network.macs import network_macs

PEERS = Path(__file__).with_name("peers.json")
OURS = "tinyengine-tvm"
KEPT = f"{OURS}, dead channels kept"
SMALL = f"{OURS}, --optimise size"
DEAD_CHANNELS = "dead_channels"


def measure(model: Path, board: str, core: str) -> list[dict[str, Any]]:
    """Our rows of one model, in the form of peers.json."""
    # Peers take a float model's stored values, without QUANTIZE and DEQUANTIZE at its ends.
    network = import_network(model, name="net", interface="int8")
    rows = []
    for engine, options in (
        (OURS, {}),
        (KEPT, {"disabled_rewrites": (DEAD_CHANNELS,)}),
        (SMALL, {"optimise": "size"}),
    ):
        artifact = compile_network(network, target=core, **options)
        facts = artifact.profile(board).to_json()
        rows.append(
            {
                "engine": engine,
                "core": core,
                "model": model.stem,
                # Without dead channels there are fewer MACs; the model's own count is the measure.
                "macs": network_macs(network),
                "instructions": facts["instructions"],
                "cycles": facts.get("cycles"),
                "sram_bytes": facts["sram"]["arena"] + facts["sram"]["static"],
                "stack_bytes": facts["sram"]["stack"],
                "weights_flash_bytes": facts["flash"]["weights"],
                "code_flash_bytes": facts["flash"]["code"],
            }
        )
    return rows


def print_table(rows: list[dict[str, Any]], console: Console) -> None:
    table = Table("model", "engine")
    for column in ("instructions", "per MAC", "cycles/MAC", "SRAM", "stack", "weights", "code"):
        table.add_column(column, justify="right")
    last = None
    for row in rows:
        if last not in (None, row["model"]):
            table.add_section()
        cycles = row.get("cycles")
        table.add_row(
            row["model"] if row["model"] != last else "",
            row["engine"] + (" *" if row.get("note") else ""),
            f"{row['instructions']:,}",
            f"{row['instructions'] / row['macs']:.3f}",
            f"{cycles / row['macs']:.3f}" if cycles else "",
            *(
                f"{row[key]:,}"
                for key in ("sram_bytes", "stack_bytes", "weights_flash_bytes", "code_flash_bytes")
            ),
            style="bold" if row["engine"] == OURS else None,
        )
        last = row["model"]
    console.print(table)
    for row in rows:
        if row.get("note"):
            console.print(f"* {row['model']}, {row['engine']}: {row['note']}")


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Instructions, SRAM and code of each model, ours first."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    models = list(dict.fromkeys(row["model"] for row in rows))
    columns = (
        ("instructions", "instructions, millions", 1e6),
        ("sram_bytes", "SRAM, kB", 1e3),
        ("code_flash_bytes", "code, kB", 1e3),
    )
    figure, axes = plt.subplots(
        len(models), 3, figsize=(13, 0.6 + 1.9 * len(models)), squeeze=False, layout="constrained"
    )
    for line, model in enumerate(models):
        own = [row for row in rows if row["model"] == model]
        names = [
            row["engine"] + (" (patches)" if "patch" in row.get("note", "") else "") for row in own
        ]
        for axis, (key, title, unit) in zip(axes[line], columns, strict=True):
            colours = ["#0b6e4f" if n.startswith(OURS) else "#b0b7bf" for n in names]
            bars = axis.barh(range(len(own)), [row[key] / unit for row in own], color=colours)
            axis.bar_label(bars, fmt="%.3g", padding=3, fontsize=7)
            axis.set_yticks(range(len(own)), names if key == "instructions" else [], fontsize=7)
            axis.invert_yaxis()
            axis.margins(x=0.15)
            axis.spines[["top", "right"]].set_visible(False)
            if line == 0:
                axis.set_title(title, fontsize=9)
        axes[line][0].set_ylabel(model, fontsize=8)
    figure.savefig(path, dpi=130)


def main(
    models: Annotated[list[Path], typer.Argument(help="int8 .tflite or .onnx models")],
    board: Annotated[str, typer.Option(help="an emulated board")] = "mps2-an386",
    output: Annotated[Path, typer.Option("-o", help="folder for compare.json and .png")] = Path(
        "build/compare"
    ),
) -> None:
    """Compares our engine with its peers' recorded counts."""
    peers = json.loads(PEERS.read_text())
    try:
        core = get_board(board).core
        rows = []
        for model in models:
            rows += measure(model, board, core)
            rows += [r for r in peers["rows"] if r["model"] == model.stem and r["core"] == core]
    except TinyEngineError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    # Piped to a file the table keeps all its columns.
    print_table(rows, Console(width=None if sys.stdout.isatty() else 150))
    output.mkdir(parents=True, exist_ok=True)
    recorded = {key: peers[key] for key in ("unit", "versions", "flags", "sram")}
    result = {"board": board, "core": core, "peers": recorded, "rows": rows}
    (output / "compare.json").write_text(json.dumps(result, indent=1) + "\n")
    plot(rows, output / "compare.png")
    print(f"written: {output / 'compare.json'}, {output / 'compare.png'}")


if __name__ == "__main__":
    typer.run(main)
