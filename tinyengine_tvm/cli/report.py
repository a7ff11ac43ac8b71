# SPDX-License-Identifier: Apache-2.0
"""`tinyengine report`: one page about a compiled network, a tuning, a comparison or a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..budget import parse_size
from ..errors import TinyEngineError
from .run import load
from .terminal import JsonOption, console, print_json, progress

if TYPE_CHECKING:
    from ..artifact import Artifact
    from ..report import Point


def report(
    what: Annotated[
        list[Path],
        typer.Argument(
            metavar="WHAT...",
            help="Folder of tinyengine compile, of tinyengine bench or of tinynas; records of "
            "tinyengine tune, or what its --json printed.",
        ),
    ],
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write .html, .md or .json; repeatable."
        ),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(
            "--board", "-b", help="Count the instructions of compiled networks on this board."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="FILE", help="The compiled model, to say what less SRAM costs."
        ),
    ] = None,
    sram: Annotated[
        str | None,
        typer.Option("--sram", metavar="BYTES", help="SRAM there is; default: as compiled with."),
    ] = None,
    flash: Annotated[
        str | None,
        typer.Option("--flash", metavar="BYTES", help="Flash there is; default: as compiled with."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a report: a page that needs nothing else, the same as Markdown, or as JSON.

    Of a compiled network it shows the layers, the arena over time, the cost of each
    layer, and what would lower the peak. Several compiled networks are compared.

    \b
    Examples:
      tinyengine report build/net --board mps2-an386 -o net.html
      tinyengine report build/net --board mps2-an386 --model model.tflite -o net.html -o net.md
      tinyengine report build/small build/fast --board mps2-an386 -o compare.html
      tinyengine report tune.jsonl -o tune.html
      tinyengine report build/bench -o bench.html
    """
    from ..boards import get_board
    from ..report.page import build_report, require_report, subjects_of, write_report

    outputs = list(output or ())
    if not outputs and not as_json:
        raise TinyEngineError("nowhere to write the report to; give -o FILE.html, or --json")
    for path in outputs:
        require_report(path)
    if board is not None:
        get_board(board)
    limits = {
        "sram": None if sram is None else parse_size(sram),
        "flash": None if flash is None else parse_size(flash),
    }

    def compiled(folder: Path) -> dict[str, Any]:
        return compiled_folder_facts(folder, board, model, limits, as_json)

    subjects = [subject for path in what for subject in subjects_of(path, compiled)]
    made = build_report(subjects)
    for path in outputs:
        write_report(made, path)
    if as_json:
        print_json(made.facts)
    else:
        console().print(f"written to {', '.join(map(str, outputs))}: {made.title}")


def compiled_folder_facts(
    folder: Path,
    board: str | None,
    model: Path | None,
    limits: dict[str, int | None],
    quiet: bool,
) -> dict[str, Any]:
    """The facts of a compiled folder, profiled on `board`, with the plans of `model`.

    Raises:
        TinyEngineError: the folder is damaged, or was compiled from another model.
    """
    from ..report.page import folder_facts

    plans = profile = None
    if model is not None:
        with progress(f"planning {model.name}", quiet=quiet):
            plans = plans_of(load(folder), model)
    if board is not None:
        with progress(f"profiling {folder} on {board}", quiet=quiet):
            profile = load(folder).profile(board).to_json()
    return folder_facts(folder, profile, plans=plans, **limits)


def plans_of(artifact: Artifact, model: Path) -> list[Point]:
    """What less SRAM costs a compiled network.

    Raises:
        ModelError: it was compiled from another model.
    """
    from ..api import pareto_curve
    from ..origin import import_again

    return pareto_curve(
        import_again(artifact.metadata, artifact.report, model),
        target=artifact.metadata["target"],
        disabled_rewrites=artifact.report.get("options", {}).get("disabled_rewrites", ()),
    )


def write_reports(
    artifact: Artifact, model: Path, board: str | None, paths: list[Path], quiet: bool
) -> None:
    """The reports of a network that has just been compiled; profiled if the board can count."""
    from ..boards import get_board
    from ..report.page import build_report, compiled_facts, write_report

    profile = None
    if board is not None:
        machine = get_board(board)
        if machine.can_count and not machine.missing() and not machine.needs():
            with progress(f"profiling {artifact.name} on {board}", quiet=quiet):
                profile = artifact.profile(board).to_json()
    with progress(f"planning {model.name}", quiet=quiet):
        plans = plans_of(artifact, model)
    made = build_report([compiled_facts(artifact.metadata, artifact.report, profile, plans=plans)])
    for path in paths:
        write_report(made, path)
