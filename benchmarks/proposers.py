# SPDX-License-Identifier: Apache-2.0
"""How soon each proposer finds good configurations, over all workloads of models.

    python -m benchmarks.proposers measure --table FILE MODEL ...
    python -m benchmarks.proposers replay --table FILE [--seeds N] [--alone] [--json FILE] MODEL ...

`measure` runs every candidate of every workload once on the board, which takes minutes. `replay`
then has the tuner itself, with each proposer and seed, look candidates up in that table instead of
running them. What is reported is the regret: by how much the best found after so many trials is
slower than the best of the whole space, per workload, with a trial being a candidate that differs
from all before. All workloads of a model are tuned together, as `tinyengine tune` does it, so that
a model that learns carries over from one to the next; with `--alone` each is tuned by itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinyengine_tvm import rewrites
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.network import Network
from tinyengine_tvm.targets import get_target
from tinyengine_tvm.tune import (
    Measurement,
    Options,
    Progress,
    Records,
    Workload,
    tune,
    workloads_of,
)

BOARD, CORE = "mps2-an386", "cortex-m4"
PROPOSERS = ("random", "grid", "genetic", "xgboost")
MARKS = (16, 32, 48, 64)
LEAST_SPACE = 24
"""Candidates that a workload needs to be reported: smaller spaces are seen whole at once."""
EVERYTHING = 1_000_000


class Table(Executor):
    """Gives the measurements that are in the records, at once."""

    def __init__(self, records: Records) -> None:
        self.known = {
            (r.workload, r.kernel, _text(r.configuration), r.code): r.measurement for r in records
        }

    def find(self, workload: Workload, index: int) -> Measurement:
        candidate = workload.candidates[index]
        how = (candidate.kernel.name, _text(candidate.configuration), candidate.digest())
        return self.known[(workload.key, *how)]

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        workload, indices, *_ = args
        future: Future[Any] = Future()
        future.set_result([self.find(workload, index) for index in indices])
        return future


@dataclass(frozen=True)
class Curve:
    """The regrets at MARKS trials of one workload with one proposer and seed."""

    workload: str
    space: int
    proposer: str
    seed: int
    regrets: tuple[float, ...]
    rounds: tuple[tuple[int, float], ...]
    """After each batch: trials, regret."""


def _text(configuration: Any) -> str:
    return json.dumps(dict(configuration), sort_keys=True)


def _network(model: Path) -> Network:
    return rewrites.apply(import_network(model, name="net"), frozenset())


def measure(models: Sequence[Path], table: Path) -> None:
    options = Options(proposer="grid", trials=EVERYTHING, patience=EVERYTHING, batch=32)
    for model in models:
        tuned = tune(_network(model), board=BOARD, records=table, options=options)
        print(f"{model.name}: {tuned.measured} candidates, {tuned.seconds:.0f} s")


def replay(
    models: Sequence[Path], table: Path, seeds: int, trials: int, alone: bool
) -> list[Curve]:
    found = []
    lookup = Table(Records.load(table))
    for model in models:
        network = _network(model)
        best = {}
        workloads = workloads_of(network, get_target(CORE))
        for workload in workloads:
            measured = [lookup.find(workload, i) for i in range(len(workload.candidates))]
            cycles = [m.cycles for m in measured if m.status == "ok" and m.cycles is not None]
            best[id_of(workload)] = min(cycles)
        for group in [[w] for w in workloads] if alone else [workloads]:
            for proposer in PROPOSERS:
                for seed in range(seeds):
                    found += _run(network, group, lookup, best, proposer, seed, trials)
    return found


def id_of(workload: Workload) -> str:
    return f"{workload.layer.name} {workload.key}"


def _run(
    network: Network,
    workloads: Sequence[Workload],
    lookup: Table,
    best: dict[str, int],
    proposer: Any,
    seed: int,
    trials: int,
) -> list[Curve]:
    seen: dict[str, list[tuple[int, float]]] = {}
    spaces: dict[str, int] = {}

    def note(states: Sequence[Progress]) -> None:
        for state in states:
            name = id_of(state.workload)
            spaces[name] = len(state.workload.candidates)
            rounds = seen.setdefault(name, [])
            if state.trials and (not rounds or rounds[-1][0] != state.trials):
                rounds.append((state.trials, state.best / best[name] - 1))

    options = Options(proposer=proposer, seed=seed, trials=trials, patience=EVERYTHING, workers=1)
    tune(
        network,
        board=BOARD,
        options=options,
        executor=lookup,
        on_progress=note,
        workloads=workloads,
    )
    curves = []
    for name, rounds in seen.items():
        if spaces[name] >= LEAST_SPACE and rounds:
            at = [[r for t, r in rounds if t <= mark] for mark in MARKS]
            regrets = tuple(values[-1] if values else float("nan") for values in at)
            curves.append(Curve(name, spaces[name], proposer, seed, regrets, tuple(rounds)))
    return curves


def report(curves: Sequence[Curve]) -> str:
    names = {c.workload for c in curves}
    lines = [f"{len(names)} workloads, {len({c.seed for c in curves})} seeds; regret in per cent"]
    lines.append("| trials | " + " | ".join(f"{p}: mean, 90 %, worst" for p in PROPOSERS) + " |")
    lines.append("|---|" + "---|" * len(PROPOSERS))
    for at, mark in enumerate(MARKS):
        cells = []
        for proposer in PROPOSERS:
            values = sorted(100 * c.regrets[at] for c in curves if c.proposer == proposer)
            high = values[int(0.9 * (len(values) - 1))]
            cells.append(f"{statistics.mean(values):.2f}, {high:.2f}, {values[-1]:.2f}")
        lines.append(f"| {mark} | " + " | ".join(cells) + " |")
    by_key = {(c.workload, c.seed, c.proposer): c for c in curves}
    lines += ["", "| xgboost against random, after | better | equal | worse |", "|---|---|---|---|"]
    for at, mark in enumerate(MARKS):
        counts = [0, 0, 0]
        for name, seed, proposer in by_key:
            if proposer != "random":
                continue
            ours = by_key[name, seed, "xgboost"].regrets[at]
            theirs = by_key[name, seed, "random"].regrets[at]
            counts[0 if ours < theirs else 1 if ours == theirs else 2] += 1
        lines.append(f"| {mark} trials | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("what", choices=("measure", "replay"))
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=max(MARKS))
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.what == "measure":
        measure(given.models, given.table)
        return
    curves = replay(given.models, given.table, given.seeds, given.trials, given.alone)
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(c) for c in curves]))
    print(report(curves))


if __name__ == "__main__":
    main()
