# SPDX-License-Identifier: Apache-2.0
"""Disassembly of a profiling build with the executions of every instruction beside it.

`python -m tinyengine_tvm.profile.hotspots DIR --board mps2-an386 [--layer NAME] [--function NAME]`
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from ..boards import get_board
from ..boards.base import Program
from ..boards.elf import Image
from ..boards.tools import ARM_OBJDUMP, require_tools
from ..errors import BoardError, TinyEngineError
from .counts import Counts
from .run import count_model

_INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\t(.*)$")


def annotate(
    program: Program,
    counts: Counts,
    *,
    layer: str | None = None,
    function: str | None = None,
    least_share: float = 0.01,
) -> str:
    """Disassembly of the functions that ran, the busiest first, a line per instruction:
    executions, per cent of what is shown, per cent of branches taken, address, instruction.

    `layer` counts one layer alone; `function` shows one function; without it, functions below
    `least_share` of the instructions are only listed.

    Raises:
        BoardError: no layer or function of that name ran.
    """
    require_tools([ARM_OBJDUMP], "annotating")
    names = [facts.name for facts in program.model.layers]
    if layer is not None and layer not in names:
        raise BoardError(f"the model has no layer '{layer}'; its layers: {', '.join(names)}")
    executed: Counter[int] = Counter()
    taken: Counter[int] = Counter()
    for name, counted in zip(names, counts.layers, strict=True):
        if layer in (None, name):
            executed.update(counted.addresses.executed)
            taken.update(counted.addresses.taken)
    image = Image(program.path)
    total = sum(executed.values())
    by_function: Counter[str] = Counter()
    for address, count in executed.items():
        by_function[image.function_at(address) or "(unknown)"] += count
    if function is not None and function not in by_function:
        raise BoardError(f"'{function}' did not run; what ran: {', '.join(sorted(by_function))}")

    lines = [f"{total} instructions" + (f" in layer {layer}" if layer else "")]
    ranked = sorted(by_function.items(), key=lambda item: (-item[1], item[0]))
    lines += [f"{count:12} {100 * count / total:6.2f} %  {name}" for name, count in ranked]
    listing = _disassembly(program.path)
    for name, count in ranked:
        if function not in (None, name) or (function is None and count < least_share * total):
            continue
        lines += ["", f"{name}: {count} instructions, {100 * count / total:.2f} %"]
        for address, text in listing:
            if image.function_at(address) == name:
                lines.append(_line(address, text, executed[address], taken[address], total))
    return "\n".join(lines) + "\n"


def _line(address: int, text: str, executed: int, taken: int, total: int) -> str:
    if not executed:
        return f"{'':12} {'':8} {'':5} {address:8x}  {text}"
    branch = f"{100 * taken / executed:4.0f}%" if taken else ""
    return f"{executed:12} {100 * executed / total:7.2f}% {branch:>5} {address:8x}  {text}"


def _disassembly(program: Path) -> list[tuple[int, str]]:
    done = subprocess.run(
        [ARM_OBJDUMP, "-d", "--no-show-raw-insn", "-j", ".text", str(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BoardError(f"cannot disassemble: {done.stderr.strip().splitlines()[-1]}")
    matches = (_INSTRUCTION.match(line) for line in done.stdout.splitlines())
    return [(int(m[1], 16), m[2].replace("\t", " ").strip()) for m in matches if m]


def main(arguments: list[str] | None = None) -> int:
    """The command line; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tinyengine_tvm.profile.hotspots",
        description="Counts every instruction of one inference and shows the disassembly with it.",
    )
    parser.add_argument("directory", type=Path, help="folder of a compiled model")
    parser.add_argument("--board", default="mps2-an386")
    parser.add_argument("--layer", help="count this layer alone")
    parser.add_argument("--function", help="show this function alone")
    parser.add_argument("--build-dir", type=Path, help="keep the profiling build here")
    given = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="tinyengine-") as temporary:
            folder = given.build_dir or Path(temporary)
            program, counts = count_model(get_board(given.board), given.directory, folder)
            text = annotate(program, counts, layer=given.layer, function=given.function)
    except TinyEngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
