# SPDX-License-Identifier: Apache-2.0
"""What halving the image early costs: one network, with other strides, trained from scratch.

    python -m benchmarks.stem_strides

A genome of the supernet in examples/models, whose weights aren't used: stem and stages get other
strides, the widths, kernels, expansions and depths stay. Without a teacher, on Fashion-MNIST, by
the accuracy on the validation split. Half an hour on one core with the defaults.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from tinyengine_tvm.errors import TinyEngineError
from tinynas.data import load
from tinynas.hardware import Twin
from tinynas.project import Project, Settings
from tinynas.space import Genome
from tinynas.steps.finish import Finisher
from tinynas.steps.train import load_supernet
from tinynas.training.loop import Recipe
from tinynas.training.network import StaticNetwork

SUPERNET = Path(__file__).parents[1] / "examples/models/fashion_mnist_small_supernet.pt"
GENOME = Genome(
    width=0.375,
    resolution=28,
    depths=(2, 3, 3),
    kernels=(7, 7, 7, 7, 5, 3, 5, 3, 3, 3),
    expansions=(6, 3, 3, 3, 4, 1, 6, 3, 3, 1),
)
"""The network that a search for 16 kB of SRAM and 64 kB of flash chose."""
STRIDES = "2122,2121,1221,1222"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--strides", default=STRIDES, help="of the stem and of each stage")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    twin = Twin()
    recipe = Recipe(given.epochs, rate=0.1, label_smoothing=0.0, seed=given.seed)
    print("| strides of stem and stages | SRAM | flash | MMACs | validation |")
    print("|---|---|---|---|---|", flush=True)
    try:
        data = load("fashion-mnist")
        supernet = load_supernet(SUPERNET, data)
        for text in given.strides.split(","):
            stem, *strides = map(int, text)
            stages = zip(supernet.space.stages, strides, strict=True)
            space = replace(
                supernet.space,
                stem_stride=stem,
                stages=tuple(replace(stage, stride=stride) for stage, stride in stages),
            )
            architecture = space.architecture(GENOME)
            costs = twin.judge(architecture)
            with tempfile.TemporaryDirectory() as folder:
                finisher = Finisher(Project(Path(folder), Settings()), data, supernet, "cpu")
                torch.manual_seed(given.seed)
                network = StaticNetwork(architecture)
                finisher.fit(text, network, recipe, None, Path(folder) / "training.pt")
                accuracy = finisher.accuracy(network, "validation")
            print(
                f"| {stem}, {' '.join(map(str, strides))} | {costs.sram:,} | {costs.flash:,} | "
                f"{costs.macs / 1e6:.2f} | {100 * accuracy:.2f} % |",
                flush=True,
            )
    except TinyEngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
