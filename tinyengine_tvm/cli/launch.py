# SPDX-License-Identifier: Apache-2.0
"""How a command begins and ends: every failure becomes one line and an exit code."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NoReturn

import typer

from ..errors import TinyEngineError
from .terminal import quiet_libraries

USER_ERROR = 2
DEFECT = 1
INTERRUPTED = 130

# typer brings click along under different names in different versions; both are its bases.
_CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]


def launch(app: typer.Typer, program: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits: 0, 2 for what the user can mend, 1 for a defect of ours.

    Errors are one line on stderr, `error: ...`; tracebacks need --debug or TINYENGINE_DEBUG=1.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments or os.environ.get("TINYENGINE_DEBUG", "") not in ("", "0")
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks isn't worth a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with nullcontext() if debug else quiet_libraries():
        code = _run(app, program, arguments, debug)
        if code:
            # TVM warns of what a failed import left behind when that is destroyed.
            gc.collect()
    sys.exit(code)


def _run(app: typer.Typer, program: str, arguments: list[str], debug: bool) -> int:
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name=program, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except TinyEngineError as error:
        return _fail(str(error), USER_ERROR, debug)
    except _CommandLineError as error:
        # pydantic, which newer typers check values with, puts these words before its message.
        message = error.format_message().replace("Value error, ", "")  # type: ignore[attr-defined]
        return _fail(f"{message.rstrip('.')}; see {_help_of(error, program)}", USER_ERROR, debug)
    except OSError as error:
        # The disk is full, a file can't be read: it's for the user to mend, whoever opened it.
        where = f": '{error.filename}'" if error.filename else ""
        return _fail(f"{error.strerror or error}{where}", USER_ERROR, debug)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", INTERRUPTED, debug)
    except Exception as error:
        return _fail(
            f"internal error: {type(error).__name__}: {error} "
            f"(a defect of {program}: please report it with the output of {program} --debug)",
            DEFECT,
            debug,
        )


def _help_of(error: Exception, program: str) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else program} --help"


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    typer.echo("error: " + " ".join(message.split()), err=True)
    return code
