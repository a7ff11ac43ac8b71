# SPDX-License-Identifier: Apache-2.0
"""Step 4: fine-tune the winner, quantise it, compile it, and measure it on the board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data import DataSet
from ..finish.distil import Distillation, Student
from ..finish.export import export_float, outputs_of, quantise
from ..finish.measure import compile_for, measure
from ..finish.qat import rounding
from ..project import Project
from ..space import Architecture, Genome
from ..supernet import SuperNet, recalibrate
from ..training.loading import Augmented, Views, logits_of, preparation
from ..training.loop import Epoch, Recipe, Training, choose_device, restore, save
from ..training.network import StaticNetwork

CALIBRATION = 1000
"""Samples of the training split that set the ranges of the activations."""
TOLERATED = 0.005
"""The loss of accuracy on validation by quantisation above which the network is trained for it."""


@dataclass(frozen=True)
class Finish:
    """`qat_epochs`: of quantisation-aware training, where it's needed. `scratch`: no weights of the
    supernet, which shows what they're worth."""

    recipe: Recipe
    distillation: Distillation | None = field(default_factory=Distillation)
    qat_epochs: int = 3
    qat_rate: float = 0.005
    scratch: bool = False


class Finisher:
    """Finishes networks of one supernet; what the teacher says is computed once for all seeds."""

    def __init__(
        self, project: Project, data: DataSet, supernet: SuperNet, device: str = "auto"
    ) -> None:
        self.project, self.data, self.supernet = project, data, supernet
        self.device = choose_device(device)
        self.labels = torch.from_numpy(data.train.labels).to(self.device)
        self.prepare = preparation(data.offset, data.divisor, self.device)
        random = np.random.default_rng(0)
        drawn = np.sort(random.permutation(len(data.train))[:CALIBRATION])
        self.calibration = data.train.inputs[drawn]

    def _calibrated(self, network: StaticNetwork) -> StaticNetwork:
        network.to(self.device)
        samples = torch.from_numpy(self.calibration).to(self.device)
        recalibrate(network, [self.prepare(part) for part in samples.split(250)])
        return network

    def start(self, genome: Genome, options: Finish) -> StaticNetwork:
        """The network as the supernet has it, or with weights drawn anew."""
        torch.manual_seed(options.recipe.seed)
        if options.scratch:
            return StaticNetwork(self.supernet.space.architecture(genome)).to(self.device)
        return self._calibrated(self.supernet.extract(genome))

    def taught(self, views: Views, count: int) -> torch.Tensor:
        """float16 [views, samples, classes]: the largest network's logits."""
        path = self.project.path("teacher.pt")
        if path.exists():
            content = restore(path, self.device)
            if content["views"] == count and content["data"] == self.data.name:
                return content["logits"]
        teacher = self._calibrated(self.supernet.extract(self.supernet.space.extreme(True)))
        logits = views.logits(teacher)
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, {"views": count, "data": self.data.name, "logits": logits})
        return logits

    def train(
        self,
        network: StaticNetwork,
        options: Finish,
        folder: Path,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> tuple[StaticNetwork, list[Epoch]]:
        """Fine-tunes a network in place, with a checkpoint in `folder`."""
        return self._fit(
            network, options.recipe, options.distillation, folder / "tuning.pt", on_epoch
        )

    def _fit(
        self,
        network: StaticNetwork,
        recipe: Recipe,
        distillation: Distillation | None,
        checkpoint: Path,
        on_epoch: Callable[[Epoch], None] | None,
    ) -> tuple[StaticNetwork, list[Epoch]]:
        samples = len(self.data.train)
        taught, loader = None, None
        if distillation is not None:
            views = Views(self.data, self.device, distillation.views)
            taught, loader = self.taught(views, distillation.views), views
        step = Student(
            network,
            self.labels,
            taught,
            recipe.steps(samples) // recipe.epochs,
            distillation or Distillation(),
            recipe.label_smoothing,
        )
        training = Training(
            network,
            step,
            loader or Augmented(self.data, self.device, recipe.seed),
            samples,
            recipe,
            device=self.device,
            checkpoint=checkpoint,
            facts={
                "architecture": network.architecture.to_json(),
                "distillation": None if distillation is None else asdict(distillation),
            },
            on_epoch=on_epoch,
        )
        return network, training.run()

    def accuracy(self, network: nn.Module, split: str) -> float:
        part = getattr(self.data, split)
        logits = logits_of(network, part.inputs, self.prepare, self.device)
        return float(np.mean(logits.argmax(1) == part.labels))

    def quantised(self, network: StaticNetwork, folder: Path, name: str) -> tuple[Path, float]:
        """The int8 model, and its accuracy on the validation split."""
        shape = network.architecture.input
        source = export_float(network, shape, folder / "float.onnx")
        network.to(self.device)
        path = quantise(source, self.data.as_input(self.calibration), folder / f"{name}.onnx", name)
        validation = self.data.validation
        logits = outputs_of(path, self.data.as_input(validation.inputs))
        return path, float(np.mean(logits.argmax(1) == validation.labels))

    def finish(
        self,
        architecture: Architecture,
        network: StaticNetwork,
        options: Finish,
        folder: Path,
        name: str,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> dict[str, Any]:
        """Fine-tunes, quantises and measures one network; the facts for the report, as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(options.recipe.seed)
        network, history = self.train(network, options, folder, on_epoch)
        exact = {split: self.accuracy(network, split) for split in ("validation", "test")}
        path, rounded = self.quantised(network, folder, name)
        aware = False
        if exact["validation"] - rounded > TOLERATED and options.qat_epochs:
            recipe = Recipe(
                options.qat_epochs,
                batch=options.recipe.batch,
                rate=options.qat_rate,
                seed=options.recipe.seed,
            )
            with rounding(network):
                self._fit(network, recipe, options.distillation, folder / "qat.pt", on_epoch)
            path, rounded = self.quantised(network, folder, name)
            aware = True
        test = self.data.test
        inputs = self.data.as_input(test.inputs)
        reference = outputs_of(path, inputs)
        settings = self.project.settings
        artifact = compile_for(path, settings.core, settings.budget)
        measured = measure(artifact, inputs, test.labels, reference, settings.core, settings.budget)
        return {
            "seed": options.recipe.seed,
            "model": path.name,
            "architecture": architecture.to_json(),
            "macs": architecture.macs,
            "validation": {"float": exact["validation"], "int8": rounded},
            "test": {
                "float": exact["test"],
                "int8": float(np.mean(reference.argmax(1) == test.labels)),
                "device": measured.accuracy,
            },
            "quantisation_aware": aware,
            "device": measured.to_json(),
            "epochs": [asdict(epoch) for epoch in history],
            "recipe": asdict(options.recipe),
            "distillation": None if options.distillation is None else asdict(options.distillation),
        }
