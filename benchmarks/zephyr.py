# SPDX-License-Identifier: Apache-2.0
"""Networks under Zephyr beside the same C on the bare metal: instructions, stack, flash.

    python -m benchmarks.zephyr MODEL... [--board zephyr:mps2_an521] [--bare mps2-an505]
        [--golden FOLDER] [--json FILE]

ZEPHYR_BASE names the Zephyr tree. --golden: a folder with MODEL.npz, arrays `inputs` and `outputs`
[samples, ...], which the outputs under Zephyr must equal byte for byte.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tinyengine_tvm import compile_model
from tinyengine_tvm.boards import Board, get_board
from tinyengine_tvm.boards.elf import Image


def measure(directory: Path, board: Board, work: Path) -> dict[str, Any]:
    """Instructions and stack of an inference, bytes of the model's flash and of the program's."""
    profile = board.profile(directory, build_dir=work)
    program = next((work / "plain").glob("**/zephyr.elf"), work / "plain" / "program.elf")
    return {
        "board": board.name,
        "instructions": profile.unmarked_instructions,
        "clock_instructions": profile.clock_instructions,
        "stack": profile.sram.stack,
        "model_code": profile.flash.code,
        "weights": profile.flash.weights,
        "program_flash": Image(program).flash_bytes,
    }


def golden_samples(directory: Path, board: Board, golden: Path) -> int:
    """Runs the golden inputs and gives the number of samples.

    Raises:
        SystemExit: an output differs.
    """
    reference = np.load(golden)
    port = json.loads((directory / "metadata.json").read_text())["inputs"][0]
    result = board.run(directory, {port["name"]: reference["inputs"]})
    (output,) = result.outputs.values()
    expected = reference["outputs"]
    if output.shape != expected.shape or output.tobytes() != expected.tobytes():
        raise SystemExit(f"{golden.stem}: outputs on {board.name} differ from the golden ones")
    return len(expected)


def main() -> None:
    parser = argparse.ArgumentParser(description="Zephyr beside the bare metal")
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--board", default="zephyr:mps2_an521")
    parser.add_argument("--bare", default="mps2-an505")
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    board, bare = get_board(given.board), get_board(given.bare)
    rows = []
    for model in given.models:
        with tempfile.TemporaryDirectory(prefix="tinyengine-") as name:
            work = Path(name)
            artifact = compile_model(model, target=board.own_target)
            directory = artifact.save(work / "model")
            row: dict[str, Any] = {"model": model.stem}
            if given.golden is not None:
                row["golden"] = golden_samples(directory, board, given.golden / f"{model.stem}.npz")
            row["zephyr"] = measure(directory, board, work / "zephyr")
            row["bare"] = measure(directory, bare, work / "bare")
        rows.append(row)
        print(json.dumps(row, indent=1), flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
