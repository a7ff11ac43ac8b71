# SPDX-License-Identifier: Apache-2.0
"""Disassembly of a profiling build with executions and cycles of every instruction beside it.

`python -m tinyengine_tvm.profile.hotspots DIR --board mps2-an386 [--layer NAME] [--function NAME]`
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from ..boards import get_board
from ..boards.base import Program
from ..boards.elf import Image
from ..boards.qemu import QemuBoard
from ..errors import BoardError, TinyEngineError
from .counts import Counts
from .cycles import count_cycles
from .disassembly import Line, disassemble
from .run import count_model


def annotate(
    program: Program,
    counts: Counts,
    *,
    core: str | None = None,
    layer: str | None = None,
    function: str | None = None,
    least_share: float = 0.01,
) -> str:
    """Disassembly of the functions that ran, the busiest first, a line per instruction:
    executions, per cent of what is shown, per cent of branches taken, address, instruction.

    `core` adds a column of cycles by its timing model; shares and ranks are then of cycles. `layer`
    counts one layer alone; `function` shows one function; without it, functions below `least_share`
    are only listed.

    Raises:
        BoardError: no layer or function of that name ran.
    """
    names = [facts.name for facts in program.model.layers]
    if layer is not None and layer not in names:
        raise BoardError(f"the model has no layer '{layer}'; its layers: {', '.join(names)}")
    chosen = [index for index, name in enumerate(names) if layer in (None, name)]
    executed: Counter[int] = Counter()
    taken: Counter[int] = Counter()
    for index in chosen:
        executed.update(counts.layers[index].addresses.executed)
        taken.update(counts.layers[index].addresses.taken)
    lines = [f"{executed.total()} instructions" + (f" in layer {layer}" if layer else "")]
    cycles: Counter[int] | None = None
    if core is not None:
        estimate = count_cycles(core, program.path, [one.addresses for one in counts.layers])
        if estimate.note is not None:
            lines.append(estimate.note)
        else:
            cycles = Counter()
            for index in chosen:
                cycles.update(estimate.layers[index])
            lines[0] += f", about {cycles.total()} cycles of {core}"

    image = Image(program.path)
    cost = executed if cycles is None else cycles
    runs: Counter[str] = Counter()
    by_function: Counter[str] = Counter()
    for address, count in executed.items():
        name = image.function_at(address) or "(unknown)"
        runs[name] += count
        by_function[name] += cost[address]
    if function is not None and function not in by_function:
        raise BoardError(f"'{function}' did not run; what ran: {', '.join(sorted(by_function))}")

    total = cost.total()
    ranked = sorted(by_function.items(), key=lambda item: (-item[1], item[0]))
    heads = {}
    for name, count in ranked:
        spent = "" if cycles is None else f"{count:>12} "
        lines.append(f"{runs[name]:12} {spent}{100 * count / total:6.2f} %  {name}")
        heads[name] = f"{name}: {runs[name]} instructions, "
        heads[name] += "" if cycles is None else f"{count} cycles, "
        heads[name] += f"{100 * count / total:.2f} %"
    listing = disassemble(program.path)
    for name, count in ranked:
        if function not in (None, name) or (function is None and count < least_share * total):
            continue
        lines += ["", heads[name]]
        for line in listing:
            if image.function_at(line.address) == name:
                lines.append(_line(line, executed, taken, cycles, total))
    return "\n".join(lines) + "\n"


def _line(
    line: Line,
    executed: Counter[int],
    taken: Counter[int],
    cycles: Counter[int] | None,
    total: int,
) -> str:
    address = line.address
    count = executed[address]
    spent = "" if cycles is None else f"{cycles[address] if count else '':>12} "
    text = f"{address:8x}  {line.text}"
    if not count:
        return f"{'':12} {spent}{'':8} {'':5} {text}"
    share = 100 * (count if cycles is None else cycles[address]) / total
    branch = f"{100 * taken[address] / count:4.0f}%" if taken[address] else ""
    return f"{count:12} {spent}{share:7.2f}% {branch:>5} {text}"


def main(arguments: list[str] | None = None) -> int:
    """The command line; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tinyengine_tvm.profile.hotspots",
        description="Counts every instruction of one inference, estimates its cycles, and shows "
        "the disassembly with both.",
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
            board = get_board(given.board)
            program, counts = count_model(board, given.directory, folder)
            core = board.core if isinstance(board, QemuBoard) else None
            text = annotate(program, counts, core=core, layer=given.layer, function=given.function)
    except TinyEngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
