# SPDX-License-Identifier: Apache-2.0
"""`tinyengine export`: a compiled network as a Zephyr, Arduino or CMake project."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .run import DirectoryArgument, load
from .terminal import JsonOption, console, print_json


class Format(str, Enum):
    """Whose build system it's for."""

    ZEPHYR = "zephyr"
    ARDUINO = "arduino"
    CMAKE = "cmake"


def export(
    directory: DirectoryArgument,
    format: Annotated[
        Format,
        typer.Option(
            "--format", "-f", help="zephyr: an application. arduino: a library. cmake: a project."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="New or empty folder to write.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Write a compiled network as a project for your own board, with an example.

    \b
    Examples:
      tinyengine export build/net --format zephyr -o net_app
      tinyengine export build/net --format arduino -o ~/Arduino/libraries/tinyengine_net
      tinyengine export build/net --format cmake -o third_party/net
    """
    from ..export import export as write

    artifact = load(directory)
    files = write(artifact, format.value, output)
    if as_json:
        print_json({"directory": str(output), "format": format.value, "files": files})
        return
    console().print(f"written to {output}: {', '.join(files)}")
