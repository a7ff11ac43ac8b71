# SPDX-License-Identifier: Apache-2.0
"""Which width and resolution to search: step 1 of TinyNAS (MCUNet, section 3.1).

Networks of every (width, resolution) are drawn and judged; nothing is trained. Within a family of
networks more MACs mean more capacity, so the best pair is the one whose networks have the most MACs
under the memory that there is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from ..budget import Budget
from ..errors import NasError
from .architecture import Architecture
from .space import Space

Judge = Callable[[Sequence[Architecture]], Sequence[Sequence[float]]]
"""Networks to bytes of SRAM and flash for each; cycles of an inference as a third where known."""

POINTS = tuple(range(0, 101, 5))
"""Per cent, at which a candidate's distribution is kept."""


class Executor(Protocol):
    """What `concurrent.futures` executors have; results in the order of the tasks."""

    def map(self, function: Callable[..., Any], /, *iterables: Iterable[Any]) -> Iterable[Any]: ...


@dataclass(frozen=True)
class Singly:
    """A judge of one network as a judge of many. Can be pickled if what it wraps can."""

    judge: Callable[[Architecture], Sequence[float]]

    def __call__(self, architectures: Sequence[Architecture]) -> list[Sequence[float]]:
        return [self.judge(architecture) for architecture in architectures]


@dataclass(frozen=True, eq=False)
class Draws:
    """Networks of one width and resolution. macs: (n,); costs: (n, 2), or (n, 3) with latency."""

    width: float
    resolution: int
    macs: np.ndarray
    costs: np.ndarray

    def excess(self, budget: Budget) -> np.ndarray:
        """By which factor the budget must grow for each network: (n,), at most 1 where it fits.

        Raises:
            NasError: there's a limit on latency, and the judge doesn't tell it.
        """
        if budget.cycles is not None and self.costs.shape[1] < 3:
            raise NasError("the budget limits latency, but the judge gives SRAM and flash only")
        limits = [np.inf if limit is None else float(limit) for limit in _limits(budget)]
        return np.max(self.costs / limits[: self.costs.shape[1]], axis=1)


def _limits(budget: Budget) -> tuple[float | None, float | None, float | None]:
    """In the order of a judge's numbers."""
    return budget.sram, budget.flash, budget.cycles


def _expected(macs: np.ndarray, draws: int) -> float:
    return float(macs.sum() / draws)


def _mean(macs: np.ndarray, draws: int) -> float:
    return float(macs.mean())


def _quantile(macs: np.ndarray, draws: int) -> float:
    return float(np.quantile(macs, 0.8))


def _likely(macs: np.ndarray, draws: int) -> float:
    everything = np.concatenate([np.zeros(draws - macs.size), macs])
    return float(np.quantile(everything, 0.2))


RANKS: dict[str, Callable[[np.ndarray, int], float]] = {
    "expected": _expected,
    "mean": _mean,
    "quantile": _quantile,
    "likely": _likely,
}
"""What pairs are ranked by, of the MACs of the networks that fit and the number that was drawn.

expected: their sum over all that were drawn: what doesn't fit counts as nothing.
mean: their mean, as MCUNet's text says. quantile: the 80 % point of their distribution.
likely: what 80 % of all that were drawn reach, where what doesn't fit reaches nothing.
"""


@dataclass(frozen=True)
class Candidate:
    """A width and a resolution.

    fitting of `draws` networks fit; mean and quantiles (at POINTS per cent) are of their MACs; None
    and () if there are none. `score` is what candidates are ranked by.
    """

    width: float
    resolution: int
    draws: int
    fitting: int
    score: float
    mean: float | None
    quantiles: tuple[float, ...]

    @property
    def fraction(self) -> float:
        return self.fitting / self.draws


@dataclass(frozen=True)
class SpaceChoice:
    """All widths and resolutions, the best first; those that nothing fits come last."""

    budget: Budget
    rank: str
    seed: int
    candidates: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate:
        return self.candidates[0]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> SpaceChoice:
        candidates = tuple(
            Candidate(**{**c, "quantiles": tuple(c["quantiles"])}) for c in facts["candidates"]
        )
        return cls(Budget(**facts["budget"]), facts["rank"], facts["seed"], candidates)


def choose_space(
    space: Space,
    judge: Judge,
    budget: Budget,
    samples: int = 1000,
    seed: int = 0,
    executor: Executor | None = None,
    rank: str = "expected",
) -> SpaceChoice:
    """Draws `samples` networks of every width and resolution, judges them and ranks the pairs.

    `executor` judges the pairs; `judge` and the space must be picklable if it's one of processes.

    Raises:
        NasError: no network of the space fits; names the nearest budget that one does.
    """
    return rank_spaces(draw(space, judge, samples, seed, executor), budget, seed, rank)


def draw(
    space: Space, judge: Judge, samples: int, seed: int, executor: Executor | None = None
) -> list[Draws]:
    """Networks of every width and resolution, judged.

    The first is the smallest there is: what it doesn't fit, none does. All pairs get the same
    kernels, expansions and depths, so that they're compared without the luck of the draw.
    """
    if samples < 1:
        raise NasError(f"{samples} networks of each width and resolution; draw at least 1")
    random = np.random.default_rng(seed)
    genomes = [space.extreme(False), *(space.sample(random) for _ in range(samples - 1))]
    pairs = list(itertools.product(space.widths, space.resolutions))
    tasks = [
        [replace(genome, width=width, resolution=resolution) for genome in genomes]
        for width, resolution in pairs
    ]
    run = map if executor is None else executor.map
    count = len(pairs)
    judged = run(_judged, itertools.repeat(space, count), itertools.repeat(judge, count), tasks)
    return [
        Draws(width, resolution, macs, costs)
        for (width, resolution), (macs, costs) in zip(pairs, judged, strict=True)
    ]


def _judged(space: Space, judge: Judge, genomes: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    architectures = [space.architecture(genome) for genome in genomes]
    costs = np.array([tuple(row) for row in judge(architectures)], dtype=np.float64)
    if costs.ndim != 2 or len(costs) != len(architectures) or costs.shape[1] not in (2, 3):
        raise NasError(
            f"the judge gave {costs.shape} numbers for {len(architectures)} networks; it must give"
            " SRAM, flash and, if known, latency of each"
        )
    if not np.all(np.isfinite(costs)):
        raise NasError("the judge gave a number that isn't finite")
    return np.array([architecture.macs for architecture in architectures]), costs


def rank_spaces(
    drawn: Sequence[Draws], budget: Budget, seed: int = 0, rank: str = "expected"
) -> SpaceChoice:
    """The pairs, best first; of equal ones the smaller width, then the smaller resolution.

    Raises:
        NasError: nothing fits, or `rank` is none of RANKS.
    """
    if rank not in RANKS:
        raise NasError(f"no rank '{rank}'; there are: {', '.join(RANKS)}")
    candidates = []
    for draws in drawn:
        macs = draws.macs[draws.excess(budget) <= 1]
        some, count = macs.size > 0, draws.macs.size
        candidates.append(
            Candidate(
                draws.width,
                draws.resolution,
                count,
                int(macs.size),
                RANKS[rank](macs, count) if some else 0.0,
                float(macs.mean()) if some else None,
                tuple(np.percentile(macs, POINTS).tolist()) if some else (),
            )
        )
    if not any(candidate.fitting for candidate in candidates):
        raise NasError(_nothing_fits(drawn, budget))
    candidates.sort(key=lambda c: (c.fitting == 0, -c.score, c.width, c.resolution))
    return SpaceChoice(budget, rank, seed, tuple(candidates))


def _nothing_fits(drawn: Sequence[Draws], budget: Budget) -> str:
    """What the smallest networks need, and the budget that is the least factor away."""
    costs = np.concatenate([draws.costs for draws in drawn])
    excess = np.concatenate([draws.excess(budget) for draws in drawn])
    near = costs[int(np.argmin(excess))]
    least = Budget(*(_as_limit(v, b) for v, b in zip(costs.min(0), _limits(budget), strict=False)))
    feasible = Budget(
        *(
            _as_limit(max(value, limit or 0), limit)
            for value, limit in zip(near, _limits(budget), strict=False)
        )
    )
    return (
        f"no network of the space fits {budget}: the smallest needs {least} (not necessarily all"
        f" in one network); nearest feasible budget: {feasible.options}"
    )


def _as_limit(value: float, limit: float | None) -> Any:
    return None if limit is None else int(np.ceil(value))
