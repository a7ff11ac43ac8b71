# SPDX-License-Identifier: Apache-2.0
"""Teachers: networks that no microcontroller has to hold, and what they say of each sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data import DataSet
from ..errors import NasError
from ..training.loading import Augmented, Views, logits_of, preparation
from ..training.loop import Epoch, Recipe, Training, restore, save
from .distil import Distillation, Student
from .residual import Residual

RECIPES = {
    # Weights decay more than a small network's: there are more of them than the samples need. Label
    # smoothing would take from the logits how alike classes are (Mueller et al., When Does Label
    # Smoothing Help?, NeurIPS 2019).
    "residual": Recipe(15, rate=0.1, weight_decay=5e-4, label_smoothing=0.0),
    # Goes on from what the supernet has learnt.
    "largest": Recipe(15, rate=0.05),
}


@dataclass(frozen=True)
class Teaching:
    """How teachers are made, and of what kind.

    `kind`: "residual" for a residual network of dense convolutions, `width` channels wide where
    it's narrowest; "largest" for the largest network of the supernet, which goes on from there.
    `count`: of teachers, whose mean teaches: an ensemble (Hinton et al., 2015).

    Raises:
        NasError: residual networks without training, which know nothing.
    """

    recipe: Recipe = RECIPES["residual"]
    kind: str = "residual"
    count: int = 1
    width: int = 32

    def __post_init__(self) -> None:
        if self.kind == "residual" and not self.recipe.epochs:
            raise NasError(
                "a residual teacher without epochs knows nothing; give --teacher-epochs 1 or more, "
                "or --teacher-kind largest"
            )


def teaching(kind: str) -> Teaching:
    """The usual way for a kind of teacher.

    Raises:
        NasError: there is no such kind.
    """
    if kind not in RECIPES:
        raise NasError(f"no teacher '{kind}'; there are: {', '.join(RECIPES)}")
    return Teaching(RECIPES[kind], kind)


class Teachers:
    """The teachers of a data set, each in a file of its own, which searches can share.

    `largest`: makes the largest network of the supernet, on the device. `file`: the first
    teacher's; the others' have their number behind its stem. `refit`: validation is part of the
    training split.
    """

    def __init__(
        self,
        data: DataSet,
        teaching: Teaching,
        file: Path,
        device: torch.device,
        largest: Callable[[], nn.Module],
        say: Callable[[str], None],
        refit: bool = False,
    ) -> None:
        self.data, self.teaching, self.file, self.device = data, teaching, file, device
        self.largest, self.say, self.refit = largest, say, refit

    def path(self, number: int) -> Path:
        return self.file.with_stem(f"{self.file.stem}-{number}") if number else self.file

    def said(self, views: Views) -> torch.Tensor:
        """float16 [views, samples, classes]: the mean of all teachers' logits."""
        total = sum(self.teach(n, views).float() for n in range(self.teaching.count))
        return (torch.as_tensor(total) / self.teaching.count).half()

    def teach(self, number: int, views: Views) -> torch.Tensor:
        """float16 [views, samples, classes]: one teacher's logits, of its file if that's there.

        Raises:
            NasError: the file is of other options.
        """
        path = self.path(number)
        recipe = replace(self.teaching.recipe, seed=number)
        facts = {
            "data": self.data.name,
            "samples": len(self.data.train),
            "augment": asdict(self.data.augment),
            "kind": self.teaching.kind,
            "width": self.teaching.width if self.teaching.kind == "residual" else None,
            "recipe": asdict(recipe),
        }
        if path.exists():
            content = restore(path, self.device)
            if content.get("facts") != facts:
                raise NasError(
                    f"'{path}' is of another teacher (its options differ); give them as they were, "
                    "or another file"
                )
            logits: torch.Tensor = content["logits"]
            # A view depends on its number alone. Of too few there have to be more, which the
            # teacher's last checkpoint gives.
            if len(logits) >= views.count:
                return logits[: views.count]
        path.parent.mkdir(parents=True, exist_ok=True)
        teacher = self._trained(number, recipe, path.with_suffix(".training.pt"), facts)
        logits = views.logits(teacher)
        accuracy = self._accuracy(teacher)
        trained = ", which it was trained on" if self.refit else ""
        self.say(f"teacher {number} gets {100 * accuracy:.2f} % of validation right{trained}")
        save(path, {"facts": facts, "validation": accuracy, "logits": logits})
        return logits

    def _network(self) -> nn.Module:
        if self.teaching.kind == "largest":
            return self.largest()
        channels, _, size = self.data.input
        made = Residual(
            channels, size, len(self.data.classes), self.data.dimensions, self.teaching.width
        )
        return made.to(self.device)

    def _trained(
        self, number: int, recipe: Recipe, checkpoint: Path, facts: dict[str, Any]
    ) -> nn.Module:
        torch.manual_seed(number)
        network = self._network()
        if not recipe.epochs:
            return network

        def tell(epoch: Epoch) -> None:
            self.say(
                f"teacher {number}, epoch {epoch.number + 1} of {recipe.epochs}: "
                f"loss {epoch.loss:.4f}, {epoch.seconds:.0f} s"
            )

        samples = len(self.data.train)
        step = Student(
            network,
            torch.from_numpy(self.data.train.labels).to(self.device),
            None,
            recipe.steps(samples) // recipe.epochs,
            Distillation(),
            recipe.label_smoothing,
        )
        Training(
            network,
            step,
            Augmented(self.data, self.device, recipe.seed),
            samples,
            recipe,
            device=self.device,
            checkpoint=checkpoint,
            facts=facts,
            on_epoch=tell,
        ).run()
        return network

    def _accuracy(self, network: nn.Module) -> float:
        prepare = preparation(self.data.offset, self.data.divisor, self.device)
        validation = self.data.validation
        logits = logits_of(network, validation.inputs, prepare, self.device)
        return float(np.mean(logits.argmax(1) == validation.labels))
