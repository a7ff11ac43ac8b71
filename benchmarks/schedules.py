# SPDX-License-Identifier: Apache-2.0
"""How long the exact search for the best order of operators takes on graphs that are hard for it.

    python -m benchmarks.schedules [--seeds N]

Chains between a fork and a join have as many sets of operators as a graph of their width can have:
13 ** 8 for eight chains of twelve, 98 operators in all. Branching graphs of 100 operators read what
they like among the latest six values.
"""

from __future__ import annotations

import argparse
import random
import time

from tinyengine_tvm.memory.order import Operator, OperatorGraph
from tinyengine_tvm.memory.schedule import best_order


def branching(source: random.Random, count: int) -> OperatorGraph:
    """Every operator reads one to three of the latest six values."""
    sizes, operators = {"x": source.randint(1, 40)}, []
    for i in range(count):
        latest = list(sizes)[-6:]
        reads = tuple(dict.fromkeys(source.choice(latest) for _ in range(source.randint(1, 3))))
        sizes[f"v{i}"] = source.randint(1, 40)
        operators.append(Operator(f"op{i}", reads, (f"v{i}",)))
    read = {v for op in operators for v in op.reads}
    outputs = tuple(v for v in sizes if v not in read)
    return OperatorGraph(tuple(operators), sizes, ("x",), outputs)


def parallel(
    source: random.Random, width: int, length: int, ends: int = 100, valleys: int = 100
) -> OperatorGraph:
    """Chains between a fork and a join: as many sets of operators as such a graph can have.

    Sizes are up to 100, but for the values at the fork and at the join, which all live at once
    (`ends`), and every second one of a chain (`valleys`).
    """
    sizes = {name: source.randint(1, ends) for name in "xfy"}
    operators, tips = [Operator("fork", ("x",), ("f",))], []
    for chain in range(width):
        value = "f"
        for i in range(length):
            name = f"c{chain}_{i}"
            operators.append(Operator(name, (value,), (name,)))
            most = ends if i == length - 1 else 100 if i % 2 else valleys
            sizes[name] = source.randint(1, most)
            value = name
        tips.append(value)
    operators.append(Operator("join", tuple(tips), ("y",)))
    return OperatorGraph(tuple(operators), sizes, ("x",), ("y",))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="graphs of each kind")
    seeds = parser.parse_args().seeds
    for name, make in (
        ("8 chains of 12", lambda source: parallel(source, 8, 12)),
        ("100 branching", lambda source: branching(source, 100)),
    ):
        longest, exact = 0.0, 0
        for seed in range(seeds):
            graph = make(random.Random(seed))
            start = time.process_time()
            exact += best_order(graph).exact
            longest = max(longest, time.process_time() - start)
        print(f"{name}: {exact} of {seeds} exact, {longest:.1f} s at most", flush=True)


if __name__ == "__main__":
    main()
