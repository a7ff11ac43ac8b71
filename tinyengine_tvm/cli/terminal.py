# SPDX-License-Identifier: Apache-2.0
"""What commands print: tables for people, one JSON document for machines, progress on stderr."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.status import Status
from rich.table import Table

# A pipe has no width; tables are only as wide as their content.
_PIPE_WIDTH = 240

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]


def console() -> Console:
    """A console on stdout that takes text literally: names may hold brackets."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(width=width, markup=False, highlight=False, emoji=False)


def progress(message: str, quiet: bool) -> AbstractContextManager[object]:
    """A spinner on stderr while the with statement lasts; nothing where nobody watches."""
    errors = Console(stderr=True, markup=False)
    if quiet or not errors.is_terminal:
        return nullcontext()
    return errors.status(message)


@contextmanager
def status(message: str, quiet: bool) -> Iterator[Callable[[str], object]]:
    """As `progress`, but gives a function that changes the message."""
    with progress(message, quiet) as spinner:
        yield spinner.update if isinstance(spinner, Status) else lambda changed: None


def table(*columns: str) -> Table:
    """An empty table; columns whose name begins with '>' are numbers, aligned to the right."""
    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        made.add_column(
            column.removeprefix(">"), justify="right" if right else "left", no_wrap=right
        )
    return made


def facts(rows: list[tuple[str, str]]) -> Table:
    """Names and values in two columns without a frame."""
    grid = Table.grid(padding=(0, 2))
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def print_json(document: Any) -> None:
    """Prints JSON that any parser takes; text is ASCII, and never NaN."""
    typer.echo(json.dumps(document, indent=1, allow_nan=False))


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silences Python's warnings, and what native libraries write to stderr.

    TVM logs from C++, where nothing in Python can filter it. sys.stderr itself still works.
    """
    sys.stderr.flush()
    python_stderr, kept, null = sys.stderr, os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        direct = python_stderr.fileno() == 2
    except OSError:
        direct = False
    if direct:
        sys.stderr = open(  # noqa: SIM115 - it's closed below, whatever happens
            kept, "w", encoding=python_stderr.encoding, errors="backslashreplace", closefd=False
        )
    os.dup2(null, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stderr.flush()
        if direct:
            sys.stderr.close()
            sys.stderr = python_stderr
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
