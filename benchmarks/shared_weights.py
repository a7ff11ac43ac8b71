# SPDX-License-Identifier: Apache-2.0
"""What a supernet's weights say of the networks that benchmarks.codesign compares.

    python -m benchmarks.shared_weights --supernet supernet.pt build/codesign/8kB-32kB

Accuracy on the validation split with shared weights, and after the fine-tuning, before the board.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from tinyengine_tvm.errors import TinyEngineError
from tinynas.data import load
from tinynas.evolve.accuracy import Accuracy
from tinynas.space import Genome
from tinynas.steps.evolve import Evolve
from tinynas.steps.train import load_supernet


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="of one budget")
    parser.add_argument("--supernet", type=Path, required=True)
    parser.add_argument("--task", default="fashion-mnist")
    given = parser.parse_args()
    torch.set_num_threads(1)
    usual = Evolve()
    try:
        data = load(given.task, None)
        supernet = load_supernet(given.supernet, data)
    except TinyEngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    score = Accuracy(supernet, data, samples=usual.samples, calibration=usual.calibration, seed=0)
    print("| row | shared weights | fine-tuned, float |\n|---|---|---|")
    for path in sorted(given.folder.glob("*/finish.json")):
        found = json.loads(path.read_text())
        if "genome" in found:
            (shared,) = score([Genome.from_json(found["genome"])])
            tuned = found["runs"][0]["validation"]["float"]
            row = path.parent.name
            print(f"| {row} | {100 * shared.accuracy:.1f} % | {100 * tuned:.1f} % |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
