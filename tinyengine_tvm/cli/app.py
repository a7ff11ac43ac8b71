# SPDX-License-Identifier: Apache-2.0
"""The command itself: its subcommands, and how every failure becomes one line and an exit code."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Annotated, NoReturn

import typer

from ..errors import TinyEngineError
from ..version import __version__
from .boards import boards
from .compile import compile_
from .export import export
from .memory import memory
from .pareto import pareto
from .profile import profile
from .run import run
from .targets import targets
from .terminal import quiet_libraries
from .tune import tune

USER_ERROR = 2
DEFECT = 1
INTERRUPTED = 130

# typer brings click along under different names in different versions; both are its bases.
_CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]


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
app.command()(tune)
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
    """Runs the command and exits: 0, 2 for what the user can mend, 1 for a defect of ours.

    Errors are one line on stderr, `error: ...`; tracebacks need --debug or TINYENGINE_DEBUG=1.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments or os.environ.get("TINYENGINE_DEBUG", "") not in ("", "0")
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks isn't worth a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with nullcontext() if debug else quiet_libraries():
        code = _run(arguments, debug)
        if code:
            # TVM warns of what a failed import left behind when that is destroyed.
            gc.collect()
    sys.exit(code)


def _run(arguments: list[str], debug: bool) -> int:
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="tinyengine", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except TinyEngineError as error:
        return _fail(str(error), USER_ERROR, debug)
    except _CommandLineError as error:
        # pydantic, which newer typers check values with, puts these words before its message.
        message = error.format_message().replace("Value error, ", "")  # type: ignore[attr-defined]
        return _fail(f"{message.rstrip('.')}; see {_help_of(error)}", USER_ERROR, debug)
    except OSError as error:
        # The disk is full, a file can't be read: it's for the user to mend, whoever opened it.
        where = f": '{error.filename}'" if error.filename else ""
        return _fail(f"{error.strerror or error}{where}", USER_ERROR, debug)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED, debug)
    except Exception as error:
        return _fail(
            f"internal error: {type(error).__name__}: {error} "
            "(a defect of tinyengine: please report it with the output of tinyengine --debug)",
            DEFECT,
            debug,
        )


def _help_of(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'tinyengine'} --help"


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    typer.echo("error: " + " ".join(message.split()), err=True)
    return code
