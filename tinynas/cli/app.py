# SPDX-License-Identifier: Apache-2.0
"""The command itself: a search in four steps, and all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from tinyengine_tvm import __version__
from tinyengine_tvm.cli.launch import launch

from .steps import evolve, finish, search, space, train

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(search)
app.command()(space)
app.command()(train)
app.command()(evolve)
app.command()(finish)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tinynas {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show tracebacks, as TINYENGINE_DEBUG=1 does."),
    ] = False,
) -> None:
    """Find the best network that fits a given microcontroller.

    \b
    Examples:
      tinynas search --task fashion-mnist --sram 32kB --flash 256kB -o build/nas
      tinynas search --task folder --data photos --sram 128kB --flash 512kB -o build/nas
    The four steps can be run singly, and go on where they were stopped:
      tinynas space  --task fashion-mnist --sram 32kB --flash 256kB -o build/nas
      tinynas train  -o build/nas
      tinynas evolve -o build/nas
      tinynas finish -o build/nas
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and exits; see `launch`."""
    launch(app, "tinynas", arguments)
