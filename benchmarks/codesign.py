# SPDX-License-Identifier: Apache-2.0
"""Does it pay to search, and to ask this compiler what fits? One table of what else one could do.

    python -m benchmarks.codesign --supernet supernet.pt -o build/codesign

For each budget: TinyNAS; (a) plain MobileNetV2 scaled in width and resolution; (b) the same search
with TFLite Micro's memory; (c) as many networks measured, drawn at random; (d) the largest network
by MACs, and by weights. All are finished with one recipe and measured on the emulated board. A
network that isn't of the supernet begins without weights: `scratch` trains the winner so, too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tinyengine_tvm.errors import BudgetError, TinyEngineError
from tinynas.data import DataSet, load
from tinynas.evolve.search import Plan
from tinynas.hardware import Hardware, within
from tinynas.pipeline import Options, Search, default_finish
from tinynas.project import Project, Settings
from tinynas.space import Genome
from tinynas.space.mobilenet import mobilenets
from tinynas.steps.evolve import Evolve
from tinynas.steps.finish import Finish
from tinynas.steps.seeds import Job, finish_seeds
from tinynas.steps.train import load_supernet

BUDGETS = ("8kB/32kB", "16kB/64kB", "32kB/256kB")
ROWS = ("tinynas", "scratch", "mobilenet", "tflm", "random", "macs", "weights")
RESOLUTIONS = (16, 20, 24, 28)


def finishing(given: argparse.Namespace, scratch: bool = False) -> Finish:
    """One recipe and one teacher for all rows."""
    usual = default_finish()
    return replace(
        usual,
        recipe=replace(usual.recipe, epochs=given.epochs),
        scratch=scratch,
        teaching=replace(
            usual.teaching,
            count=given.teachers,
            recipe=replace(usual.teaching.recipe, epochs=given.teacher_epochs),
        ),
        teacher=given.teacher or given.output / "teacher.pt",
        erase=given.erase,
    )


def saying(budget: str, row: str) -> Callable[[str], None]:
    """How far a row is; the table alone goes to standard output."""
    return lambda text: print(f"{budget} {row}: {text}", file=sys.stderr, flush=True)


def searched(row: str, folder: Path, budget: str, data: DataSet, given: argparse.Namespace) -> Any:
    """A row that searches the supernet."""
    sram, flash = budget.split("/")
    settings = Settings(
        task=given.task,
        data=given.data,
        target="cortex-m4",
        sram=sram,
        flash=flash,
        seed=0,
        supernet=str(given.supernet),
        memory="tflite-micro" if row == "tflm" else None,
    )
    plan = Plan(
        method="random" if row == "random" else "evolution",
        aim=row if row in ("macs", "weights") else "accuracy",  # type: ignore[arg-type]
    )
    options = Options(
        evolve=Evolve(plan, workers=given.workers),
        finish=finishing(given, row == "scratch"),
        seeds=given.seeds,
        workers=given.workers,
    )
    search = Search(Project.open(folder, settings), data, options, saying(budget, row))
    if row == "scratch":
        winner = Genome.from_json(search.evolve()["winner"]["genome"])
        return search.finish_genome(winner, "scratch.json", "scratch")
    return search.finish()


def plain(folder: Path, budget: str, data: DataSet, given: argparse.Namespace) -> Any:
    """The MobileNetV2 with the most MACs that fits: as step 1 ranks spaces, before any training."""
    sram, flash = budget.split("/")
    settings = Settings(
        task=given.task, data=given.data, target="cortex-m4", sram=sram, flash=flash, seed=0
    )
    project = Project.open(folder, settings)
    known = project.read("finish.json")
    if known is not None:
        return known
    channels, _, _ = data.input
    hardware = Hardware("cortex-m4", budget=settings.budget)
    found = [a for _, a in mobilenets(channels, RESOLUTIONS, len(data.classes))]
    costs = hardware.judge(found)
    fitting = [a for a, c in zip(found, costs, strict=True) if within(c, settings.budget)]
    runs: list[dict[str, Any]] = []
    supernet = load_supernet(given.supernet, data)
    for architecture in sorted(fitting, key=lambda a: a.macs, reverse=True):
        try:
            hardware.confirm(architecture, settings.budget)
        except BudgetError:
            continue
        job = Job(project, data, supernet, architecture, finishing(given), "finish")
        runs = finish_seeds(job, range(given.seeds), saying(budget, "mobilenet"), given.workers)
        break
    if not runs:
        least = min(costs, key=lambda c: c.flash)
        saying(budget, "mobilenet")(
            f"none fits; the one with the least flash takes {least.flash:,} bytes of it, and "
            f"{least.sram:,} of SRAM"
        )
        return None
    result = {"runs": runs, "mean": statistics.mean(r["test"]["device"] for r in runs)}
    project.write("finish.json", result)
    return result


def line(row: str, result: Any) -> str:
    if result is None:
        return f"| {row} | none fits | | | | |"
    accuracies = [100 * run["test"]["device"] for run in result["runs"]]
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
    device = result["runs"][0]["device"]
    return (
        f"| {row} | {statistics.mean(accuracies):.2f} +- {spread:.2f} | {device['sram']:,} | "
        f"{device['flash']:,} | {device['macs'] / 1e6:.2f} | {device['cycles'] / 1e6:.2f} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--supernet", type=Path, required=True)
    parser.add_argument("--output", "-o", type=Path, required=True)
    parser.add_argument("--task", default="fashion-mnist")
    parser.add_argument("--data", default=None)
    parser.add_argument("--budgets", default=",".join(BUDGETS))
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=15, help="of the finish")
    parser.add_argument("--teacher", type=Path, help="what the teacher says, of an earlier run")
    parser.add_argument("--teachers", type=int, default=1)
    parser.add_argument("--teacher-epochs", type=int, default=15)
    parser.add_argument("--erase", type=float, default=None)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, dict[str, Any]] = {}
    try:
        data = load(given.task, None if given.data is None else Path(given.data))
        for budget in given.budgets.split(","):
            print(f"\n{budget} (SRAM/flash)\n")
            print("| row | accuracy on the board, % | SRAM | flash | MMACs | Mcycles |")
            print("|---|---|---|---|---|---|", flush=True)
            for row in given.rows.split(","):
                # The winner is the same, and already found.
                place = "tinynas" if row == "scratch" else row
                folder = given.output / budget.replace("/", "-") / place
                result = (
                    plain(folder, budget, data, given)
                    if row == "mobilenet"
                    else searched(row, folder, budget, data, given)
                )
                results.setdefault(budget, {})[row] = result
                print(line(row, result), flush=True)
    except TinyEngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    (given.output / "codesign.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
