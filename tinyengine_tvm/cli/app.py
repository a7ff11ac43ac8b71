# SPDX-License-Identifier: Apache-2.0
"""The command itself: its subcommands, and how every failure becomes one line and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from ..version import __version__
from .bench import bench
from .boards import boards
from .compile import compile_
from .export import export
from .launch import launch
from .memory import memory
from .pareto import pareto
from .profile import profile
from .report import report
from .run import run
from .targets import targets
from .tune import tune
from .validate import validate

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("compile")(compile_)
app.command()(run)
app.command()(export)
app.command()(profile)
app.command()(memory)
app.command()(pareto)
app.command()(report)
app.command()(validate)
app.command()(tune)
app.command()(bench)
app.command()(boards)
app.command()(targets)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tinyengine {__version__}")
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
    """Turn int8 networks into small, fast, self-contained C for microcontrollers.

    \b
    Examples:
      tinyengine compile model.tflite -o build/net
      tinyengine run build/net --board mps2-an386 --inputs images.npz
      tinyengine profile build/net --board mps2-an386
      tinyengine tune model.tflite --board mps2-an386
    """
    # `main` has looked for --debug already, since even the reading of options can fail.
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and exits; see `launch`."""
    launch(app, "tinyengine", arguments)
