# SPDX-License-Identifier: Apache-2.0
"""How far training windows of the sensor task are turned: a choice without the test subjects.

    python -m benchmarks.imu_turns

The eight people of fold 0 that aren't its test are cross-validated in pairs, six training and two
validating, with one network of the default space and one seed. Some five minutes on one core.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tinyengine_tvm.errors import TinyEngineError
from tinynas.data import load
from tinynas.data.dataset import joined, standardisation
from tinynas.data.imu import TEST_SUBJECTS, by_subject
from tinynas.project import Project, Settings
from tinynas.steps.choose import space_of
from tinynas.steps.finish import Finisher
from tinynas.supernet import SuperNet
from tinynas.training.loop import Recipe
from tinynas.training.network import StaticNetwork


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="seglearn's wheel; by default the installed one")
    parser.add_argument("--turns", default="0,15,25", help="standard deviations in degrees")
    parser.add_argument("--epochs", type=int, default=30)
    given = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe(given.epochs, rate=0.05, weight_decay=5e-4)
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
    print("| turned by | mean | of the pairs |")
    print("|---|---|---|", flush=True)
    for turn in map(float, given.turns.split(",")):
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
                augment=replace(whole.augment, turn=turn),
            )
            with tempfile.TemporaryDirectory() as folder:
                supernet = SuperNet(space)
                finisher = Finisher(Project(Path(folder), Settings()), data, supernet, "cpu")
                torch.manual_seed(0)
                network = StaticNetwork(architecture)
                finisher.fit("turned", network, recipe, None, Path(folder) / "training.pt")
                found.append(100 * finisher.accuracy(network, "validation"))
        told = ", ".join(f"{accuracy:.1f}" for accuracy in found)
        print(f"| {turn:g} degrees | {statistics.mean(found):.1f} % | {told} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
