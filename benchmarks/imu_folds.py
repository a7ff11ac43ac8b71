# SPDX-License-Identifier: Apache-2.0
"""The sensor task on all five pairs of test subjects, each searched and finished by itself.

    python -m benchmarks.imu_folds -o build/imu

A fold says little about another one: ten people did the exercises, and two of them are the test.
Each row is a whole search within the budget; the winner is fine-tuned on all eight other people
once the two that validate have made its choices (--refit).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import torch

import tinynas
from tinyengine_tvm.errors import TinyEngineError
from tinynas import Budget
from tinynas.data import load
from tinynas.pipeline import Options, default_finish
from tinynas.steps.train import Train
from tinynas.training.loop import Recipe


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", "-o", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="seglearn's wheel; by default the installed one")
    parser.add_argument("--folds", default="0,1,2,3,4")
    parser.add_argument("--sram", default="8kB")
    parser.add_argument("--flash", default="32kB")
    # A tenth of the samples of an image data set: so many more passes.
    parser.add_argument("--epochs", type=int, default=60, help="of the supernet")
    parser.add_argument("--tune-epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    finish = default_finish()
    options = Options(
        train=Train(Recipe(given.epochs)),
        finish=replace(
            finish,
            refit=True,
            recipe=replace(finish.recipe, epochs=given.tune_epochs),
            teaching=replace(
                finish.teaching,
                recipe=replace(finish.teaching.recipe, epochs=given.tune_epochs),
            ),
        ),
        seeds=given.seeds,
        name="imu",
    )
    budget = Budget.parse(given.sram, given.flash, None)
    means = []
    results = {}
    print("| fold | accuracy on the board, % | SRAM | flash | MMACs | windows |")
    print("|---|---|---|---|---|---|", flush=True)
    try:
        for fold in map(int, given.folds.split(",")):
            data = load("imu", given.data, fold=fold)
            say = lambda text, fold=fold: print(f"fold {fold}: {text}", file=sys.stderr, flush=True)  # noqa: E731
            found = tinynas.search(
                data, "cortex-m4", budget, given.output / f"fold{fold}", options, say=say
            )
            results[fold] = found
            means.append(found["mean"])
            device = found["runs"][found["chosen"]]["device"]
            print(
                f"| {fold} | {100 * found['mean']:.1f} +- {100 * found['spread']:.1f} | "
                f"{device['sram']:,} | {device['flash']:,} | {device['macs'] / 1e6:.2f} | "
                f"{device['samples']:,} |",
                flush=True,
            )
    except TinyEngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\nMean of the folds: {100 * statistics.mean(means):.1f} %")
    (given.output / "folds.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
