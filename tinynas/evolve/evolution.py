# SPDX-License-Identifier: Apache-2.0
"""Evolution of genomes under a budget.

Once-for-All's algorithm and defaults (Cai et al., ICLR 2020): the best quarter are parents, half of
the children are mutations, half are crossings. With several objectives parents are chosen as in
NSGA-II (Deb et al., IEEE TEC 2002): by non-dominated rank, then by how alone they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import NasError
from ..space import Genome, Space

Fits = Callable[[Sequence[Genome]], Sequence[bool]]
Objective = Callable[[Sequence[Genome]], Sequence[tuple[float, ...]]]
"""What is maximised, an entry per objective."""

ATTEMPTS = 400
"""Draws per network that fits before there are no more of them."""
SAMPLED = 40
"""The same where networks are drawn from the whole space."""
LITTER = 16
"""Mutated networks that fit before they become parents themselves."""


@dataclass(frozen=True)
class Options:
    """Of the evolution; `mutation` is the probability per choice, `parents` a fraction."""

    population: int = 100
    generations: int = 30
    parents: float = 0.25
    mutation: float = 0.1
    crossover: float = 0.5
    """The part of the children that cross two parents."""


@dataclass
class State:
    """Where an evolution is: it can be written after each generation and gone on with."""

    generation: int = 0
    population: list[Genome] = field(default_factory=list)
    best: list[tuple[float, ...]] = field(default_factory=list)
    """The best values after each generation."""

    def to_json(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "population": [g.to_json() for g in self.population],
            "best": [list(values) for values in self.best],
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> State:
        population = [Genome.from_json(g) for g in facts["population"]]
        return cls(int(facts["generation"]), population, [tuple(v) for v in facts["best"]])


def draw_fitting(
    draw: Callable[[], Genome],
    fits: Fits,
    count: int,
    known: set[Genome],
    batch: int = 64,
    attempts: int = ATTEMPTS,
) -> list[Genome]:
    """`count` different genomes that fit, fewer where many draws give no more of them.

    Those in `known` don't count as new. Whether genomes fit is asked for many at once.
    """
    found: list[Genome] = []
    seen = set(known)
    for _ in range(0, count * attempts, batch):
        if len(found) >= count:
            break
        drawn = [g for g in dict.fromkeys(draw() for _ in range(batch)) if g not in seen]
        seen.update(drawn)
        found += [g for g, good in zip(drawn, fits(drawn), strict=True) if good]
    return found[:count]


def draw_population(
    space: Space,
    fits: Fits,
    count: int,
    random: np.random.Generator,
    mutation: float,
    given: Sequence[Genome] = (),
) -> list[Genome]:
    """`count` different genomes that fit, fewer where there don't seem to be more.

    Those in `given` are among them; the others are drawn at random. Where a budget is so tight that
    hardly any of those fit, the smallest network and those that were found mutate, and so do
    theirs.

    Raises:
        NasError: nothing fits.
    """
    found = [*given]
    found += draw_fitting(
        lambda: space.sample(random), fits, count - len(found), set(found), attempts=SAMPLED
    )
    if len(found) < count:
        smallest = space.extreme(False)
        if smallest not in found and fits([smallest])[0]:
            found.append(smallest)
        if not found:
            raise NasError(
                "none of the networks that were drawn fits the budget; --measured draws more of "
                "them, and a larger budget (in a new folder) makes it easier"
            )
    while len(found) < count:

        def mutated(parents: list[Genome] = found) -> Genome:
            return space.mutate(parents[int(random.integers(len(parents)))], mutation, random)

        new = draw_fitting(mutated, fits, min(LITTER, count - len(found)), set(found))
        if not new:
            break
        found = found + new
    return found


def evolve(
    space: Space,
    fits: Fits,
    objective: Objective,
    options: Options,
    seed: int,
    *,
    state: State | None = None,
    beginning: Sequence[Genome] = (),
    on_generation: Callable[[State], None] | None = None,
) -> State:
    """The population after all generations, the best first.

    `beginning`: genomes that are in the first population if they fit. Every generation's draws
    follow from the seed and its number.

    Raises:
        NasError: nothing that was drawn fits.
    """
    state = state or State()
    if not state.population:
        random = np.random.default_rng((seed, 0))
        given = [space.normal(g) for g in dict.fromkeys(beginning)]
        given = [g for g, good in zip(given, fits(given), strict=True) if good]
        state.population = draw_population(
            space, fits, options.population, random, options.mutation, given[: options.population]
        )
        _sort(state, objective)
    while state.generation < options.generations:
        random = np.random.default_rng((seed, state.generation + 1))
        parents = state.population[: max(2, round(options.parents * options.population))]
        crossing = round(options.crossover * (options.population - len(parents)))
        mutating = options.population - len(parents) - crossing

        def one(parents: list[Genome] = parents, random: Any = random) -> Genome:
            return parents[int(random.integers(len(parents)))]

        children = draw_fitting(
            lambda random=random, one=one: space.mutate(one(), options.mutation, random),  # type: ignore[misc]
            fits,
            mutating,
            set(parents),
        )
        children += draw_fitting(
            lambda random=random, one=one: space.cross(one(), one(), random),  # type: ignore[misc]
            fits,
            crossing,
            {*parents, *children},
        )
        state.population = parents + children
        state.generation += 1
        _sort(state, objective)
        if on_generation is not None:
            on_generation(state)
    return state


def _sort(state: State, objective: Objective) -> None:
    values = np.array(objective(state.population), np.float64)
    order = ranking(values)
    state.population = [state.population[i] for i in order]
    state.best.append(tuple(float(v) for v in values[order[0]]))


def ranking(values: np.ndarray) -> list[int]:
    """Indices of rows of `values` [n, objectives], to be maximised, the best first."""
    if values.shape[1] == 1:
        return [int(i) for i in np.argsort(-values[:, 0], kind="stable")]
    order: list[int] = []
    left = list(range(len(values)))
    while left:
        front = non_dominated(values[left])
        members = [left[i] for i in front]
        distance = _crowding(values[members])
        order += [members[i] for i in np.argsort(-distance, kind="stable")]
        chosen = set(members)
        left = [i for i in left if i not in chosen]
    return order


def non_dominated(values: np.ndarray) -> list[int]:
    """Rows of `values` [n, objectives] that no other row is at least as good as in everything."""
    others, own = values[None], values[:, None]
    better = np.all(others >= own, axis=2) & np.any(others > own, axis=2)
    return [int(i) for i in np.flatnonzero(~np.any(better, axis=1))]


def _crowding(values: np.ndarray) -> np.ndarray:
    """How far each row's neighbours are, in each objective; the ends are infinitely far."""
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if span > 0 and len(order) > 2:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance
