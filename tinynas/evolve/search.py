# SPDX-License-Identifier: Apache-2.0
"""The search for the winner: measured sub-nets, a predictor that learns from them, evolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ..space import Genome, Space
from .accuracy import Score
from .evolution import Fits, Options, draw_population, evolve, non_dominated
from .predictor import Predictor

Aim = Literal["accuracy", "macs", "weights"]
Method = Literal["evolution", "direct", "random"]
Measure = Callable[[Sequence[Genome]], Sequence[Score]]
Cost = Callable[[Sequence[Genome]], Sequence[float]]


@dataclass(frozen=True)
class Plan:
    """How a search goes.

    `method`: "evolution" evolves on a predictor that is taught `rounds` times by what was measured
    of the best; "direct" measures every network of the evolution; "random" measures as many as
    "evolution" does, drawn at random. `aim`: what is sought; other than accuracy needs no supernet.
    `measured`: networks drawn at random that the predictor begins with; `top`: the best of each
    round that are measured.
    """

    method: Method = "evolution"
    aim: Aim = "accuracy"
    measured: int = 100
    rounds: int = 3
    top: int = 32
    evolution: Options = field(default_factory=Options)

    @property
    def total(self) -> int:
        """How many networks are measured, by evolution on a predictor or at random."""
        return self.measured + self.rounds * self.top


@dataclass
class Found:
    """Genomes, the best first, with what they were chosen by.

    `correlations`: of the predictor with measurements it hadn't seen, each round (Spearman).
    """

    ranking: list[Genome]
    values: list[float]
    correlations: list[float] = field(default_factory=list)
    front: list[Genome] = field(default_factory=list)
    """Those that no other one beats in both accuracy and cost, where a cost is given."""


def search(
    space: Space,
    fits: Fits,
    measure: Measure,
    plan: Plan,
    seed: int,
    *,
    cost: Cost | None = None,
    on_round: Callable[[str], None] | None = None,
) -> Found:
    """The networks that fit, the best first. `cost` makes evolution seek a front, not one winner.

    Raises:
        NasError: nothing that was drawn fits.
    """
    say = on_round or (lambda _: None)
    if plan.aim != "accuracy":
        return _largest(space, fits, plan, seed)

    def objective(value: Callable[[Sequence[Genome]], Sequence[float]]):  # type: ignore[no-untyped-def]
        def values(genomes: Sequence[Genome]) -> list[tuple[float, ...]]:
            goods = value(genomes)
            if cost is None:
                return [(float(good),) for good in goods]
            return [(float(g), -float(c)) for g, c in zip(goods, cost(genomes), strict=True)]

        return values

    def accuracies(genomes: Sequence[Genome]) -> list[float]:
        return [merit(score) for score in measure(genomes)]

    if plan.method == "direct":
        seen: dict[Genome, float] = {}

        def noted(genomes: Sequence[Genome]) -> list[float]:
            goods = accuracies(genomes)
            seen.update(zip(genomes, goods, strict=True))
            return goods

        evolve(
            space,
            fits,
            objective(noted),
            plan.evolution,
            seed,
            on_generation=lambda state: say(
                f"generation {state.generation}: accuracy {state.best[-1][0]:.4f}"
            ),
        )
        return _ranked(seen, [], cost)

    random = np.random.default_rng((seed, 0x5EA))
    wanted = plan.total if plan.method == "random" else plan.measured
    drawn = draw_population(space, fits, wanted, random, plan.evolution.mutation)
    known = dict(zip(drawn, accuracies(drawn), strict=True))
    say(f"{len(known)} drawn at random: accuracy up to {max(known.values()):.4f}")
    correlations: list[float] = []
    for number in range(plan.rounds if plan.method == "evolution" else 0):
        predictor = Predictor(space, list(known), list(known.values()))
        correlations.append(predictor.correlation)
        # The best that are known begin; a generation on the predictor costs next to nothing.
        best = sorted(known, key=known.__getitem__, reverse=True)
        state = evolve(
            space,
            fits,
            objective(predictor),
            plan.evolution,
            seed + number,
            beginning=best[: plan.evolution.population // 4],
        )
        new = [g for g in state.population if g not in known][: plan.top]
        known.update(zip(new, accuracies(new), strict=True))
        say(
            f"round {number + 1}: {len(known)} measured, accuracy up to {max(known.values()):.4f}, "
            f"rank correlation of the predictor {predictor.correlation:.2f}"
        )
    return _ranked(known, correlations, cost)


def merit(score: Score) -> float:
    """What is maximised: accuracy; of equally accurate networks the one with the smaller loss."""
    return score.accuracy - 1e-6 * min(score.loss, 100.0)


def _largest(space: Space, fits: Fits, plan: Plan, seed: int) -> Found:
    """The networks with the most multiply-accumulates, or weights."""

    def sizes(genomes: Sequence[Genome]) -> list[tuple[float, ...]]:
        return [(float(getattr(space.architecture(g), plan.aim)),) for g in genomes]

    options = plan.evolution
    if plan.method == "random":
        options = replace(options, population=plan.total, generations=0)
    state = evolve(space, fits, sizes, options, seed)
    return Found(state.population, [v for (v,) in sizes(state.population)])


def _ranked(known: dict[Genome, float], correlations: list[float], cost: Cost | None) -> Found:
    order = sorted(known, key=known.__getitem__, reverse=True)
    found = Found(order, [known[g] for g in order], correlations)
    if cost is not None:
        values = np.array([found.values, [-c for c in cost(order)]]).T
        found.front = [order[i] for i in non_dominated(values)]
    return found
