# SPDX-License-Identifier: Apache-2.0
"""The whole search in Python: a data set, a microcontroller, a budget, and a folder."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .budget import Budget
from .data import DataSet, check
from .hardware import MODELS, Hardware
from .project import Project, Settings
from .report.document import write_report
from .space import Genome, Space
from .steps.choose import Choose, choose, space_of
from .steps.evolve import Evolve, evolve_winner
from .steps.finish import Finish
from .steps.seeds import Job, finish_seeds
from .steps.train import Train, load_supernet, train_supernet
from .supernet import SuperNet
from .training.loop import Epoch, Recipe
from .workers import Say

FINISH = "finish.json"


def default_train() -> Train:
    return Train(Recipe(epochs=20))


def default_finish() -> Finish:
    return Finish(Recipe(epochs=15, rate=0.05, label_smoothing=0.0))


@dataclass(frozen=True)
class Options:
    """Of all steps. `seeds`: how often the winner is finished, with the seeds 0, 1, ...

    `workers`: processes that train them side by side. `space`: instead of the data set's default.
    """

    choose: Choose = field(default_factory=Choose)
    train: Train = field(default_factory=default_train)
    evolve: Evolve = field(default_factory=Evolve)
    finish: Finish = field(default_factory=default_finish)
    seeds: int = 1
    workers: int = 1
    space: Space | None = None
    name: str = "net"


class Search:
    """A search in a folder; each method is a step that goes on where it was stopped.

    Raises:
        NasError: a data set, a folder or an option that can't be used, before anything is trained.
    """

    def __init__(
        self, project: Project, data: DataSet, options: Options, say: Say | None = None
    ) -> None:
        check(data)
        self.project, self.data, self.options = project, data, options
        self.say: Say = say or (lambda _: None)
        settings = project.settings
        self.hardware = Hardware(
            settings.core,
            settings.memory or MODELS[0],
            settings.budget,
            bool(settings.fusion),
        )
        self._supernet: SuperNet | None = None

    def _whole_space(self) -> Space:
        settings = self.project.settings
        if settings.supernet is not None:
            return self._loaded(Path(settings.supernet)).space
        return self.options.space or space_of(self.data, bool(settings.squeeze))

    def _loaded(self, path: Path) -> SuperNet:
        if self._supernet is None:
            self._supernet = load_supernet(path, self.data)
        return self._supernet

    def choose(self) -> Space:
        """Step 1: the part of the space that suits the budget."""
        return choose(self.project, self._whole_space(), self.hardware, self.options.choose)[0]

    def train(self) -> SuperNet:
        """Step 2: the supernet of the chosen space, unless one was given."""
        space = self.choose()
        given = self.project.settings.supernet
        if given is not None:
            return self._loaded(Path(given))
        epochs = self.options.train.recipe.epochs

        def tell(epoch: Epoch) -> None:
            self.say(
                f"supernet, epoch {epoch.number + 1} of {epochs}: loss {epoch.loss:.4f}, "
                f"{epoch.seconds:.0f} s"
            )

        options = self.options.train
        recipe = replace(options.recipe, seed=self.project.settings.random)
        options = replace(options, recipe=recipe)
        return self._loaded(train_supernet(self.project, self.data, space, options, tell))

    def evolve(self) -> dict[str, Any]:
        """Step 3: the winner."""
        supernet = self.train()
        return evolve_winner(
            self.project,
            self.data,
            supernet,
            self.choose(),
            self.hardware,
            self.options.evolve,
            self.say,
        )

    def finish(self) -> dict[str, Any]:
        """Step 4: the winner on the board, once for each seed."""
        winner = Genome.from_json(self.evolve()["winner"]["genome"])
        result = self.finish_genome(winner, FINISH, "finish")
        write_report(self.project, result)
        return result

    def finish_genome(self, genome: Genome, record: str, folder: str) -> dict[str, Any]:
        """As `finish`, of any network of the supernet, into a record and folder of its own."""
        options = self.options
        refit = options.finish.refit
        job = Job(
            self.project,
            self.data.refitted() if refit else self.data,
            self.train(),
            genome,
            options.finish,
            folder,
            options.name,
            options.train.device,
        )
        runs = finish_seeds(job, range(options.seeds), self.say, options.workers)
        accuracies = [run["test"]["device"] for run in runs]
        # Of what was trained on, no seed is the better one.
        best = 0 if refit else max(range(len(runs)), key=lambda i: runs[i]["validation"]["int8"])
        result = {
            "genome": genome.to_json(),
            "runs": runs,
            "mean": statistics.mean(accuracies),
            "spread": statistics.stdev(accuracies) if len(runs) > 1 else 0.0,
            # Chosen on the validation split; the test split has no say.
            "chosen": best,
            "model": f"{folder}/seed{best}/{runs[best]['model']}",
        }
        self.project.write(record, result)
        return result


def search(
    data: DataSet,
    target: str,
    budget: Budget,
    folder: Path,
    options: Options | None = None,
    seed: int = 0,
    supernet: Path | None = None,
    say: Say | None = None,
) -> dict[str, Any]:
    """Finds, trains, compiles and measures the best network for a microcontroller.

    `data`: tinynas.data.load(...), or tinynas.data.from_torch(...) of your own torch Datasets.
    `target`: a core, such as cortex-m4. `folder`: everything that is found; the same call goes on
    where it was stopped. `supernet`: a file with a trained one. Gives what finish.json holds; its
    "model" is the path of the model in `folder`.

    Raises:
        NasError: the data set can't be used, or nothing fits; says what is the nearest that does.
    """
    settings = Settings(
        task=data.name,
        target=target,
        sram=_text(budget.sram),
        flash=_text(budget.flash),
        latency=None if budget.cycles is None else f"{budget.cycles / 1e6:.9g}s@1MHz",
        seed=seed,
        supernet=None if supernet is None else str(supernet),
    )
    project = Project.open(Path(folder), settings)
    return Search(project, data, options or Options(), say).finish()


def _text(size: int | None) -> str | None:
    return None if size is None else str(size)
