# SPDX-License-Identifier: Apache-2.0
"""Our timing models against llvm-mca, on the stretches of code where a network spends its time.

    python benchmarks/cycle_model_vs_mca.py [MODEL] [--blocks 8] [--json]

Compiles the model for each core that both know and profiles it on that core's emulated board, the
kernels of the DSP extension and portable C in turn. Of the blocks of straight code that cost the
most cycles, each is repeated without end, in our model and in llvm-mca (Debian package llvm).
docs/cycle-model.md explains what differs.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tinyengine_tvm import compile_network
from tinyengine_tvm.boards import get_board
from tinyengine_tvm.boards.elf import Image
from tinyengine_tvm.errors import TinyEngineError
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.profile import count_model
from tinyengine_tvm.profile.cycles import MODELS, CycleModel, executed_instructions
from tinyengine_tvm.profile.cycles.flow import Flow, FlowCycles
from tinyengine_tvm.profile.cycles.instruction import Instruction
from tinyengine_tvm.profile.disassembly import disassemble

MCA = "llvm-mca"
BOARDS = {"cortex-m4": "mps2-an386", "cortex-m7": "mps2-an500", "cortex-m33": "mps2-an505"}
SHIPPED = Path(__file__).resolve().parents[1] / "examples/models/fashion_mnist_tiny.onnx"
PORTABLE = "cortex-m3"
LEAST = 6
"""Blocks of fewer instructions say little on their own."""


@dataclass(frozen=True)
class Comparison:
    """Cycles of one pass of a block that is repeated. mca is None where llvm-mca takes it not."""

    core: str
    code: str
    function: str
    address: int
    instructions: int
    share: float
    ours: float
    mca: float | None


def repeated(model: CycleModel, block: Sequence[Instruction]) -> float:
    """Our cycles per pass once the pipeline is full."""
    passes = 8
    spent = model.straight(tuple(block) * passes)
    half = len(spent) // 2
    return sum(spent[half:]) / (passes // 2)


def mca_cycles(core: str, lines: Sequence[str]) -> float | None:
    """llvm-mca's cycles per pass of assembly lines; None where it cannot read them."""
    # Where a branch goes is of no matter to it, only that there is a label; and LLVM refuses the
    # suffix of width on some instructions that have but one.
    labelled = [re.sub(r"\b[0-9a-f]+ <.*>$", ".Lelsewhere", line) for line in lines]
    text = "\n".join(re.sub(r"^(\S+)\.[nw]\b", r"\1", line) for line in labelled)
    source = f".syntax unified\n.thumb\n{text}\n.Lelsewhere:\n"
    totals = []
    for passes in (100, 200):
        command = [MCA, "-mtriple=thumb-none-eabi", f"-mcpu={core}", f"--iterations={passes}"]
        done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
        found = re.search(r"Total Cycles:\s+(\d+)", done.stdout)
        if "error:" in done.stderr or found is None:
            return None
        totals.append(int(found[1]))
    return (totals[1] - totals[0]) / 100


def compare(model: Path, core: str, code: str, blocks: int, work: Path) -> list[Comparison]:
    """The costliest blocks of a network compiled for the core `code`, on `core` and its board."""
    network = import_network(model, name="net", interface="int8")
    directory = compile_network(network, target=code).save(work / f"{core}-{code}")
    program, counts = count_model(get_board(BOARDS[core]), directory, directory / "build")
    layers = [layer.addresses for layer in counts.layers]
    instructions = executed_instructions(program.path, layers)
    if isinstance(instructions, str):
        raise TinyEngineError(instructions)
    text = {line.address: line.code for line in disassemble(program.path)}
    image = Image(program.path)
    flow = Flow.of(instructions, layers)
    cycles = FlowCycles(MODELS[core], flow)
    spent: dict[int, int] = {}
    for layer in layers:
        for address, count in cycles.layer(layer).items():
            spent[address] = spent.get(address, 0) + count
    total = sum(spent.values())
    ranked = []
    for number in range(len(flow.starts) - 1):
        block = flow.block(number)
        if len(block) >= LEAST:
            ranked.append((sum(spent[i.address] for i in block), block))
    ranked.sort(key=lambda item: (-item[0], item[1][0].address))
    found = []
    for cost, block in ranked[:blocks]:
        address = block[0].address
        found.append(
            Comparison(
                core,
                "portable" if code == PORTABLE else "dsp",
                image.function_at(address) or "(unknown)",
                address,
                len(block),
                round(cost / total, 4),
                repeated(MODELS[core], block),
                mca_cycles(core, [text[i.address] for i in block]),
            )
        )
    return found


def print_table(rows: Sequence[Comparison]) -> None:
    table = Table("core", "code", "function")
    for column in ("instructions", "share", "ours", "llvm-mca", "ours / llvm-mca"):
        table.add_column(column, justify="right")
    last = None
    for row in rows:
        if last not in (None, (row.core, row.code)):
            table.add_section()
        last = (row.core, row.code)
        table.add_row(
            row.core,
            row.code,
            f"{row.function} {row.address:#x}",
            str(row.instructions),
            f"{row.share:.1%}",
            f"{row.ours:.2f}",
            "refused" if row.mca is None else f"{row.mca:.2f}",
            "" if row.mca is None else f"{row.ours / row.mca:.2f}",
        )
    Console(width=130).print(table)


def main(
    model: Annotated[Path, typer.Argument(help="an int8 .tflite or .onnx model")] = SHIPPED,
    blocks: Annotated[int, typer.Option(help="blocks per core and kind of code")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Compares our timing models with llvm-mca."""
    try:
        if shutil.which(MCA) is None:
            raise TinyEngineError(f"{MCA} is missing; install it: apt-get install llvm")
        rows = []
        with tempfile.TemporaryDirectory(prefix="tinyengine-") as work:
            for core in BOARDS:
                for code in (core, PORTABLE):
                    rows += compare(model, core, code, blocks, Path(work))
    except TinyEngineError as error:
        Console(stderr=True).print(f"error: {error}")
        raise typer.Exit(2) from error
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        print_table(rows)


if __name__ == "__main__":
    typer.run(main)
