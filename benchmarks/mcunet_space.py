# SPDX-License-Identifier: Apache-2.0
"""MCUNet's choice of width and resolution, made again: without data, from memory rules alone.

    python -m benchmarks.mcunet_space [--samples 1000] [--seeds 5] [--picture PNG] [--json FILE]

For the ten budgets that were published: which pair of 108 TinyNAS chooses with rules like
TinyEngine's, under all readings of what the paper leaves open, and which with rules like ours.
docs/space.md discusses the tables that this prints.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinynas.budget import Budget
from tinynas.space import Candidate, Genome, Space, rank_spaces
from tinynas.space.choose import RANKS, Draws
from tinynas.space.mcunet import PUBLISHED, Published, mcunet_space
from tinynas.space.peak import OVERLAPPING, TINY_ENGINE, Engine, Population, needs

CODE = 50_000
"""Bytes of code. The flash that is published for five models of TinyEngine is 112 to 157 kB above
their parameters, of which some 12 bytes for each of 5,000 to 9,000 channels."""

TINY = replace(TINY_ENGINE, code=CODE)
OURS = replace(OVERLAPPING, code=CODE)

FIGURE_3 = {
    (0.3, 160): 32.5,
    (0.4, 112): 32.4,
    (0.4, 128): 39.3,
    (0.4, 144): 46.9,
    (0.5, 112): 38.3,
    (0.5, 128): 46.9,
    (0.5, 144): 52.0,
    (0.6, 112): 41.3,
    (0.7, 96): 31.4,
    (0.7, 112): 38.4,
}
"""Mean millions of MACs of the networks that fit 320 kB and 1 MB, 100 classes, as published."""


@dataclass(frozen=True)
class Reading:
    """One way to read what the paper leaves open.

    The budgets are those of microcontrollers, whose kB are 1,024 bytes.
    """

    name: str
    engine: Engine = TINY
    rank: str = "expected"
    kilobyte: int = 1024
    sampling: str = "choices"


@dataclass(frozen=True)
class Score:
    """Of the ten: exactly as published; one step off in one of both; one step off in each."""

    same: int
    near: int
    around: int


def population(space: Space, samples: int, seed: int, sampling: str) -> Population:
    """Genomes, each choice equally likely, or each network (so that most are deep)."""
    random = np.random.default_rng(seed)
    genomes = [space.sample(random) for _ in range(samples)]
    if sampling == "networks":
        genomes = [_deepened(space, genome, random) for genome in genomes]
    return Population.of(genomes)


def _deepened(space: Space, genome: Genome, random: np.random.Generator) -> Genome:
    depths = []
    for stage in space.stages:
        weights = [float(len(stage.kernels) * len(stage.expansions)) ** d for d in stage.depths]
        depths.append(int(random.choice(stage.depths, p=np.array(weights) / sum(weights))))
    kernels = tuple(int(random.choice(space.stages[s].kernels)) for s, _ in space.places)
    expansions = tuple(int(random.choice(space.stages[s].expansions)) for s, _ in space.places)
    return replace(genome, depths=tuple(depths), kernels=kernels, expansions=expansions)


def drawn(space: Space, engine: Engine, people: Population) -> list[Draws]:
    found = []
    for width, resolution in itertools.product(space.widths, space.resolutions):
        n = needs(space, width, resolution, people, engine)
        costs = np.stack([n.sram, n.flash], axis=1).astype(float)
        found.append(Draws(width, resolution, n.macs, costs))
    return found


def chosen(reading: Reading, samples: int, seed: int, classes: int = 1000) -> list[Candidate]:
    """The best pair for each published budget."""
    space = mcunet_space(classes)
    draws = drawn(space, reading.engine, population(space, samples, seed, reading.sampling))
    return [
        rank_spaces(draws, budget_of(p, reading.kilobyte), seed, reading.rank).best
        for p in PUBLISHED
    ]


def budget_of(published: Published, kilobyte: int) -> Budget:
    return Budget(published.sram * kilobyte, published.flash * kilobyte)


def steps(published: Published, found: Candidate) -> tuple[int, int]:
    """Steps of width (0.1) and of resolution (16) that lie between."""
    return (
        abs(round(10 * found.width) - round(10 * published.width)),
        abs(found.resolution - published.resolution) // 16,
    )


def score(found: Sequence[Candidate]) -> Score:
    apart = [steps(p, c) for p, c in zip(PUBLISHED, found, strict=True)]
    return Score(
        sum(w + r == 0 for w, r in apart),
        sum(w + r <= 1 for w, r in apart),
        sum(max(w, r) <= 1 for w, r in apart),
    )


def readings() -> list[Reading]:
    """All ranks with and without depthwise in place; then one other change at a time."""
    apart = replace(TINY, in_place=False)
    grid = [
        Reading(f"{rank}; depthwise {where}; kB = {kilobyte:,}", engine, rank, kilobyte)
        for rank in RANKS
        for where, engine in (("in place", TINY), ("apart", apart))
        for kilobyte in (1000, 1024)
    ]
    single = []
    for where, base in (("in place", TINY), ("apart", apart)):
        for what, engine in (
            ("image not in SRAM", replace(base, image=False)),
            ("4 bytes of columns per channel", replace(base, columns=4)),
            ("20 kB of SRAM reserved", replace(base, reserved=20_000)),
            ("no code", replace(base, code=0)),
            ("4 bytes per channel, no code", replace(base, code=0, channel_bytes=4)),
        ):
            single.append(Reading(f"expected; depthwise {where}; {what}", engine))
        name = f"expected; depthwise {where}; each network equally likely"
        single.append(Reading(name, base, sampling="networks"))
    return grid + single


def picture(path: Path, rows: Sequence[tuple[Published, Candidate, Candidate]]) -> None:
    """Published choice, that of rules like TinyEngine's, and that of rules like ours."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 5, figsize=(12, 5.4), sharex=True, sharey=True)
    marks = (
        ("published", "#222222", "o", 90),
        ("rules like TinyEngine's", "#31688e", "s", 45),
        ("rules like ours", "#b3402e", "D", 45),
    )
    for axis, (published, tiny, ours) in zip(axes.flat, rows, strict=True):
        places = [(c.width, c.resolution) for c in (published, tiny, ours)]
        for (name, colour, mark, size), (width, resolution) in zip(marks, places, strict=True):
            filled = colour if name != "published" else "none"
            look: dict[str, Any] = {"marker": mark, "edgecolors": colour, "linewidths": 1.6}
            axis.scatter(width, resolution, s=size, c=filled, label=name, **look)
        axis.annotate(
            "", places[2], places[1], arrowprops={"arrowstyle": "->", "color": "#b3402e", "lw": 1.2}
        )
        gain = 100 * (ours.score / tiny.score - 1)
        axis.set_title(
            f"SRAM {published.sram} kB, flash {published.flash} kB\n{gain:+.0f} % MACs expected",
            fontsize=9,
        )
        axis.set_xticks(np.arange(0.2, 1.01, 0.2))
        axis.set_yticks(range(48, 225, 32))
        axis.set_xlim(0.15, 1.05)
        axis.set_ylim(40, 232)
        axis.grid(color="#e6e6e6", zorder=0)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=8)
    figure.supxlabel("width multiplier", fontsize=10)
    figure.supylabel("resolution, pixels", fontsize=10)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=3, fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000, help="networks of each pair")
    parser.add_argument("--seeds", type=int, default=5, help="repetitions with other networks")
    parser.add_argument("--picture", type=Path, help="write the ten choices as a picture")
    parser.add_argument("--json", type=Path, help="write all that is printed")
    given = parser.parse_args()
    facts: dict[str, Any] = {"samples": given.samples, "seeds": given.seeds, "readings": []}

    print("reading: same, one step in one of both, one step in each; of 10, for each seed")
    for reading in readings():
        scores = [score(chosen(reading, given.samples, seed)) for seed in range(given.seeds)]
        facts["readings"].append({"name": reading.name, "scores": [asdict(s) for s in scores]})
        columns = [
            " ".join(map(str, values))
            for values in zip(*(asdict(s).values() for s in scores), strict=True)
        ]
        print(f"  {reading.name}: {' | '.join(columns)}")

    tiny = chosen(Reading("", TINY), given.samples, 0)
    apart = chosen(Reading("", replace(TINY, in_place=False)), given.samples, 0)
    ours = chosen(Reading("", OURS), given.samples, 0)
    literal = chosen(Reading("", TINY, "mean"), given.samples, 0)
    print("SRAM flash: published | in place | apart | in place, ranked by mean | ours, gain")
    facts["choices"] = []
    for p, *found in zip(PUBLISHED, tiny, apart, literal, ours, strict=True):
        names = [f"{c.width:g} x {c.resolution}" for c in found]
        gain = 100 * (found[3].score / found[0].score - 1)
        line = f"  {p.sram} {p.flash}: {p.width:g} x {p.resolution} | {' | '.join(names)}"
        print(f"{line}, {gain:+.0f} %")
        facts["choices"].append(
            {**asdict(p), **dict(zip(("in_place", "apart", "mean", "ours"), names, strict=True))}
        )

    print("figure 3, 100 classes: published mean, ours of what fits, share that fits")
    space = mcunet_space(100)
    draws = drawn(space, TINY, population(space, given.samples, 0, "choices"))
    ranked = rank_spaces(draws, Budget(320 * 1024, 1024 * 1024)).candidates
    for candidate in ranked:
        mean = FIGURE_3.get((candidate.width, candidate.resolution))
        if mean is not None:
            print(
                f"  {candidate.width:g} x {candidate.resolution}: {mean} M, "
                f"{(candidate.mean or 0) / 1e6:.1f} M, {100 * candidate.fraction:.0f} %"
            )
    if given.picture:
        picture(given.picture, list(zip(PUBLISHED, tiny, ours, strict=True)))
    if given.json:
        given.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
