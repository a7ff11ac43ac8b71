# SPDX-License-Identifier: Apache-2.0
"""How far windows of the sensor task are turned, and who teaches: choices without the test.

    python -m benchmarks.imu_choices
    python -m benchmarks.imu_choices --turns 15 --teachers 0,1,3

The eight people of fold 0 that aren't its test are cross-validated in pairs, six training and two
validating, with one network of the default space and one seed. Some two minutes a row on one core,
and as long again for each teacher.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch

from tinyengine_tvm.errors import TinyEngineError
from tinynas.data import load
from tinynas.data.dataset import joined, standardisation
from tinynas.data.imu import TEST_SUBJECTS, by_subject
from tinynas.finish.distil import Distillation
from tinynas.finish.teacher import RECIPES, teaching
from tinynas.project import Project, Settings
from tinynas.steps.choose import space_of
from tinynas.steps.finish import Finish, Finisher
from tinynas.supernet import SuperNet
from tinynas.training.loop import Recipe
from tinynas.training.network import StaticNetwork


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="seglearn's wheel; by default the installed one")
    parser.add_argument("--turns", default="0,15,25", help="standard deviations in degrees")
    parser.add_argument(
        "--stretches", default="0", help="standard deviations of the log of the speed"
    )
    parser.add_argument("--teachers", default="0", help="how many, 0 for labels alone")
    parser.add_argument("--teacher-kind", default="residual", choices=sorted(RECIPES))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the first weights")
    given = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe(given.epochs, rate=0.05, weight_decay=5e-4)
    usual = teaching(given.teacher_kind)
    usual = replace(usual, recipe=replace(usual.recipe, epochs=given.epochs))
    try:
        whole = load("imu", given.data)
        parts, _ = by_subject(given.data)
    except TinyEngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    people = sorted(parts)[TEST_SUBJECTS:]
    space = space_of(whole).restricted((1.0,), (whole.input[2],))
    architecture = space.architecture(space.sample(np.random.default_rng(3)))
    print(f"{architecture.macs:,} MACs, {architecture.weights:,} weights\n")
    print("| turned by | stretched by | teachers | mean | of the pairs |")
    print("|---|---|---|---|---|", flush=True)
    turns, stretches = (map(float, text.split(",")) for text in (given.turns, given.stretches))
    teachers = map(int, given.teachers.split(","))
    for turn, stretch, count in product(turns, stretches, teachers):
        options = Finish(
            recipe if not count else replace(recipe, label_smoothing=0.0),
            Distillation() if count else None,
            teaching=replace(usual, count=max(1, count)),
        )
        found = []
        for first in range(0, len(people), 2):
            pair = people[first : first + 2]
            train = joined([parts[person] for person in people if person not in pair])
            offset, divisor = standardisation(train.inputs)
            data = replace(
                whole,
                train=train,
                validation=joined([parts[person] for person in pair]),
                offset=offset,
                divisor=divisor,
                augment=replace(whole.augment, turn=turn, stretch=stretch),
            )
            with tempfile.TemporaryDirectory() as folder:
                supernet = SuperNet(space)
                finisher = Finisher(Project(Path(folder), Settings()), data, supernet, "cpu")
                torch.manual_seed(given.seed)
                network = StaticNetwork(architecture)
                finisher.fit("net", network, options.recipe, options, Path(folder) / "training.pt")
                found.append(100 * finisher.accuracy(network, "validation"))
        told = ", ".join(f"{accuracy:.1f}" for accuracy in found)
        mean = statistics.mean(found)
        print(f"| {turn:g} degrees | {stretch:g} | {count} | {mean:.1f} % | {told} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
