# SPDX-License-Identifier: Apache-2.0
"""Measures drawn networks on an emulated board, and fits what tinynas estimates code and time with.

    python -m benchmarks.hardware_model measure -o build/hardware.jsonl
    python -m benchmarks.hardware_model fit build/hardware.jsonl

`measure` compiles networks of several spaces, counts their layers' instructions and cycles (the
cycle model of docs/cycle-model.md), and links them for the size of their code; it appends, and goes
on after an interruption. `fit` takes every fifth network for the error that it reports, and the
others for the coefficients; it writes tinynas/hardware/coefficients/<core>.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyengine_tvm.api import compile_network
from tinynas.hardware import Twin, network_of
from tinynas.hardware.fitted import COEFFICIENTS, fitted
from tinynas.space import Architecture, Space, Stage

BOARDS = {"cortex-m4": "mps2-an386", "cortex-m7": "mps2-an500", "cortex-m33": "mps2-an505"}
SPACES = (
    Space(1, 10, (Stage(16, 2), Stage(24, 2), Stage(40, 1)), (0.5, 0.75, 1.0), (20, 24, 28, 32)),
    Space(
        3,
        2,
        (Stage(16, 2), Stage(24, 2), Stage(40, 2), Stage(48, 1), Stage(96, 2)),
        (0.3, 0.5, 0.7),
        (32, 48, 64, 80),
        first=12,
        divisor=8,
    ),
    Space(
        6,
        7,
        (Stage(16, 2), Stage(24, 2), Stage(40, 2)),
        (0.5, 1.0, 1.5),
        (64, 100, 128),
        dimensions=1,
    ),
    Space(
        3,
        10,
        tuple(Stage(width, 2, squeeze=True) for width in (16, 24, 40)),
        (0.5, 0.75, 1.0),
        (20, 28, 32, 40),
    ),
)
LARGE = Space(
    3,
    10,
    (Stage(16, 2, (1, 2)), Stage(24, 2, (1, 2)), Stage(40, 2, (1,))),
    (0.3, 0.5),
    (128, 144, 176),
    first=8,
)
"""Feature maps that the fast depthwise kernels are too narrow for."""
HELD = 5
"""One network of so many tells the error; no multiple of the number of spaces, which take turns."""


def drawn(count: int) -> Iterator[Architecture]:
    """Networks of the spaces in turn, and a sixth as many large ones."""
    random = np.random.default_rng(0)
    for index in range(count):
        space = SPACES[index % len(SPACES)]
        yield space.architecture(space.sample(random))
    for _ in range(count // 6):
        yield LARGE.architecture(LARGE.sample(random))


def measure(path: Path, count: int, core: str) -> None:
    done = path.read_text().splitlines() if path.is_file() else []
    for index, architecture in enumerate(drawn(count)):
        if index < len(done):
            continue
        artifact = compile_network(network_of(architecture), target=core)
        profile = artifact.profile(BOARDS[core])
        facts = {
            "architecture": architecture.to_json(),
            "code": profile.flash.code,
            "static": profile.sram.static,
            "instructions": profile.unmarked_instructions,
            "layers": [[at.name, at.instructions, at.cycles] for at in profile.layers],
        }
        with path.open("a") as file:
            file.write(json.dumps(facts) + "\n")
        print(index, profile.flash.code, profile.unmarked_instructions, flush=True)


@dataclass(frozen=True)
class Sample:
    """A measured network; `layers`: instructions and cycles by name."""

    architecture: Architecture
    code: int
    static: int
    layers: dict[str, tuple[int, int]]


def read(path: Path) -> list[Sample]:
    samples = []
    for line in path.read_text().splitlines():
        facts = json.loads(line)
        layers = {name: (instructions, cycles) for name, instructions, cycles in facts["layers"]}
        architecture = Architecture.from_json(facts["architecture"])
        samples.append(Sample(architecture, facts["code"], facts["static"], layers))
    return samples


def solved(rows: np.ndarray, values: np.ndarray, weights: np.ndarray, least: float) -> np.ndarray:
    """Least squares with relative weights; `least` keeps coefficients of like columns small."""
    weighted = rows * weights[:, None]
    scale = np.maximum(np.linalg.norm(weighted, axis=0), 1e-12)
    right = values * weights
    ridge = np.sqrt(least) * np.eye(rows.shape[1])
    both = np.vstack([weighted / scale, ridge])
    full = np.concatenate([right, np.zeros(rows.shape[1])])
    return np.asarray(np.linalg.lstsq(both, full, rcond=None)[0] / scale)


def time_coefficients(samples: list[Sample], twin: Twin) -> list[dict[str, list[float]]]:
    """Instructions and cycles by kernel, fitted for small errors relative to a layer's time."""
    rows: dict[str, list[list[float]]] = {}
    values: dict[str, list[tuple[int, int]]] = {}
    for sample in samples:
        network, picked = twin.selection(sample.architecture)
        for layer, own in zip(network.layers, picked, strict=True):
            name = own.selected.kernel.name
            rows.setdefault(name, []).append(own.sizes)
            values.setdefault(name, []).append(sample.layers[layer.name])
    tables: list[dict[str, list[float]]] = [{}, {}]
    for name, sizes in rows.items():
        for table, measured in zip(tables, np.array(values[name], float).T, strict=True):
            # Large layers count more than their errors in percent, small ones less.
            weights = 1 / np.maximum(measured, 1) ** 0.75
            found = solved(np.array(sizes), measured, weights, 1e-10)
            table[name] = [float(f"{value:.7g}") for value in found]
    return tables


def code_coefficients(samples: list[Sample], twin: Twin) -> dict[str, float]:
    columns: dict[str, int] = {}
    parts = []
    for sample in samples:
        _, picked = twin.selection(sample.architecture)
        amounts = {"network": 1.0}
        pieces: dict[str, tuple[str, int]] = {}
        for own in picked:
            amounts[own.own] = amounts.get(own.own, 0) + 1
            pieces.update(own.shared)
        for feature, amount in pieces.values():
            amounts[feature] = amounts.get(feature, 0) + amount
        parts.append(amounts)
        for feature in amounts:
            columns.setdefault(feature, len(columns))
    rows = np.zeros((len(parts), len(columns)))
    for row, amounts in zip(rows, parts, strict=True):
        for feature, amount in amounts.items():
            row[columns[feature]] = amount
    values = np.array([sample.code for sample in samples], float)
    found = solved(rows, values, 1 / values, 1e-10)
    return {feature: round(float(found[at]), 4) for feature, at in columns.items()}


def errors(samples: list[Sample], core: str) -> dict[str, np.ndarray]:
    """Relative errors by network, and by layer for those with a hundredth of its cycles."""
    twin = Twin(core)
    found: dict[str, list[float]] = {
        "code": [],
        "instructions": [],
        "cycles": [],
        "a layer's cycles": [],
    }
    for sample in samples:
        costs = twin.judge(sample.architecture)
        totals = [sum(layer[i] for layer in sample.layers.values()) for i in (0, 1)]
        found["code"].append(costs.code / sample.code - 1)
        found["instructions"].append(costs.instructions / totals[0] - 1)
        found["cycles"].append(costs.cycles / totals[1] - 1)
        network, picked = twin.selection(sample.architecture)
        for layer, own in zip(network.layers, picked, strict=True):
            cycles = sample.layers[layer.name][1]
            if cycles > totals[1] / 100:
                found["a layer's cycles"].append(own.cycles / cycles - 1)
    return {name: np.abs(values) for name, values in found.items()}


def fit(path: Path, core: str) -> None:
    samples = read(path)
    held = samples[HELD - 1 :: HELD]
    kept = [s for i, s in enumerate(samples, 1) if i % HELD]
    twin = Twin(core)
    instructions, cycles = time_coefficients(kept, twin)
    facts = {
        "core": core,
        "static": int(np.median([s.static for s in samples])),
        "code": code_coefficients(kept, twin),
        "instructions": instructions,
        "cycles": cycles,
    }
    COEFFICIENTS.mkdir(exist_ok=True)
    target = COEFFICIENTS / f"{core}.json"
    target.write_text(json.dumps(facts | {"errors": {}}, indent=1) + "\n")
    fitted.cache_clear()
    found = errors(held, core)
    summary = {
        name: {"mean": round(float(values.mean()), 4), "largest": round(float(values.max()), 4)}
        for name, values in found.items()
    }
    target.write_text(json.dumps(facts | {"errors": summary}, indent=1) + "\n")
    print(f"{len(kept)} networks fitted, {len(held)} held out")
    for name, figures in summary.items():
        print(f"{name}: " + ", ".join(f"{k} {100 * v:.2f} %" for k, v in figures.items()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--core", default="cortex-m4", choices=BOARDS)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--count", type=int, default=140)
    measuring.add_argument("-o", type=Path, default=Path("build/hardware.jsonl"))
    fitting = commands.add_parser("fit")
    fitting.add_argument("path", type=Path)
    given = parser.parse_args()
    if given.command == "measure":
        given.o.parent.mkdir(parents=True, exist_ok=True)
        measure(given.o, given.count, given.core)
    else:
        fit(given.path, given.core)


if __name__ == "__main__":
    main()
