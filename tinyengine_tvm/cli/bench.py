# SPDX-License-Identifier: Apache-2.0
"""`tinyengine bench`: our engine and its peers side by side."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .terminal import JsonOption, console, print_json, status, table

if TYPE_CHECKING:
    from ..bench import Bench, Peers


def bench(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODELS...", help="Int8 networks: .tflite, or .onnx with QDQ."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="New or empty folder for bench.json, .html and .md.",
        ),
    ],
    boards: Annotated[
        str,
        typer.Option("--boards", "-b", help="Emulated boards, with commas; see tinyengine boards."),
    ] = "mps2-an386",
    tflm_lib: Annotated[
        list[str] | None,
        typer.Option(
            "--tflm-lib",
            metavar="[NAME=]FILE",
            help="libtensorflow-microlite.a, with reference kernels or those of CMSIS-NN; "
            "repeatable. {core} in FILE stands for cortex-m4 and so on.",
        ),
    ] = None,
    tflm_include: Annotated[
        list[Path] | None,
        typer.Option(
            "--tflm-include",
            metavar="DIR",
            help="TFLite Micro's root folder, and others that its headers need; repeatable.",
        ),
    ] = None,
    cmsis_nn_lib: Annotated[
        str | None,
        typer.Option("--cmsis-nn-lib", metavar="FILE", help="libcmsis-nn.a; {core} as above."),
    ] = None,
    cmsis_nn_include: Annotated[
        list[Path] | None,
        typer.Option(
            "--cmsis-nn-include", metavar="DIR", help="CMSIS-NN's folder Include; repeatable."
        ),
    ] = None,
    relay_python: Annotated[
        Path | None,
        typer.Option(
            "--relay-python",
            metavar="FILE",
            help="Python of an environment with Relay; default .venv-relay of the repository.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure our engine and its peers with the same models, boards, inputs and counting.

    Peers are TFLite Micro and CMSIS-NN, as libraries that you have built by
    their own instructions (docs/bench.md), TFLite Micro's Python package on
    this machine, and microTVM. For those that aren't there recorded counts
    are shown, marked as such.

    \b
    Examples:
      tinyengine bench model.tflite -o build/bench
      tinyengine bench *.tflite --boards mps2-an386,mps2-an500 -o build/bench
      tinyengine bench model.tflite -o build/bench --tflm-include tflite-micro \\
        --tflm-lib libtensorflow-microlite-{core}.a
    """
    from ..bench import Peers
    from ..bench import bench as measure
    from ..bench.report import bench_files
    from ..folders import require_free_folder, write_folder

    require_free_folder(output)
    peers = Peers(
        tuple(tflm_lib or ()),
        tuple(tflm_include or ()),
        cmsis_nn_lib,
        tuple(cmsis_nn_include or ()),
        relay_python,
    )
    names = [name.strip() for name in boards.split(",") if name.strip()]
    with status("measuring", quiet=as_json) as say:
        result = measure(models, names, peers, say)
    command = _command(models, names, peers, output)
    files = bench_files(result, command)
    write_folder(output, files)
    if as_json:
        print_json({"directory": str(output), "files": sorted(files), **result.to_json(command)})
        return
    _print(result)
    console().print(f"written to {output}: {', '.join(sorted(files))}")


def _command(models: list[Path], boards: list[str], peers: Peers, output: Path) -> str:
    """The command line that gives the same again."""
    words: list[object] = ["tinyengine", "bench", *models, "--boards", ",".join(boards)]
    for option, values in (
        ("--tflm-lib", peers.tflm_libraries),
        ("--tflm-include", peers.tflm_includes),
        ("--cmsis-nn-lib", (peers.cmsis_nn_library,)),
        ("--cmsis-nn-include", peers.cmsis_nn_includes),
        ("--relay-python", (peers.relay_python,)),
    ):
        words += [word for value in values if value is not None for word in (option, value)]
    return shlex.join(str(word) for word in (*words, "-o", output))


def _print(result: Bench) -> None:
    from ..bench.report import COLUMNS, cells, notes

    for board in dict.fromkeys(row.board for row in result.rows):
        rows = [row for row in result.rows if row.board == board]
        shown = table(*COLUMNS[:2], *(f">{name}" for name in COLUMNS[2:-1]), COLUMNS[-1])
        for row in rows:
            texts = cells(row)
            texts[1] += " *" if row.note else ""
            shown.add_row(*texts)
        console().print(f"{board} ({rows[0].core})")
        console().print(shown)
        for note, noted in notes(rows):
            named = ", ".join(dict.fromkeys(row.engine for row in noted))
            console().print(f"* {named}: {note}")
        console().print()
    for absent in result.absent:
        console().print(f"not measured: {absent.engine}: {absent.reason}")
