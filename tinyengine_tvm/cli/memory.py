# SPDX-License-Identifier: Apache-2.0
"""`tinyengine memory`: what lies where in the arena, as text or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ModelError, TinyEngineError
from .compile import Interface
from .run import load
from .terminal import JsonOption, console, print_json, progress

if TYPE_CHECKING:
    from ..artifact import Artifact


def memory(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|MODEL", help="Folder that tinyengine compile wrote, or a model file."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write .svg, .png, .html, .txt or .json instead."
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option("--target", "-t", help="Core to plan a model for; see tinyengine targets."),
    ] = "cortex-m4",
    interface: Annotated[
        Interface, typer.Option("--interface", help="Of a model; see tinyengine compile.")
    ] = Interface.KEEP,
    as_json: JsonOption = False,
) -> None:
    """Show the arena: what each layer has in use, and what lies where at the peak.

    The picture shows it as time (layers) by address. A folder is shown as it was
    compiled; --target and --interface are for models.

    \b
    Examples:
      tinyengine memory build/net
      tinyengine memory build/net -o arena.png
      tinyengine memory model.tflite --target cortex-m7 -o arena.html
    """
    from ..report import FORMATS, ArenaMap, arena_text, write_arena

    if output is not None:
        if output.suffix.lower() not in FORMATS:
            raise TinyEngineError(
                f"can't write '{output}': its name must end with one of {', '.join(FORMATS)}"
            )
        if not output.parent.is_dir():
            raise TinyEngineError(f"folder '{output.parent}' doesn't exist; create it first")
    artifact = _artifact(source, target, interface, as_json)
    try:
        arena = ArenaMap.of(artifact.metadata, artifact.report)
    except (KeyError, TypeError) as error:
        raise TinyEngineError(
            f"report.json of '{source}' lacks {error}; compile the model again"
        ) from error
    if output is not None:
        write_arena(arena, output)
    if as_json:
        print_json(arena.to_json())
    elif output is None:
        console().print(arena_text(arena), end="")
    else:
        name, op = arena.layers[arena.peak]
        peak = f"{arena.arena_bytes:,} bytes, peak at {name} ({op})"
        console().print(f"written to {output}: {peak}")


def _artifact(source: Path, target: str, interface: Interface, quiet: bool) -> Artifact:
    from ..api import compile_model

    if source.is_dir():
        return load(source)
    if not source.is_file():
        raise ModelError(f"'{source}' doesn't exist; give a compiled folder or a model file")
    with progress(f"planning {source.name} for {target}", quiet=quiet):
        return compile_model(source, target=target, interface=interface.value)
