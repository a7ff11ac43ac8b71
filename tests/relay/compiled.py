# SPDX-License-Identifier: Apache-2.0
"""What the other environment does for the tests of Relay.

    python -m tests.relay.compiled networks FOLDER        writes the tests' ONNX networks
    python -m tests.relay.compiled compile FOLDER MODEL...  compiles models into FOLDER/<stem>

The option that an ONNX network is quantised with is a part of its name.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tinyengine_tvm import compile_model

NAMES = (
    "classifier",
    "concat",
    "conv_1x1",
    "conv_3x3",
    "conv_5x5",
    "dense",
    "depthwise",
    "flatten_dense",
    "gate",
    "pools",
    "residual",
    "two_outputs",
    "upsample",
)
CASES = [f"{name}-{kind}" for name in NAMES for kind in ("plain", "unsigned", "symmetric")]


def compile_all(folder: Path, models: list[Path]) -> None:
    """Compiles each model with default options into a folder of its name."""
    for model in models:
        compile_model(model).save(folder / model.stem)


def write_networks(folder: Path) -> None:
    from tests.onnx_models import NETWORKS, quantised

    assert sorted(NETWORKS) == list(NAMES)
    for case in CASES:
        name, kind = case.split("-")
        options = {} if kind == "plain" else {kind: True}
        model = quantised(name, **options)
        (folder / f"{case}.onnx").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    verb, target, *paths = sys.argv[1:]
    if verb == "networks":
        write_networks(Path(target))
    else:
        compile_all(Path(target), [Path(p) for p in paths])
