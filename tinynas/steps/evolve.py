# SPDX-License-Identifier: Apache-2.0
"""Step 3: the search for the winner under the budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tinyengine_tvm.errors import BudgetError

from ..budget import Budget
from ..data import DataSet
from ..errors import NasError
from ..evolve.accuracy import Accuracy, Score
from ..evolve.search import Found, Plan, search
from ..hardware import Costs, Hardware, within
from ..project import Project
from ..space import Genome, Space
from ..supernet import SuperNet
from ..workers import executor

RESULT = "evolve.json"
SCORES = "scores.json"
SHOWN = 20
"""How many of the best networks the result lists."""
TRIED = 20
"""How many of the best are compiled until one fits for certain."""
FRONTS = {"cycles": "cycles", "sram": "sram", "flash": "flash", "macs": "macs"}


@dataclass(frozen=True)
class Evolve:
    """`samples` of the validation split score a network, after `calibration` of the training
    split have set its batch normalisation. `front`: one of FRONTS, to seek all trade-offs."""

    plan: Plan = field(default_factory=Plan)
    samples: int = 5000
    calibration: int = 1000
    front: str | None = None
    workers: int = 1
    scheduler: str | None = None


def evolve_winner(
    project: Project,
    data: DataSet,
    supernet: SuperNet,
    space: Space,
    hardware: Hardware,
    options: Evolve,
    on_round: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Searches `space`, a part of the supernet's; gives and writes what was found.

    Raises:
        NasError: nothing fits the budget, or none of the best does when it's compiled.
    """
    known = project.read(RESULT)
    if known is not None:
        return known
    budget, seed = project.settings.budget, project.settings.random
    costs: dict[Genome, Costs] = {}

    def judged(genomes: Sequence[Genome]) -> list[Costs]:
        new = [g for g in dict.fromkeys(genomes) if g not in costs]
        costs.update(zip(new, hardware.judge([space.architecture(g) for g in new]), strict=True))
        return [costs[g] for g in genomes]

    def fits(genomes: Sequence[Genome]) -> list[bool]:
        return [within(cost, budget) for cost in judged(genomes)]

    front = options.front
    if front is not None and front not in FRONTS:
        raise NasError(f"no front of '{front}'; there are: {', '.join(FRONTS)}")
    with executor(options.workers, options.scheduler) as (processes, workers):
        accuracy = Accuracy(
            supernet,
            data,
            samples=options.samples,
            calibration=options.calibration,
            seed=seed,
            executor=processes,
            workers=workers,
            on_scores=lambda scores: _write_scores(project, scores, options),
        )
        accuracy.known.update(_read_scores(project, options))
        found = search(
            space,
            fits,
            accuracy,
            options.plan,
            seed,
            cost=None
            if front is None
            else lambda genomes: [float(getattr(c, FRONTS[front])) for c in judged(genomes)],
            on_round=on_round,
        )
    winner, refused = _first_that_compiles(found, space, hardware, budget)
    result = {
        "winner": _described(winner, found, space, costs[winner], accuracy.known),
        "refused": refused,
        "best": [
            _described(g, found, space, costs[g], accuracy.known) for g in found.ranking[:SHOWN]
        ],
        "front": [_described(g, found, space, costs[g], accuracy.known) for g in found.front],
        "correlations": found.correlations,
        "measured": len(accuracy.known),
        "judged": len(costs),
        "budget": budget.to_json(),
        "options": _facts(options),
    }
    project.write(RESULT, result)
    return result


def _first_that_compiles(
    found: Found, space: Space, hardware: Hardware, budget: Budget
) -> tuple[Genome, int]:
    """The best network that the compiler fits into the budget, and how many better ones it didn't.

    The estimate of the code's size errs by a few per cent, so it's linked to make sure.
    """
    for refused, genome in enumerate(found.ranking[:TRIED]):
        try:
            hardware.confirm(space.architecture(genome), budget)
        except BudgetError as error:
            reason = error
            continue
        return genome, refused
    raise NasError(f"none of the {TRIED} best networks fits when it's compiled: {reason}")


def _described(
    genome: Genome, found: Found, space: Space, costs: Costs, scores: dict[Genome, Score]
) -> dict[str, Any]:
    score = scores.get(genome)
    return {
        "genome": genome.to_json(),
        "architecture": space.architecture(genome).to_json(),
        "value": found.values[found.ranking.index(genome)],
        "score": None if score is None else asdict(score),
        "costs": {**asdict(costs), "sram": costs.sram, "flash": costs.flash},
    }


def _facts(options: Evolve) -> dict[str, Any]:
    facts = asdict(options)
    # Where the work was done makes no difference to what came out.
    del facts["workers"], facts["scheduler"]
    return facts


def _write_scores(project: Project, scores: dict[Genome, Score], options: Evolve) -> None:
    rows = [{**g.to_json(), **asdict(score)} for g, score in scores.items()]
    project.write(
        SCORES, {"samples": options.samples, "calibration": options.calibration, "scores": rows}
    )


def _read_scores(project: Project, options: Evolve) -> dict[Genome, Score]:
    content = project.read(SCORES)
    if content is None:
        return {}
    if (content["samples"], content["calibration"]) != (options.samples, options.calibration):
        raise NasError(
            f"'{project.path(SCORES)}' has scores of {content['samples']} samples after "
            f"{content['calibration']}; give the same, or delete it"
        )
    return {Genome.from_json(row): Score(row["accuracy"], row["loss"]) for row in content["scores"]}
