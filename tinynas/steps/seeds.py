# SPDX-License-Identifier: Apache-2.0
"""Step 4, seed by seed: one after another, or side by side in processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..data import DataSet
from ..errors import NasError
from ..project import Project
from ..space import Architecture, Genome
from ..supernet import SuperNet
from ..training.network import StaticNetwork
from ..workers import Say, heard, pool
from .finish import Finish, Finisher


@dataclass(frozen=True)
class Job:
    """One network to be finished in `folder` of a search, with any number of seeds.

    `network`: one of the supernet's, or any other, whose weights are then drawn anew.
    """

    project: Project
    data: DataSet
    supernet: SuperNet
    network: Genome | Architecture
    options: Finish
    folder: str
    name: str = "net"
    device: str = "auto"

    def result(self, seed: int) -> str:
        return f"{self.folder}/seed{seed}/result.json"

    def seeded(self, seed: int) -> Finish:
        return replace(self.options, recipe=replace(self.options.recipe, seed=seed))

    def known(self, seed: int) -> dict[str, Any] | None:
        """What an earlier call gave for a seed.

        Raises:
            NasError: its options were others.
        """
        run = self.project.read(self.result(seed))
        if run is not None and run.get("options") != self.seeded(seed).to_json():
            raise NasError(
                f"'{self.project.path(self.result(seed))}' was finished with other options; give "
                "them as they were, or delete it"
            )
        return run

    def finisher(self, say: Say) -> Finisher:
        return Finisher(self.project, self.data, self.supernet, self.device, say)


def finish_seeds(
    job: Job, seeds: Sequence[int], say: Say, workers: int = 1
) -> list[dict[str, Any]]:
    """The results of all seeds; those that are known aren't done again.

    `workers`: processes that teachers and then seeds are trained in, one thread each.

    Raises:
        NasError: a known result, or a file of a teacher, is of other options.
    """
    runs = {seed: job.known(seed) for seed in seeds}
    new = [seed for seed, run in runs.items() if run is None]
    if workers > 1 and new:
        with heard(say) as told:
            if job.options.recipe.epochs and job.options.distillation is not None:
                _side_by_side(_teach, job, range(job.options.teaching.count), told, workers)
            runs.update(zip(new, _side_by_side(_finish, job, new, told, workers), strict=True))
    elif new:
        finisher = job.finisher(say)
        for seed in new:
            runs[seed] = _finish(job, seed, say, finisher)
    return [run for run in runs.values() if run is not None]


def _side_by_side(
    task: Callable[[Job, int, Say], Any], job: Job, numbers: Sequence[int], say: Say, workers: int
) -> list[Any]:
    with pool(min(workers, len(numbers))) as processes:
        futures = [processes.submit(task, job, number, say) for number in numbers]
        wait(futures)
    try:
        return [future.result() for future in futures]
    except BrokenProcessPool as error:
        raise NasError(
            f"a process was killed while it trained ({error}), perhaps for want of memory; the "
            "same command goes on from its last epoch, with --workers 1 in less memory"
        ) from None


def _teach(job: Job, number: int, say: Say) -> None:
    """Leaves the file of one teacher."""
    finisher = job.finisher(say)
    views = finisher.views(job.options)
    finisher.teachers(job.options).teach(number, views)


def _finish(job: Job, seed: int, say: Say, finisher: Finisher | None = None) -> dict[str, Any]:
    finisher = finisher or job.finisher(say)
    options = job.seeded(seed)
    if isinstance(job.network, Genome):
        architecture = job.supernet.space.architecture(job.network)
        network = finisher.start(job.network, options)
    else:
        architecture = job.network
        torch.manual_seed(seed)
        network = StaticNetwork(architecture)
    part = job.result(seed)
    folder = job.project.path(part).parent
    run = finisher.finish(architecture, network, options, folder, job.name)
    job.project.write(part, run)
    return run
