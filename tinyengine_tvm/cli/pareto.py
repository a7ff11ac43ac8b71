# SPDX-License-Identifier: Apache-2.0
"""`tinyengine pareto`: what less SRAM costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ModelError
from .compile import Interface
from .terminal import JsonOption, console, print_json, progress, table


def pareto(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Int8 network: .tflite, or .onnx with QDQ.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="New or empty folder for pareto.json and .svg."
        ),
    ] = None,
    target: Annotated[
        str, typer.Option("--target", "-t", help="Core to plan for; see tinyengine targets.")
    ] = "cortex-m4",
    interface: Annotated[
        Interface, typer.Option("--interface", help="As in tinyengine compile.")
    ] = Interface.KEEP,
    no_rewrite: Annotated[
        list[str] | None,
        typer.Option("--no-rewrite", metavar="REWRITE", help="As in tinyengine compile."),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option("--board", help="Count the instructions of every plan on this board."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the curve of SRAM against multiply-accumulates, with the input held and streamed.

    Every line is a plan that no other one beats. `tinyengine compile --sram` with a
    line's bytes compiles it, with --stream-input where the line says so.

    \b
    Examples:
      tinyengine pareto model.tflite
      tinyengine pareto model.tflite --board mps2-an386 -o curve
    """
    from ..api import pareto_curve
    from ..folders import require_free_folder
    from ..report import pareto_json, pareto_scene

    if not model.is_file():
        problem = "is not a file" if model.exists() else "doesn't exist"
        raise ModelError(f"model '{model}' {problem}; give a .tflite or .onnx file")
    if output is not None:
        require_free_folder(output)
    with progress(f"planning {model.name} for {target}", quiet=as_json):
        points = pareto_curve(
            model,
            target=target,
            interface=interface.value,
            disabled_rewrites=tuple(no_rewrite or ()),
            board=board,
        )
    document = pareto_json(model.stem, target, points)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "pareto.json").write_text(json.dumps(document, indent=1) + "\n")
        (output / "pareto.svg").write_text(pareto_scene(model.stem, target, points).svg())
    if as_json:
        print_json(document)
        return
    rows = table("input", ">arena, bytes", ">MACs", ">factor", ">instructions", "together")
    for point in points:
        estimated = f"+{point.extra_instructions:,} (estimate)"
        rows.add_row(
            "streamed" if point.streamed else "held",
            f"{point.arena:,}",
            f"{point.macs:,}",
            f"{point.mac_factor:.3f}",
            estimated if point.instructions is None else f"{point.instructions:,}",
            "; ".join(point.regions) or "nothing",
        )
    console().print(rows)
    if output is not None:
        console().print(f"written to {output}: pareto.json, pareto.svg")
