# SPDX-License-Identifier: Apache-2.0
"""What memory that is shared costs: instructions and SRAM with overlapping plans and without.

    python -m benchmarks.overlap_cost MODEL... [--target TARGET --board BOARD]

Without: no output runs over an input, and every kernel has the scratch that it prefers.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest.mock import patch

from tinyengine_tvm import compile_network
from tinyengine_tvm.importers import import_network
from tinyengine_tvm.memory.overlap import Rules

CHOICE = "tinyengine_tvm.memory.choice"


def measure(model: Path, target: str, board: str, *, overlapping: bool) -> tuple[int, int]:
    """Instructions of an inference, and bytes of the arena."""
    network = import_network(model, name="net", interface="int8")

    def profiled() -> tuple[int, int]:
        artifact = compile_network(network, target=target)
        facts = artifact.profile(board).to_json()
        return facts["instructions"], facts["sram"]["arena"]

    if overlapping:
        return profiled()
    with (
        patch(f"{CHOICE}._rules", lambda *_: Rules()),
        patch(f"{CHOICE}.joinable", lambda _: {}),
        patch("tinyengine_tvm.emit.ALLOWANCE", 0),
    ):
        return profiled()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--target", default="cortex-m4")
    parser.add_argument("--board", default="mps2-an386")
    arguments = parser.parse_args()
    for model in arguments.models:
        where = arguments.target, arguments.board
        instructions, arena = measure(model, *where, overlapping=True)
        before, apart = measure(model, *where, overlapping=False)
        print(
            f"{model.stem}: {instructions:,} instructions in {arena:,} bytes, "
            f"{before:,} in {apart:,} without overlap: {instructions / before - 1:+.2%}"
        )


if __name__ == "__main__":
    main()
