# SPDX-License-Identifier: Apache-2.0
"""Hard instances for the planner of the arena, and how it fares on them.

    python -m benchmarks.hard_placements [--budget N] [--seeds N] [--only KINDS] [--json FILE]
    python -m benchmarks.hard_placements --csv FILE...

There are two sorts. Cut instances are packings without holes, cut out of a rectangle of time by
address, from which a few buffers are then taken away: the live bytes reach the peak at many steps,
long and short lifetimes are mixed, and a placement without a gap exists unless taking buffers away
has lowered the peak. Drawn ones are buffers at random, taken for as long as the live bytes stay
below the peak: whether their bound can be met is not known.

What is published as google/minimalloc's challenging set lies between: 154 to 454 buffers, density
(live bytes times steps, to the peak at every step) 0.65 to 0.98, 16 to 110 buffers at once, and in
three instances of similar sizes and short lives only, which the drawn kinds T to V are like.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyengine_tvm.memory import Buffer, check_placement, place
from tinyengine_tvm.memory.placement import THOROUGH

PEAK = 1 << 20
GRAIN = 1024


@dataclass(frozen=True)
class Kind:
    """count: buffers. steps: of time. missing: share of the buffers that are taken away again.

    flatness: how often a piece is cut into lower ones rather than into shorter lives.
    """

    name: str
    count: int
    steps: int
    missing: float
    flatness: float


@dataclass(frozen=True)
class Draw:
    """sizes: of the peak, from the least to the largest; lives: of the time, likewise.

    Both are drawn evenly on a logarithmic scale. count: buffers. steps: of time.
    """

    name: str
    count: int
    steps: int
    sizes: tuple[float, float]
    lives: tuple[float, float]


DRAWS = (
    Draw("R", 100, 60, (0.005, 0.4), (0.02, 0.8)),
    Draw("S", 200, 100, (0.005, 0.3), (0.01, 0.7)),
    Draw("T", 300, 175, (0.045, 0.1), (0.015, 0.055)),
    Draw("U", 310, 190, (0.045, 0.11), (0.015, 0.055)),
    Draw("V", 320, 200, (0.045, 0.11), (0.015, 0.05)),
    Draw("W", 450, 240, (0.01, 0.5), (0.004, 0.1)),
)

KINDS = (
    Kind("A", 100, 60, 0.04, 0.55),
    Kind("B", 150, 80, 0.02, 0.50),
    Kind("C", 200, 100, 0.02, 0.50),
    Kind("D", 210, 100, 0.06, 0.65),
    Kind("E", 220, 120, 0.10, 0.40),
    Kind("F", 300, 180, 0.30, 0.45),
    Kind("G", 300, 180, 0.35, 0.50),
    Kind("H", 320, 200, 0.40, 0.45),
    Kind("I", 370, 180, 0.10, 0.50),
    Kind("J", 410, 210, 0.14, 0.60),
    Kind("K", 450, 240, 0.06, 0.40),
)


def instance(kind: Kind, seed: int = 0) -> list[Buffer]:
    """The buffers of one instance; sizes in bytes, multiples of GRAIN."""
    source = random.Random(f"{kind.name}{seed}")
    pieces = [(0, kind.steps, 0, PEAK // GRAIN)]
    wanted = round(kind.count / (1 - kind.missing))
    while len(pieces) < wanted:
        # Among a few the largest: pieces of very different sizes remain.
        drawn = source.sample(range(len(pieces)), min(3, len(pieces)))
        at = max(drawn, key=lambda i: _area(pieces[i]))
        first, end, low, high = pieces[at]
        lower = source.random() < kind.flatness
        if lower and high - low >= 2:
            cut = source.randint(low + 1, high - 1)
            parts = [(first, end, low, cut), (first, end, cut, high)]
        elif not lower and end - first >= 2:
            cut = source.randint(first + 1, end - 1)
            parts = [(first, cut, low, high), (cut, end, low, high)]
        else:
            continue
        pieces[at : at + 1] = parts
    source.shuffle(pieces)
    return [
        Buffer(f"b{i}", (high - low) * GRAIN, first, end - 1, GRAIN)
        for i, (first, end, low, high) in enumerate(pieces[: kind.count])
    ]


def drawn(kind: Draw, seed: int = 0) -> list[Buffer]:
    """The buffers of one drawn instance; sizes in bytes, multiples of GRAIN."""
    source = random.Random(f"{kind.name}{seed}")
    live = [0] * kind.steps
    found: list[Buffer] = []
    while len(found) < kind.count:
        size = round(_even(source, kind.sizes) * PEAK / GRAIN) * GRAIN
        length = max(1, round(_even(source, kind.lives) * kind.steps))
        # Where there's most room: so the peak is reached many times.
        start = min(
            (source.randrange(kind.steps - length + 1) for _ in range(4)),
            key=lambda first: max(live[first : first + length]),
        )
        if max(live[start : start + length]) + size > PEAK:
            continue
        for step in range(start, start + length):
            live[step] += size
        found.append(Buffer(f"b{len(found)}", size, start, start + length - 1, GRAIN))
    return found


def _even(source: random.Random, limits: tuple[float, float]) -> float:
    low, high = limits
    return float(low * (high / low) ** source.random())


def _area(piece: tuple[int, int, int, int]) -> int:
    first, end, low, high = piece
    return (end - first) * (high - low)


def density(buffers: list[Buffer]) -> float:
    """Bytes times steps that are live, relative to the peak at every step."""
    changes = sorted(
        [(b.first, b.size) for b in buffers] + [(b.last + 1, -b.size) for b in buffers]
    )
    live, peak = 0, 0
    # At one step the negative changes come first.
    for _, change in changes:
        live += change
        peak = max(peak, live)
    total = sum(b.size * (b.last - b.first + 1) for b in buffers)
    return total / (peak * changes[-1][0])


def read(path: Path) -> list[Buffer]:
    """The buffers of a file in minimalloc's format: id, lower, upper (not included) and size."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Buffer(row["id"], int(row["size"]), int(row["lower"]), int(row["upper"]) - 1, 1)
            for row in csv.DictReader(file)
        ]


def measure(name: str, buffers: list[Buffer], budget: int) -> dict[str, object]:
    """One instance, planned and checked."""
    start = time.process_time()
    found = place(buffers, budget=budget)
    used = time.process_time() - start
    check_placement(buffers, found.offsets, found.size)
    return {
        "instance": name,
        "buffers": len(buffers),
        "density": round(density(buffers), 3),
        "bound": found.lower_bound,
        "size": found.size,
        "gap": round(found.gap / found.lower_bound, 4),
        "method": found.method,
        "optimal": found.optimal,
        "seconds": round(used, 1),
    }


def _instances(arguments: argparse.Namespace) -> Iterator[tuple[str, list[Buffer]]]:
    for path in arguments.csv:
        yield path.name.split(".")[0], read(path)
    if not arguments.csv:
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            for kind in (*KINDS, *DRAWS):
                if not arguments.only or kind.name in arguments.only:
                    made = instance(kind, seed) if isinstance(kind, Kind) else drawn(kind, seed)
                    yield f"{kind.name}{seed}", made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=int, default=THOROUGH, help="effort per instance")
    parser.add_argument("--seeds", type=int, default=1, help="instances of each kind")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--csv", type=Path, nargs="+", default=[], help="instances in files")
    parser.add_argument("--only", default="", help="letters of the kinds to run, such as AR")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    arguments = parser.parse_args()
    rows = []
    for name, buffers in _instances(arguments):
        row = measure(name, buffers, arguments.budget)
        rows.append(row)
        note = "" if row["gap"] <= 0.05 else "  NOT within 5 % of the bound"
        print(
            f"{row['instance']:>4} {row['buffers']:>4} buffers, density {row['density']:.2f}: "
            f"{row['size']:>9,} bytes, {row['gap']:6.2%} above {row['bound']:>9,}, "
            f"{row['seconds']:5.1f} s, {row['method']}{note}",
            flush=True,
        )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
