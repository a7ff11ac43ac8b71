# SPDX-License-Identifier: Apache-2.0
"""Evolution finds what brute force finds, stays within the budget, and is repeatable."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.tinynas.spaces import PLAIN
from tinynas.errors import NasError
from tinynas.evolve.accuracy import Score
from tinynas.evolve.evolution import (
    Options,
    State,
    draw_population,
    evolve,
    non_dominated,
    ranking,
)
from tinynas.evolve.predictor import Predictor, spearman
from tinynas.evolve.search import Plan, search
from tinynas.space import Genome, default_space

SMALL = Options(population=24, generations=12)


def everything() -> list[Genome]:
    found = set()
    for width, depths in itertools.product(PLAIN.widths, itertools.product((1, 2), (1, 2))):
        for kernels in itertools.product((3, 5), repeat=4):
            for expansions in itertools.product((3, 4), repeat=4):
                genome = Genome(width, 16, depths, kernels, expansions)
                found.add(PLAIN.normal(genome))
    return sorted(found, key=repr)


def goodness(genome: Genome) -> float:
    """Rugged: what a choice is worth depends on others."""
    value = genome.width * 3 + sum(genome.depths) - 0.1 * sum(genome.kernels)
    value += 2.0 * (genome.kernels[0] == 5 and genome.expansions[2] == 4)
    return value - 1.5 * (genome.depths[0] == 2 and genome.width == 1.0)


def fits(genomes: Sequence[Genome]) -> list[bool]:
    return [PLAIN.architecture(g).weights <= 1500 for g in genomes]


def values(genomes: Sequence[Genome]) -> list[tuple[float, ...]]:
    return [(goodness(g),) for g in genomes]


def best_of_all() -> float:
    return max(goodness(g) for g in everything() if fits([g])[0])


def test_a_population_within_a_tight_budget_grows_from_the_smallest() -> None:
    # So few fit that drawing alone finds next to none of them.
    space = default_space(1, 28, 10, 2)
    limit = 1.4 * space.architecture(space.extreme(False)).weights
    asked = 0

    def tight(genomes: Sequence[Genome]) -> list[bool]:
        nonlocal asked
        asked += len(genomes)
        return [space.architecture(g).weights <= limit for g in genomes]

    random = np.random.default_rng(0)
    drawn = [space.sample(random) for _ in range(500)]
    assert sum(tight(drawn)) == 0
    asked = 0
    found = draw_population(space, tight, 30, np.random.default_rng(1), 0.1)
    assert len(set(found)) == 30 and all(tight(found))
    assert asked < 30 * 400
    assert found == draw_population(space, tight, 30, np.random.default_rng(1), 0.1)


def test_what_is_given_comes_first_and_counts() -> None:
    given = [g for g in everything() if fits([g])[0]][:3]
    found = draw_population(PLAIN, fits, 10, np.random.default_rng(0), 0.1, given)
    assert found[:3] == given and len(set(found)) == 10 and all(fits(found))
    assert draw_population(PLAIN, fits, 2, np.random.default_rng(0), 0.1, given[:2]) == given[:2]


def test_where_few_networks_fit_all_of_them_are_found() -> None:
    smallest = sorted(everything(), key=lambda g: PLAIN.architecture(g).weights)[:5]
    limit = PLAIN.architecture(smallest[-1]).weights

    def few(genomes: Sequence[Genome]) -> list[bool]:
        return [PLAIN.architecture(g).weights <= limit for g in genomes]

    every = {g for g, good in zip(everything(), few(everything()), strict=True) if good}
    assert set(draw_population(PLAIN, few, 100, np.random.default_rng(0), 0.3)) == every


def test_evolution_finds_the_best_within_the_budget() -> None:
    assert len(everything()) == PLAIN.size
    hits = 0
    for seed in range(5):
        state = evolve(PLAIN, fits, values, SMALL, seed)
        assert all(fits(state.population))
        assert len(set(state.population)) == len(state.population)
        assert [b[0] for b in state.best] == sorted(b[0] for b in state.best)
        hits += goodness(state.population[0]) == pytest.approx(best_of_all())
    assert hits >= 4


def test_an_evolution_goes_on_from_any_generation() -> None:
    kept: list[dict[str, object]] = []
    whole = evolve(
        PLAIN, fits, values, SMALL, 3, on_generation=lambda state: kept.append(state.to_json())
    )
    state = State.from_json(kept[4])
    assert state.generation == 5
    again = evolve(PLAIN, fits, values, SMALL, 3, state=state)
    assert again.population == whole.population
    assert again.best == whole.best


def test_nothing_fits_is_an_error_and_does_not_go_on_for_ever() -> None:
    with pytest.raises(NasError, match="fits the budget"):
        evolve(PLAIN, lambda genomes: [False] * len(genomes), values, SMALL, 0)


def test_beginnings_that_do_not_fit_are_left_out() -> None:
    large, small = PLAIN.extreme(True), PLAIN.extreme(False)
    options = Options(population=8, generations=0)
    state = evolve(PLAIN, fits, values, options, 0, beginning=[large, small])
    assert small in state.population
    assert large not in state.population


def test_fronts_against_brute_force() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        points = random.integers(0, 6, (12, 2)).astype(float)
        expected = [
            i
            for i, p in enumerate(points)
            if not any((q >= p).all() and (q > p).any() for q in points)
        ]
        assert non_dominated(points) == expected
        order = ranking(points)
        assert sorted(order) == list(range(12))
        assert set(order[: len(expected)]) == set(expected)


class Measured:
    """Scores with counted calls."""

    def __init__(self) -> None:
        self.seen: list[Genome] = []

    def __call__(self, genomes: Sequence[Genome]) -> list[Score]:
        self.seen += genomes
        return [Score(goodness(g) / 10, 1.0) for g in genomes]


@pytest.mark.parametrize("method", ["evolution", "direct", "random"])
def test_methods_of_search(method: str) -> None:
    measured = Measured()
    plan = Plan(method, measured=30, rounds=2, top=8, evolution=SMALL)  # type: ignore[arg-type]
    found = search(PLAIN, fits, measured, plan, 0)
    assert found.values == sorted(found.values, reverse=True)
    assert all(fits(found.ranking))
    assert set(found.ranking) == set(measured.seen)
    if method != "direct":
        assert len(set(measured.seen)) == len(measured.seen)
        assert len(measured.seen) <= plan.total
    if method == "evolution":
        assert len(found.correlations) == 2
        assert found.values[0] == pytest.approx(best_of_all() / 10, abs=1e-5)


def test_aims_need_no_measurement() -> None:
    def never(genomes: Sequence[Genome]) -> list[Score]:
        raise AssertionError

    found = search(PLAIN, fits, never, Plan(aim="weights", evolution=SMALL), 0)
    most = max(PLAIN.architecture(g).weights for g in everything() if fits([g])[0])
    assert PLAIN.architecture(found.ranking[0]).weights == most


def test_a_front_holds_the_cheapest_and_the_best() -> None:
    def cost(genomes: Sequence[Genome]) -> list[float]:
        return [float(PLAIN.architecture(g).macs) for g in genomes]

    plan = Plan(measured=40, rounds=2, evolution=SMALL)
    found = search(PLAIN, fits, Measured(), plan, 0, cost=cost)
    assert found.ranking[0] in found.front
    cheapest = min(found.ranking, key=lambda g: cost([g])[0])
    assert cost([cheapest])[0] in cost(found.front)
    assert len(found.front) >= 3


def test_the_predictor_ranks_what_it_has_not_seen() -> None:
    random = np.random.default_rng(1)
    genomes = list(dict.fromkeys(PLAIN.sample(random) for _ in range(200)))
    known, other = genomes[:80], genomes[80:]
    noise = random.normal(0, 0.01, len(known))
    truth = [PLAIN.architecture(g).weights ** 0.3 + g.kernels[0] for g in genomes]
    predictor = Predictor(PLAIN, known, np.array(truth[:80]) + noise)
    assert spearman(predictor(other), np.array(truth[80:])) > 0.95
    assert predictor.correlation > 0.95
    shuffled = Predictor(PLAIN, known, random.permutation(truth[:80]))
    assert abs(shuffled.correlation) < 0.5


def test_rank_correlation() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert spearman(x, x**3) == pytest.approx(1)
    assert spearman(x, -x) == pytest.approx(-1)
    assert spearman(x, np.array([1.0, 1.0, 2.0, 2.0])) == pytest.approx(0.8944, abs=1e-4)
    assert spearman(x, np.ones(4)) == 0
