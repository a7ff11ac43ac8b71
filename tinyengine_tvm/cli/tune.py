# SPDX-License-Identifier: Apache-2.0
"""`tinyengine tune`: the fastest configuration of every layer, found by measuring."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from ..errors import ModelError, TinyEngineError
from ..targets import get_target
from .compile import GraphDialect, Interface
from .run import BoardOption
from .terminal import JsonOption, console, facts, print_json, progress, table

if TYPE_CHECKING:
    from ..tune import Progress, Tuned


class Objective(str, Enum):
    """What is minimised."""

    CYCLES = "cycles"
    INSTRUCTIONS = "instructions"
    SIZE = "size"


class ProposerName(str, Enum):
    """How candidates are chosen."""

    XGBOOST = "xgboost"
    RANDOM = "random"
    GRID = "grid"
    GENETIC = "genetic"


def tune(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Int8 network: .tflite, or .onnx with QDQ.")
    ],
    board: BoardOption,
    target: Annotated[
        str | None,
        typer.Option("--target", "-t", help="Core to compile for; default: the board's own."),
    ] = None,
    objective: Annotated[
        Objective,
        typer.Option("--objective", help="What to minimise: estimated cycles, or another."),
    ] = Objective.CYCLES,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Candidates to measure per workload.")
    ] = 128,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0, help="Time for all; no limit by default.")
    ] = None,
    records: Annotated[
        Path,
        typer.Option("--records", metavar="FILE", help="Measurements: read first, appended to."),
    ] = Path("tune.jsonl"),
    proposer: Annotated[
        ProposerName, typer.Option("--proposer", help="How candidates are chosen.")
    ] = ProposerName.XGBOOST,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that measure.")] = 2,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="ADDRESS",
            help="Measure on the workers of this dask scheduler, such as tcp://host:8786.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of all random choices.")] = 0,
    interface: Annotated[
        Interface, typer.Option("--interface", help="As in tinyengine compile.")
    ] = Interface.KEEP,
    no_rewrite: Annotated[
        list[str] | None,
        typer.Option("--no-rewrite", metavar="REWRITE", help="As in tinyengine compile."),
    ] = None,
    dialect: Annotated[
        GraphDialect | None, typer.Option("--dialect", help="As in tinyengine compile.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the fastest configuration of every layer by measuring it on an emulated board.

    Every finished measurement is appended to the records at once: Ctrl-C, or worse, loses nothing,
    and the same command takes up where it ended.

    \b
    Examples:
      tinyengine tune model.tflite --board mps2-an386 --records model.jsonl
      tinyengine tune model.tflite --board mps2-an500 --minutes 5 --objective instructions
      tinyengine compile model.tflite -o build/net --records model.jsonl
    """
    from .. import rewrites
    from ..boards import get_board
    from ..importers import import_network
    from ..tune import Options, cluster
    from ..tune import tune as run

    machine = get_board(board)
    machine.require_target(get_target(target or machine.own_target).name)
    machine.require()
    if not model.is_file():
        problem = "is not a file" if model.exists() else "doesn't exist"
        raise ModelError(f"model '{model}' {problem}; give a .tflite or .onnx file")
    disabled = frozenset(no_rewrite or ())
    unknown = sorted(disabled - set(rewrites.REWRITES))
    if unknown:
        names = ", ".join(rewrites.REWRITES)
        raise TinyEngineError(f"unknown rewrite '{unknown[0]}'; there are: {names}")
    with progress(f"reading {model.name}", quiet=as_json):
        network = import_network(
            model,
            name="net",
            interface=interface.value,
            dialect=None if dialect is None else dialect.value,
        )
        network = rewrites.apply(network, disabled)
    options = Options(
        objective=objective.value,
        trials=trials,
        minutes=minutes,
        proposer=proposer.value,
        seed=seed,
    )
    shown, update = _view(minutes, quiet=as_json)
    # Whatever is wrong with the cluster is told before the table appears.
    with nullcontext((None, workers)) if scheduler is None else cluster(scheduler) as (pool, count):
        options = replace(options, workers=count)
        with shown:
            tuned = run(
                network,
                board=board,
                target=target,
                records=records,
                options=options,
                executor=pool,
                on_progress=update,
            )
    if as_json:
        print_json(_document(tuned, records, objective.value, board))
        return
    console().print(_table(tuned.progress))
    console().print(facts(_summary(tuned, objective.value, records)))


def _view(
    minutes: float | None, quiet: bool
) -> tuple[AbstractContextManager[object], Callable[[Sequence[Progress]], None]]:
    """A live table on stderr and what brings it up to date; nothing where nobody watches."""
    errors = Console(stderr=True, markup=False, highlight=False)
    if quiet or not errors.is_terminal:
        return nullcontext(), lambda progress: None
    live = Live(console=errors, transient=True, auto_refresh=False)
    begun, measured = time.monotonic(), -1

    def update(states: Sequence[Progress]) -> None:
        nonlocal measured
        trials = sum(state.trials for state in states)
        # The first call comes before anything is measured, with what the records hold.
        measured = trials if measured < 0 else measured
        spent = time.monotonic() - begun
        made = _table(states)
        made.caption = f"{(trials - measured) / max(spent, 1e-9):.1f} candidates per second"
        if minutes is not None:
            made.caption += f", {max(60 * minutes - spent, 0):.0f} s left"
        live.update(made, refresh=True)

    return live, update


def _table(states: Sequence[Progress]) -> Any:
    from ..report.page.tuning import title

    made = table(
        "workload", ">layers", ">space", ">trials", ">failed", ">default", ">best", ">gain"
    )
    for state in states:
        made.add_row(
            title(state.workload.facts),
            str(state.workload.count),
            str(len(state.workload.candidates)),
            str(state.trials),
            str(state.failed),
            _number(state.default),
            _number(state.best),
            _gain(state.default, state.best),
        )
    return made


def _number(cost: float) -> str:
    return f"{cost:,.0f}" if math.isfinite(cost) else "-"


def _gain(default: float, best: float) -> str:
    known = math.isfinite(default) and default > 0 and math.isfinite(best)
    return f"{1 - best / default:.1%}" if known else "-"


def _summary(tuned: Tuned, objective: str, records: Path) -> list[tuple[str, str]]:
    rate = tuned.measured / max(tuned.seconds, 1e-9)
    gain = _gain(tuned.default, tuned.best)
    return [
        (f"tuned layers, {objective}", f"{tuned.default:,.0f} -> {tuned.best:,.0f}, {gain} less"),
        ("measured", f"{tuned.measured:,} candidates, {rate:.1f} per second"),
        ("records", str(records) + (" (interrupted)" if tuned.interrupted else "")),
    ]


def _document(tuned: Tuned, records: Path, objective: str, board: str) -> dict[str, Any]:
    def finite(cost: float) -> int | None:
        return int(cost) if math.isfinite(cost) else None

    return {
        "kind": "tune",
        "objective": objective,
        "board": board,
        "records": str(records),
        "default": finite(tuned.default),
        "best": finite(tuned.best),
        "measured": tuned.measured,
        "seconds": round(tuned.seconds, 3),
        "interrupted": tuned.interrupted,
        "workloads": [
            {
                "workload": state.workload.key,
                "facts": state.workload.facts,
                "layers": state.workload.count,
                "candidates": len(state.workload.candidates),
                "trials": state.trials,
                "failed": state.failed,
                "default": finite(state.default),
                "best": finite(state.best),
                "configuration": dict(state.workload.candidates[state.best_index].configuration),
            }
            for state in tuned.progress
        ],
    }
